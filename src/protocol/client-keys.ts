import { type Client, errors } from 'oidc-provider';
import { type Clock, elapsed, HOUR, SECOND } from '../support/clock.ts';
import { keysOf } from './engine-patches.ts';
import { acceptableKeys, isKeySet } from './key-sets.ts';

export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Whatever a client's server says: a key that it took back must not be believed for longer. */
const maxAgeMs = HOUR;
/** A key that is not in the set makes us look again, but not each time that somebody invents one (J-03). */
const betweenLooksMs = 30 * SECOND;
/** Nor does a server that does not answer get a call from us for every call that we get. */
const afterFailureMs = 10 * SECOND;

/**
 * When the key set of a client with `jwks_uri` is fetched: when it is needed first, when a key is not in it, and when it is
 * old. The engine alone would not see a new key before the set is stale, would believe any `max-age`, and would fetch at
 * every call while the client's server is down.
 */
export function watchKeys(client: Client, clock: Clock): void {
  if (!client.jwksUri) return;
  const keys = keysOf(client);
  const { refresh, selectForVerify } = keys;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  const since = (at: number) => elapsed(clock(), at);

  keys.selectForVerify = function lookAgain(options) {
    // fetched before the clock was set back: nobody knows how old it is
    if (clock() < fetchedAt) this.freshUntil = 0;
    // an old set has no keys: the engine then fetches it, and asks again. By itself it would fetch only when none fits.
    if (!this.fresh() && since(fetchedAt) >= SECOND) return [];
    const found = selectForVerify.call(this, options);
    if (found.length === 0 && this.freshUntil !== undefined && since(lookedAt) >= betweenLooksMs) {
      lookedAt = clock();
      this.freshUntil = 0;
    }
    return found;
  };
  keys.refresh = async function bounded() {
    if (since(failedAt) < afterFailureMs) throw new errors.InvalidClientMetadata('the keys cannot be fetched');
    try {
      await refresh.call(this);
    } catch (error) {
      failedAt = clock();
      // the engine takes it for fresh before it has looked at the answer
      this.freshUntil = 0;
      if (since(fetchedAt) >= maxAgeMs) throw error;
      // its server is away for a moment: what it said within the hour still counts
      this.freshUntil = (clock() + afterFailureMs) / 1000;
      return;
    }
    fetchedAt = clock();
    const latest = (fetchedAt + maxAgeMs) / 1000;
    if (this.freshUntil !== undefined) this.freshUntil = Math.min(this.freshUntil, latest);
  };
}

/** Where nobody gave a way out. */
export async function noFetch(): Promise<Response> {
  throw new Error('this server makes no calls');
}

/** What the engine fetches is JSON: key sets, of which only acceptable keys are kept, and lists of addresses. */
export function fetchForEngine(fetch: Fetch): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (response.status !== 200) return response;
    const text = await response.text();
    const { status, headers } = response;
    return new Response(cleaned(text), { status, headers: withoutLength(headers) });
  };
}

function cleaned(text: string): string {
  const value: unknown = JSON.parse(text);
  return isKeySet(value) ? JSON.stringify(acceptableKeys(value)) : text;
}

function withoutLength(headers: Headers): Headers {
  const copy = new Headers(headers);
  copy.delete('content-length');
  return copy;
}
