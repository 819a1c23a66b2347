/**
 * Every expected refusal of the domain, declared once. Knows neither HTTP nor OAuth: http/problem.ts and
 * protocol/errors.ts map each code, and do not compile while one is missing. The text may be shown to the caller;
 * `detail` is for people who read logs.
 */
export const domainErrors = {
  // asked for something that is not there, or not in this shape
  invalid_request: 'The request is not valid.',
  user_not_found: 'No such user.',
  device_not_found: 'No such device.',
  operation_not_found: 'No such operation.',
  application_not_found: 'No such application.',
  document_not_found: 'There is no document to fetch for this operation.',
  pin_proof_not_found: 'No PIN proof was kept for such an operation.',
  client_not_found: 'No such client.',
  client_exists: 'Another client has, or had, this client_id.',
  client_configured: 'This client belongs to the configuration and is changed there.',
  client_metadata_invalid: 'The client metadata is not acceptable.',
  identifier_taken: 'Another user has this identifier.',
  stale_version: 'The record has changed since it was read.',
  state_conflict: 'This is not possible in the current state.',
  master_key_not_found: 'No master key with this id opens the store.',
  master_key_in_use: 'This is the master key of the server that was asked. Start it with another one first.',
  master_key_others:
    'The store has a slot of a master key that this server was not started with. Forget it, or give it as a former one.',

  // about people and limits
  user_unknown: 'No user matches the hint.',
  no_usable_device: 'The user has no authentication device.',
  too_many_pending: 'Too many requests are waiting for this user.',
  rate_limited: 'Too many requests. Try again later.',
  binding_message_invalid: 'The binding message is not acceptable.',

  // the device's messages (device-protocol, section 2)
  unreadable: 'The message cannot be read.',
  unknown_key: 'The message was made for a key that is not in use. Fetch the keys and try again.',
  device_refused: 'The device is not known, or the signature does not verify.',
  device_locked: 'The device is locked.',
  device_deactivated: 'The device is deactivated.',
  clock_skew: 'The message was not made now. See `now` for the time to trust.',
  message_reused: 'This message id was used before for another message.',
  message_invalid: 'The message is not valid.',

  // enrollment (section 3)
  ticket_invalid: 'The ticket is not valid, or is used up.',
  ticket_bound: 'The ticket belongs to another device.',
  enrollment_conflict: 'The user has a device of this application already.',
  key_reused: 'A key is in use already.',
  confirm_invalid: 'The confirmation does not match.',
  method_not_available: 'This method is not available.',
  proof_required: 'This needs a proof by another key of the device, or a fresh ticket where it has none.',
  attestation_refused: 'The platform’s statement about the device is missing, or is not trusted.',
  no_approving_device: 'The user has no device that could approve a new one.',
  enrollment_denied: 'The enrollment was not approved.',
  code_wrong: 'The digits are not those that the device shows.',
  revocation_refused: 'This device may take away only a newer one of the same user.',

  // answers (section 4)
  claim_not_found: 'Nothing is offered under this code, or nothing any longer.',
  claim_taken: 'Another device has taken this already.',
  challenge_stale: 'The answer does not belong to the current challenge.',
  attempt_failed: 'The answer could not be verified.',
  attempt_underway: 'Another answer of this device is being checked. Try again in a moment.',
  operation_decided: 'The operation was answered before.',
  operation_expired: 'The operation has expired.',
  operation_cancelled: 'The operation was cancelled.',
  operation_failed: 'The operation has failed.',

  // limits of this process
  unavailable: 'The service is not available at the moment. Try again.',
} as const;

export type DomainErrorCode = keyof typeof domainErrors;

export class DomainError extends Error {
  readonly code: DomainErrorCode;
  /** For the log, never for the caller. */
  readonly detail: string | undefined;
  /** Members that the caller may see beside the code: `attempts_left`, `lock_imminent`, `reason`, `retry_after`, `invalid_params`. */
  readonly members: Record<string, unknown>;

  constructor(
    code: DomainErrorCode,
    options: { detail?: string; cause?: unknown; members?: Record<string, unknown> } = {},
  ) {
    super(domainErrors[code], options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DomainError';
    this.code = code;
    this.detail = options.detail;
    this.members = options.members ?? {};
  }
}
