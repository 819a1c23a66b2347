import type { DomainErrorCode } from '../domain/errors.ts';
import { DomainError, domainErrors } from '../domain/errors.ts';
import { StoreUnavailable } from '../support/unavailable.ts';
import type { OAuthErrorCode } from './vocabulary.ts';

/** An error as it leaves: RFC 6749 5.2, three members at most, of which we never send `error_uri`. */
export interface OAuthError {
  status: number;
  error: OAuthErrorCode;
  description: string;
  retryAfterSeconds?: number;
  /** For the log, never for the caller. */
  detail?: string | undefined;
}

interface AnswerOptions {
  status?: number;
  retryAfterSeconds?: number;
}

/** Thrown by our own code where the engine has no fitting class. */
export class ProtocolError extends Error {
  readonly answer: OAuthError;

  constructor(error: OAuthErrorCode, description: string, { status = 400, ...more }: AnswerOptions = {}) {
    super(error);
    this.name = 'ProtocolError';
    this.answer = { status, error, description, ...more };
  }
}

type Mapping = [error: OAuthErrorCode, status: number];

/** The domain's refusals in OAuth's words. What a device or a manager caused cannot come up here: a fault, told as one. */
const oauthErrors = {
  invalid_request: ['invalid_request', 400],
  user_unknown: ['unknown_user_id', 400],
  no_usable_device: ['access_denied', 403], // ruling 11
  method_not_available: ['access_denied', 403],
  proof_required: ['server_error', 500],
  too_many_pending: ['access_denied', 429], // ruling 12
  rate_limited: ['access_denied', 429],
  binding_message_invalid: ['invalid_binding_message', 400],
  operation_not_found: ['invalid_grant', 400],
  operation_decided: ['invalid_request', 409],
  operation_expired: ['expired_token', 400],
  operation_cancelled: ['access_denied', 400],
  operation_failed: ['access_denied', 400],
  unavailable: ['server_error', 503],

  client_metadata_invalid: ['invalid_client_metadata', 400],

  client_not_found: ['server_error', 500],
  client_exists: ['server_error', 500],
  client_configured: ['server_error', 500],
  user_not_found: ['server_error', 500],
  device_not_found: ['server_error', 500],
  application_not_found: ['server_error', 500],
  document_not_found: ['server_error', 500],
  pin_proof_not_found: ['server_error', 500],
  identifier_taken: ['server_error', 500],
  stale_version: ['server_error', 500],
  state_conflict: ['server_error', 500],
  master_key_not_found: ['server_error', 500],
  master_key_in_use: ['server_error', 500],
  master_key_others: ['server_error', 500],
  unreadable: ['server_error', 500],
  unknown_key: ['server_error', 500],
  device_refused: ['server_error', 500],
  device_locked: ['server_error', 500],
  device_deactivated: ['server_error', 500],
  clock_skew: ['server_error', 500],
  message_reused: ['server_error', 500],
  message_invalid: ['server_error', 500],
  ticket_invalid: ['server_error', 500],
  ticket_bound: ['server_error', 500],
  enrollment_conflict: ['server_error', 500],
  key_reused: ['server_error', 500],
  confirm_invalid: ['server_error', 500],
  attestation_refused: ['server_error', 500],
  no_approving_device: ['server_error', 500],
  enrollment_denied: ['server_error', 500],
  code_wrong: ['server_error', 500],
  revocation_refused: ['server_error', 500],
  claim_not_found: ['server_error', 500],
  claim_taken: ['server_error', 500],
  challenge_stale: ['server_error', 500],
  attempt_failed: ['server_error', 500],
  attempt_underway: ['server_error', 500],
} satisfies Record<DomainErrorCode, Mapping>;

const retryUnavailableSeconds = 2;
const fault: OAuthError = {
  status: 500,
  error: 'server_error',
  description: 'The server could not answer this request.',
};
const unavailable: OAuthError = {
  status: 503,
  error: 'server_error',
  description: 'The service is not available at the moment. Try again.',
  retryAfterSeconds: retryUnavailableSeconds,
};

/** Whatever was thrown, as the caller may see it. The default reveals nothing. */
export function asOAuthError(thrown: unknown): OAuthError {
  if (thrown instanceof ProtocolError) return thrown.answer;
  if (thrown instanceof DomainError) return fromDomain(thrown);
  if (thrown instanceof StoreUnavailable) return { ...unavailable, detail: thrown.message };
  if (isEngineError(thrown)) return fromEngine(thrown);
  if (isNoText(thrown)) return { status: 400, error: 'invalid_request', description: 'a parameter is no text' };
  return { ...fault, detail: String((thrown as Error)?.message ?? thrown) };
}

const bodyTooLarge: OAuthError = {
  status: 413,
  error: 'invalid_request',
  description: 'the body is too large',
};

/**
 * `{"toString": 1}` in a request object: the engine makes a text of whatever it holds, before the signature is verified, so
 * anybody could fill the log with faults.
 */
const isNoText = (thrown: unknown) =>
  thrown instanceof TypeError && thrown.message === 'Cannot convert object to primitive value';

function fromDomain(thrown: DomainError): OAuthError {
  const [error, status]: Mapping = oauthErrors[thrown.code];
  if (status === 500) return { ...fault, detail: `${thrown.code}: ${thrown.detail ?? ''}` };
  if (status === 503) return { ...unavailable, detail: thrown.detail };
  const retryAfter = Number(thrown.members['retry_after']);
  return {
    status,
    error,
    description: thrown.message,
    detail: thrown.detail,
    ...(status === 429 && { retryAfterSeconds: retryAfter > 0 ? Math.ceil(retryAfter) : 60 }),
  };
}

/** What errors of the engine have in common (its `helpers/errors.js`). */
interface EngineError {
  error: string;
  error_description?: string;
  error_detail?: string;
  statusCode: number;
  expose: boolean;
  cause?: unknown;
}

function isEngineError(thrown: unknown): thrown is EngineError {
  const error = thrown as Partial<EngineError> | undefined;
  return error?.expose === true && typeof error.error === 'string' && typeof error.statusCode === 'number';
}

/**
 * Where the engine's code and status differ from the specifications (ruling 2; CIBA Core 13 knows neither
 * `request_not_supported` nor `request_uri_not_supported`). Matched by code and, if given, by text.
 */
const corrections: { error: string; text?: RegExp; as: OAuthErrorCode; status: number; description?: string }[] = [
  {
    error: 'invalid_request',
    text: /^no client authentication mechanism provided$/,
    as: 'invalid_client',
    status: 401,
    description: 'client authentication failed',
  },
  { error: 'invalid_request', text: /is not allowed for this client$/, as: 'unauthorized_client', status: 400 },
  // one text, whether the engine found nobody or the domain somebody who may not be asked (ruling 11)
  { error: 'unknown_user_id', as: 'unknown_user_id', status: 400, description: domainErrors.user_unknown },
  // without a word of their own they would repeat their name; a policy may have said more
  {
    error: 'missing_user_code',
    text: /^missing_user_code$/,
    as: 'missing_user_code',
    status: 400,
    description: 'The user has a user code, and the request has none.',
  },
  {
    error: 'invalid_user_code',
    text: /^invalid_user_code$/,
    as: 'invalid_user_code',
    status: 400,
    description: 'The user code is not right.',
  },
  {
    error: 'request_not_supported',
    as: 'invalid_request',
    status: 400,
    description: 'request parameter provided but not supported',
  },
  {
    error: 'request_uri_not_supported',
    as: 'invalid_request',
    status: 400,
    description: 'request_uri parameter provided but not supported',
  },
  {
    error: 'registration_not_supported',
    as: 'invalid_request',
    status: 400,
    description: 'registration parameter provided but not supported',
  },
];

function fromEngine({ error, error_description = error, error_detail, statusCode, cause }: EngineError): OAuthError {
  // of a form that it could not read the engine says no more
  if (cause instanceof ProtocolError) return cause.answer;
  if ((cause as Error | undefined)?.message === 'request entity too large') return bodyTooLarge;
  const correction = corrections.find((each) => each.error === error && (each.text?.test(error_description) ?? true));
  return {
    error: correction?.as ?? error,
    status: correction?.status ?? statusCode,
    description: correction?.description ?? error_description,
    detail: error_detail,
  };
}

/** What is refused before it comes to us: for its form, or because we did not answer in time. */
export function refusalOfOthers(status: number, description: string): OAuthError {
  return { status, error: status < 500 ? 'invalid_request' : 'server_error', description };
}

/** RFC 6749 5.2: `%x20-21 / %x23-5B / %x5D-7E`. Some texts name a parameter, and so may hold anything. */
export function errorBody({ error, description }: OAuthError): { error: string; error_description: string } {
  return { error, error_description: description.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'") };
}
