import type { JWK } from 'jose';
import { type Clock, elapsed, MINUTE } from '../support/clock.ts';
import { parseJsonObject } from '../support/strict-json.ts';
import type { Fetch } from './client-keys.ts';
import { ProtocolError } from './errors.ts';
import { acceptableKeys, isKeySet } from './key-sets.ts';

/** Whoever may vouch for a person, as the configuration names them. */
export interface HintIssuer {
  issuer: string;
  jwks?: Record<string, unknown>;
  jwks_uri?: string;
  /** What `aud` must name; our own issuer where it is left out. */
  audience?: string;
}

export interface IssuerKeys {
  /** Keys that may have signed. @throws ProtocolError server_error where they cannot be read */
  keysOf(issuer: HintIssuer, header: { alg: string; kid?: string }): Promise<JWK[]>;
}

interface Fetched {
  keys: JWK[];
  at: number;
}

/** How long fetched keys are used, and how soon an unknown key may make us ask again: a caller chooses `kid`. */
const maxAgeMs = 10 * MINUTE;
const minAgeMs = MINUTE;

export function createIssuerKeys({ fetch, clock }: { fetch: Fetch | undefined; clock: Clock }): IssuerKeys {
  const fetched = new Map<string, Fetched>();
  const underWay = new Map<string, Promise<Fetched>>();
  const triedAt = new Map<string, number>();

  async function read(uri: string): Promise<Fetched> {
    if (!fetch) throw new Error('this server makes no calls');
    const answer = await fetch(uri, { headers: { accept: 'application/jwk-set+json, application/json' } });
    if (answer.status !== 200) throw new Error(`the keys were answered with ${answer.status}`);
    const set = { keys: keysIn(parseJsonObject(await answer.text())), at: clock() };
    fetched.set(uri, set);
    return set;
  }

  function refresh(uri: string): Promise<Fetched> {
    const running = underWay.get(uri);
    if (running) return running;
    triedAt.set(uri, clock());
    const started = read(uri).finally(() => underWay.delete(uri));
    underWay.set(uri, started);
    return started;
  }

  async function remote(uri: string, isWanted: (key: JWK) => boolean): Promise<JWK[]> {
    const known = fetched.get(uri);
    const now = clock();
    const age = elapsed(now, known?.at ?? Number.NEGATIVE_INFINITY);
    if (known && age < maxAgeMs && (known.keys.some(isWanted) || age < minAgeMs)) return known.keys;
    // one that does not answer is asked again a minute later, whoever sends tokens meanwhile
    if (elapsed(now, triedAt.get(uri) ?? 0) < minAgeMs && !underWay.has(uri)) return known?.keys ?? unreadable();
    return refresh(uri).then(
      ({ keys }) => keys,
      () => known?.keys ?? unreadable(),
    );
  }

  return {
    async keysOf({ jwks, jwks_uri }, { alg, kid }) {
      const isWanted = (key: JWK) =>
        (kid === undefined || key.kid === kid) && (key.alg ?? alg) === alg && (key.use ?? 'sig') === 'sig';
      const keys = jwks ? keysIn(jwks) : await remote(jwks_uri!, isWanted);
      return keys.filter(isWanted);
    },
  };
}

/** As strict as with keys of clients (TH-20), and as forgiving: what cannot be used is left out. */
function keysIn(set: unknown): JWK[] {
  if (!isKeySet(set)) throw new Error('not a JWK set');
  return acceptableKeys(set).keys as JWK[];
}

function unreadable(): never {
  throw new ProtocolError('server_error', 'The keys of the issuer of the hint cannot be read at the moment.', {
    status: 503,
  });
}
