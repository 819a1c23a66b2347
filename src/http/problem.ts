import { DomainError, type DomainErrorCode, domainErrors } from '../domain/errors.ts';
import { StoreUnavailable } from '../support/unavailable.ts';

/** The status of each expected refusal. A new code in domain/errors.ts does not compile until it is answered here. */
export const domainStatus = {
  invalid_request: 400,
  user_not_found: 404,
  device_not_found: 404,
  operation_not_found: 404,
  application_not_found: 404,
  document_not_found: 404,
  pin_proof_not_found: 404,
  client_not_found: 404,
  client_exists: 409,
  client_configured: 409,
  client_metadata_invalid: 400,
  identifier_taken: 409,
  stale_version: 412,
  state_conflict: 409,
  master_key_not_found: 404,
  master_key_in_use: 409,
  master_key_others: 409,

  user_unknown: 404,
  no_usable_device: 409,
  too_many_pending: 429,
  rate_limited: 429,
  binding_message_invalid: 400,

  // Ruling 15: key not proved 401, proved but not usable 403, closed operation and stale challenge 409.
  unreadable: 400,
  unknown_key: 400,
  device_refused: 401,
  device_locked: 403,
  device_deactivated: 403,
  clock_skew: 400,
  message_reused: 409,
  message_invalid: 400,

  ticket_invalid: 400,
  ticket_bound: 409,
  enrollment_conflict: 409,
  key_reused: 409,
  confirm_invalid: 400,
  method_not_available: 409,
  proof_required: 403,
  attestation_refused: 403,
  no_approving_device: 409,
  enrollment_denied: 403,
  code_wrong: 403,
  revocation_refused: 403,

  claim_not_found: 404,
  claim_taken: 409,
  challenge_stale: 409,
  attempt_failed: 403,
  attempt_underway: 409,
  operation_decided: 409,
  operation_expired: 409,
  operation_cancelled: 409,
  operation_failed: 409,

  unavailable: 503,
} as const satisfies Record<DomainErrorCode, number>;

/** Refusals that exist only because there is HTTP. */
export const httpProblems = {
  bad_request: { status: 400, title: 'The request cannot be read.' },
  unauthorized: { status: 401, title: 'Valid credentials are required.' },
  forbidden: { status: 403, title: 'These credentials do not allow this.' },
  not_found: { status: 404, title: 'There is nothing here.' },
  method_not_allowed: { status: 405, title: 'This method is not possible here.' },
  request_timeout: { status: 408, title: 'The request took too long to arrive.' },
  idempotency_busy: { status: 409, title: 'A request with this Idempotency-Key is still running.' },
  payload_too_large: { status: 413, title: 'The request body is too large.' },
  unsupported_media_type: { status: 415, title: 'This kind of body is not understood here.' },
  idempotency_mismatch: { status: 422, title: 'This Idempotency-Key was used for another request.' },
  misdirected: { status: 421, title: 'This host is not served here.' },
  headers_too_large: { status: 431, title: 'The request has too many headers.' },
  server_error: { status: 500, title: 'Something went wrong. The trace id leads to the log.' },
} as const satisfies Record<string, { status: number; title: string }>;

export type HttpProblemCode = keyof typeof httpProblems;

/** Seconds. A store that comes back is there within a moment; longer would only keep clients away. */
const RETRY_AFTER_SECONDS = 2;

/** A refusal by the HTTP side itself. `detail` is shown to the caller: it must say nothing about people or records. */
export class HttpProblem extends Error {
  readonly code: HttpProblemCode;
  readonly detail: string | undefined;
  readonly headers: Record<string, string>;
  readonly members: Record<string, unknown>;

  constructor(
    code: HttpProblemCode,
    options: {
      detail?: string;
      headers?: Record<string, string>;
      members?: Record<string, unknown>;
      cause?: unknown;
    } = {},
  ) {
    super(httpProblems[code].title, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'HttpProblem';
    this.code = code;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
    this.members = options.members ?? {};
  }
}

/** One thing that is wrong with the input: the wire name (`attributes.address`) and what would be right. */
export interface InvalidParam {
  name: string;
  reason: string;
}

/** RFC 9457 §3.1, with our own members. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: DomainErrorCode | HttpProblemCode;
  trace_id: string;
  invalid_params?: InvalidParam[];
  [member: string]: unknown;
}

export interface ProblemAnswer {
  status: number;
  headers: Record<string, string>;
  body: Problem;
  /** True where nobody expected this: to be logged with its cause. */
  fault: boolean;
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Input that does not fit: 400 with one entry for each thing that is wrong. */
export function invalidRequest(invalidParams: InvalidParam[]): DomainError {
  return new DomainError('invalid_request', { members: { invalid_params: invalidParams } });
}

/** Inside errors and edge errors are two lists; this is the one switch between, and its default reveals nothing. */
export function problemOf(error: unknown, traceId: string): ProblemAnswer {
  if (error instanceof DomainError) return fromDomain(error, traceId);
  if (error instanceof StoreUnavailable) {
    return { ...fromDomain(new DomainError('unavailable'), traceId), fault: true };
  }
  if (error instanceof HttpProblem) {
    const { status, title } = httpProblems[error.code];
    return answer(
      { code: error.code, status, title, ...pickText(error), traceId, members: error.members },
      error.headers,
    );
  }
  const code = codeOfForeign(error);
  return { ...answer({ code, ...httpProblems[code], traceId, members: {} }, {}), fault: code === 'server_error' };
}

function fromDomain(error: DomainError, traceId: string): ProblemAnswer {
  const { code, members } = error;
  return answer({ code, status: domainStatus[code], title: domainErrors[code], traceId, members }, {});
}

function pickText(error: HttpProblem): { detail?: string } {
  return error.detail === undefined ? {} : { detail: error.detail };
}

interface Parts {
  code: Problem['code'];
  status: number;
  title: string;
  detail?: string;
  traceId: string;
  members: Record<string, unknown>;
}

function answer(parts: Parts, headers: Record<string, string>): ProblemAnswer {
  const { code, status, title, members } = parts;
  const own = {
    type: `urn:assent:problem:${code}`,
    title,
    status,
    detail: parts.detail ?? detailOf(members, title),
    code,
    trace_id: parts.traceId,
  };
  // None of the extra members may stand in for one of these.
  const body: Problem = { ...own, ...members, ...own };
  return { status, headers: { ...retryAfter(status, members), ...headers }, body, fault: false };
}

/** RFC 9457 §3.1.4: what is particular to this occurrence; for bad input that is the list in one sentence. */
function detailOf({ invalid_params: invalid }: Record<string, unknown>, title: string): string {
  if (!Array.isArray(invalid) || invalid.length === 0) return title;
  return (invalid as InvalidParam[]).map(({ name, reason }) => (name ? `${name}: ${reason}` : reason)).join('; ');
}

/** Surfaces, section 2: `Retry-After` accompanies 429 and 503. */
function retryAfter(status: number, { retry_after: seconds }: Record<string, unknown>): Record<string, string> {
  if (typeof seconds === 'number') return { 'retry-after': String(Math.max(1, Math.ceil(seconds))) };
  return status === 429 || status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {};
}

const byStatus = new Map<number, HttpProblemCode>([
  [400, 'bad_request'],
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [413, 'payload_too_large'],
  [415, 'unsupported_media_type'],
]);

/** Koa and its router throw errors with a status and `expose`, for example for a path that does not decode. */
function codeOfForeign(error: unknown): HttpProblemCode {
  const { status, expose } = (error ?? {}) as { status?: unknown; expose?: unknown };
  if (expose !== true || typeof status !== 'number' || status < 400 || status > 499) return 'server_error';
  return byStatus.get(status) ?? 'bad_request';
}
