import { MINUTE, SECOND } from '../support/clock.ts';
import { isJsonObject } from '../support/strict-json.ts';
import type { ProtocolDeps } from './deps.ts';
import { ProtocolError } from './errors.ts';
import type { Form } from './form.ts';
import { readJwt } from './jwt-text.ts';
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
  /** Thumbprint of the key that the request is bound to: another key is another request. */
  provedBy: string | undefined;
  /** Of a repeat that is signed anew. @throws where its signature is not right */
  verify(): Promise<void>;
}

/** What is kept, sealed. */
interface Kept {
  acknowledgement: Acknowledgement;
  /** Epoch milliseconds. */
  endsAt: number;
  /** Of the signed request, letter by letter. */
  signed?: string;
}

type Acknowledgement = { expires_in?: number };

/**
 * Same client, same key, same request: the same acknowledgement, and the person is asked once. A repeat has a client
 * assertion of its own, so client authentication is no part of what is compared, and neither is what changes when a request is
 * signed once more. Refusals are not kept.
 */
export function createOnce({
  idempotency,
  secrets,
  clock,
  log,
}: Pick<ProtocolDeps, 'idempotency' | 'secrets' | 'clock' | 'log'>) {
  return async ({ clientId, key, form, provedBy, verify }: OneTime, start: () => Promise<object>): Promise<object> => {
    if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
      throw refused('Idempotency-Key must be 1 to 255 visible ASCII characters');
    }
    const name = { scope: `bc-authorize:${clientId}`, key: secrets.hmac('idempotency-key', key) };
    const requestHash = secrets.hmac('idempotency-request', asked(form, provedBy));
    const signed = form['request'] && secrets.hmac('idempotency-signed', String(form['request']));
    const aad = `${name.scope}:${name.key}`;
    const now = clock();
    const begun = await idempotency.begin({
      ...name,
      requestHash,
      now,
      leaseUntil: now + leaseMs,
      until: now + keptMs,
    });
    if (begun.result === 'done') {
      const kept = JSON.parse(secrets.open(label, begun.response, aad).toString()) as Kept;
      if (kept.signed !== signed) await verify();
      return repeated(kept, now);
    }
    if (begun.result === 'mismatch') {
      throw new ProtocolError('invalid_request', 'The Idempotency-Key was used for another request.', { status: 422 });
    }
    if (begun.result === 'busy') {
      throw new ProtocolError('invalid_request', 'The first request with this Idempotency-Key is still running.', {
        status: 409,
      });
    }
    try {
      const acknowledgement: Acknowledgement = await start();
      const response = secrets.seal(label, JSON.stringify(kept(acknowledgement, now, signed)), aad);
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

const kept = (acknowledgement: Acknowledgement, now: number, signed: string | undefined): Kept => ({
  acknowledgement,
  endsAt: now + (acknowledgement.expires_in ?? 0) * SECOND,
  ...(signed && { signed }),
});

/**
 * The lifetime has shrunk meanwhile (K-03). When it is over, a repeat is told so and asks nobody: whoever asked that late would
 * surprise the person, and a client that wants to says so by another key.
 *
 * @throws ProtocolError expired_token
 */
function repeated({ acknowledgement, endsAt }: Kept, now: number): object {
  const left = Math.floor((endsAt - now) / SECOND);
  if (left < 1) {
    throw new ProtocolError(
      'expired_token',
      'The request of this Idempotency-Key has expired; ask again with another.',
    );
  }
  return { ...acknowledgement, expires_in: left };
}

function asked(form: Form, provedBy: string | undefined): string {
  const authentication: readonly string[] = clientAuthenticationParameters;
  const members = Object.entries(form).filter(([name, value]) => value && !authentication.includes(name));
  const content = ordered(
    Object.fromEntries(members.map(([name, value]) => [name, name === 'request' ? contentOf(value) : value])),
  );
  return JSON.stringify(provedBy === undefined ? content : [content, provedBy]);
}

/** Of a signed request what it asks; the rest is new each time that it is signed. */
function contentOf(request: Form[string]): unknown {
  try {
    const { jti: _jti, iat: _iat, nbf: _nbf, exp: _exp, ...content } = readJwt(String(request)).payload;
    return content;
  } catch {
    // it is refused when it is looked at
    return request;
  }
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, ordered(member)]));
}
