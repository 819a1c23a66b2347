import { MINUTE, SECOND } from '../support/clock.ts';
import type { ProtocolDeps } from './deps.ts';
import { ProtocolError } from './errors.ts';
import type { Form } from './form.ts';
import { refused } from './refused.ts';
import { clientAuthenticationParameters } from './vocabulary.ts';

/** Longer than any request lives: within that time a repeat must not ask anybody a second time. */
const keptMs = 60 * MINUTE;
/** Far above the time that a start takes: a process that died in between frees the key after this. */
const leaseMs = 30 * SECOND;
const label = 'acknowledgement';

export interface OneTime {
  clientId: string;
  /** The header `Idempotency-Key`. */
  key: string | string[];
  form: Form;
}

/**
 * Same client, same key, same request: the same acknowledgement, and the person is asked once. A repeat has a client
 * assertion of its own, so client authentication is no part of what is compared. Refusals are not kept.
 */
export function createOnce({
  idempotency,
  secrets,
  clock,
  log,
}: Pick<ProtocolDeps, 'idempotency' | 'secrets' | 'clock' | 'log'>) {
  return async ({ clientId, key, form }: OneTime, start: () => Promise<object>): Promise<object> => {
    if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
      throw refused('Idempotency-Key must be 1 to 255 visible ASCII characters');
    }
    const name = { scope: `bc-authorize:${clientId}`, key: secrets.hmac('idempotency-key', key) };
    const requestHash = secrets.hmac('idempotency-request', asked(form));
    const aad = `${name.scope}:${name.key}`;
    const now = clock();
    const begun = await idempotency.begin({
      ...name,
      requestHash,
      now,
      leaseUntil: now + leaseMs,
      until: now + keptMs,
    });
    if (begun.result === 'done') return JSON.parse(secrets.open(label, begun.response, aad).toString());
    if (begun.result === 'mismatch') {
      throw new ProtocolError('invalid_request', 'The Idempotency-Key was used for another request.', { status: 422 });
    }
    if (begun.result === 'busy') {
      throw new ProtocolError('invalid_request', 'The first request with this Idempotency-Key is still running.', {
        status: 409,
      });
    }
    try {
      const acknowledgement = await start();
      const response = secrets.seal(label, JSON.stringify(acknowledgement), aad);
      // it was started, and saying so is right even where the memory of it could not be kept
      await idempotency
        .finish({ ...name, requestHash, response, now: clock(), until: now + keptMs })
        .catch((error: unknown) => log.error('ciba.idempotency_lost', { clientId, error }));
      return acknowledgement;
    } catch (error) {
      await idempotency.abandon(name).catch((cause: unknown) => log.warn('ciba.idempotency_held', { clientId, cause }));
      throw error;
    }
  };
}

function asked(form: Form): string {
  const authentication: readonly string[] = clientAuthenticationParameters;
  const members = Object.entries(form).filter(([name, value]) => value && !authentication.includes(name));
  return JSON.stringify(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}
