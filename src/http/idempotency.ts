import type { IdempotencyStore } from '../domain/ports/records.ts';
import type { Log } from '../observability/log.ts';
import { type Clock, DAY, SECOND } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import { HttpProblem, invalidRequest } from './problem.ts';

/** What a route answers; plain data, so that it can be stored and given again. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
  /** Media type where it is not JSON. */
  type?: string;
}

export interface IdempotencyDeps {
  store: IdempotencyStore;
  secrets: Secrets;
  clock: Clock;
  log: Log;
}

/** How long the same key gets the same answer. */
const KEPT_MS = DAY;
/** Far above any answer of ours (5 s, IV-10): a process that died in between frees the key after this. */
const LEASE_MS = 30 * SECOND;

export interface OneTime {
  /** Whose key it is: the caller and the operation. */
  scope: string;
  key: string;
  /** What was asked: the same key with something else is an error of the caller. */
  request: string;
}

/**
 * Runs a creating request once for each `Idempotency-Key`: the repeat gets the stored answer. Answers are sealed, since a
 * ticket's secret may stand in them; keys and requests are stored as HMACs. Refusals are not stored: they created nothing.
 */
export function createIdempotency({ store, secrets, clock, log }: IdempotencyDeps) {
  return async ({ scope, key, request }: OneTime, create: () => Promise<Answer>): Promise<Answer> => {
    const name = { scope, key: secrets.hmac('idempotency-key', key) };
    const requestHash = secrets.hmac('idempotency-request', request);
    const aad = `idempotency:${scope}:${name.key}`;
    const now = clock();
    const begun = await store.begin({ ...name, requestHash, now, leaseUntil: now + LEASE_MS, until: now + KEPT_MS });
    if (begun.result === 'done') return repeated(secrets.open('idempotency', begun.response, aad));
    if (begun.result === 'mismatch') throw new HttpProblem('idempotency_mismatch');
    if (begun.result === 'busy') throw new HttpProblem('idempotency_busy', { headers: { 'retry-after': '1' } });

    let answer: Answer;
    try {
      answer = await create();
    } catch (error) {
      await store.abandon(name).catch((cause) => log.warn('http.idempotency.abandon', { scope, cause }));
      throw error;
    }
    const response = secrets.seal('idempotency', JSON.stringify(answer), aad);
    // It was created, and saying so is right even where the memory of it could not be kept.
    await store
      .finish({ ...name, requestHash, response, now: clock(), until: now + KEPT_MS })
      .catch((error) => log.error('http.idempotency.finish', { scope, error }));
    return answer;
  };
}

function repeated(response: Buffer): Answer {
  const answer = JSON.parse(response.toString()) as Answer;
  return { ...answer, headers: { ...answer.headers, 'idempotent-replayed': 'true' } };
}

/** 1 to 255 visible ASCII characters. @throws DomainError invalid_request */
export function idempotencyKeyOf(header: string): string {
  if (/^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw invalidRequest([{ name: 'Idempotency-Key', reason: 'must be 1 to 255 visible ASCII characters' }]);
}
