/**
 * Every failure that a caller may want to tell apart. Codes of the server's problems are passed on as they are
 * (`device_locked`, `attempt_failed`, `operation_expired` …); these are the SDK's own.
 */
export const localErrors = {
  network: 'The server cannot be reached.',
  server_unexpected: 'The server answered something that cannot be used.',
  ticket_unreadable: 'This is not an enrollment link.',
  claim_unreadable: 'This is neither a code for this device to take nor a link with one.',
  keys_untrusted:
    'No key that this device knows vouches for the keys of the server. If it is the right server, enroll again.',
  challenge_invalid: 'The request is not a valid one for this device.',
  document_unread: 'The document must be fetched before it is agreed to.',
  document_changed: 'What came is not the document that the request names.',
  already_enrolled: 'This storage holds an enrolled device.',
  nothing_to_resume: 'There is no enrollment to go on with.',
  enrollment_waiting: 'The enrollment is not confirmed yet.',
  keys_lost: 'The keys of this device are gone. It must be enrolled again.',
  pin_required: 'A PIN is needed.',
  pin_not_digits: 'A PIN consists of digits.',
  pin_too_short: 'The PIN is too short.',
  pin_too_long: 'The PIN is too long.',
  pin_unchanged: 'The new PIN is the old one.',
  pin_weak: 'This PIN is too easy to guess.',
  rotation_underway: 'The keys are being changed already.',
  match_required: 'The number is needed.',
  method_unavailable: 'This device cannot prove what the request asks for.',
} as const;

export type LocalErrorCode = keyof typeof localErrors;

export interface DeviceErrorOptions {
  detail?: string;
  /** HTTP status, where the server answered */
  status?: number;
  /** further members of the server's problem: `attempts_left`, `lock_imminent`, `reason`, `retry_after` */
  members?: Record<string, unknown>;
  /** the server's clock, epoch seconds, from an answer that only the server can have written */
  serverNow?: number;
  cause?: unknown;
}

export class DeviceError extends Error {
  /** stable; of the server's problem, or a {@link LocalErrorCode} */
  readonly code: string;
  readonly status: number | undefined;
  readonly members: Record<string, unknown>;
  readonly serverNow: number | undefined;

  constructor(code: string, { detail, status, members = {}, serverNow, cause }: DeviceErrorOptions = {}) {
    super(detail ?? localErrors[code as LocalErrorCode] ?? code, { cause });
    this.name = 'DeviceError';
    this.code = code;
    this.status = status;
    this.members = members;
    this.serverNow = serverNow;
  }

  /** How many tries are left, where the server tells. */
  get attemptsLeft(): number | undefined {
    return typeof this.members.attempts_left === 'number' ? this.members.attempts_left : undefined;
  }

  /** One more wrong answer, to whatever request, locks this device. */
  get lockIsImminent(): boolean {
    return this.members.lock_imminent === true;
  }

  /** Coarse reason of `device_locked`. */
  get reason(): string | undefined {
    return typeof this.members.reason === 'string' ? this.members.reason : undefined;
  }
}

/** The code of anything thrown: of a DeviceError its own, else undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof DeviceError ? error.code : undefined;
}
