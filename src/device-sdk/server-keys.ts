/**
 * Which server keys a device believes. At first contact those of the link it was given; afterwards only a set that a
 * seal key it already holds has signed.
 */
import { fromBase64url } from './bytes.ts';
import { DeviceError } from './errors.ts';
import { thumbprint } from './keys.ts';
import { parseObject, verifiedBySeal } from './messages.ts';
import { type NamedJwk, typ } from './wire.ts';

export interface ServerKeySet {
  issuer: string;
  /** when the set last changed, epoch seconds; never goes back */
  iat: number;
  seal: NamedJwk[];
  /** current first */
  box: NamedJwk[];
}

// 20 s, as for every call: see exchange.ts
const deadlineMs = 20_000;

/**
 * @param keysFor whose, where they are not everybody's
 * @throws DeviceError network | rate_limited | server_unexpected
 */
export async function fetchSets(base: string, fetchFn: typeof fetch, keysFor?: string): Promise<string[]> {
  const query = keysFor === undefined ? '' : `?for=${encodeURIComponent(keysFor)}`;
  const signal = AbortSignal.timeout(deadlineMs);
  const response = await fetchFn(`${base}/device/v1/keys${query}`, {
    redirect: 'error',
    cache: 'no-store',
    signal,
  }).catch((cause: unknown) => {
    throw new DeviceError('network', { cause });
  });
  const body = response.ok ? parseObject(await response.text()) : {};
  if (!Array.isArray(body.sets) || !body.sets.every((set) => typeof set === 'string')) {
    const code = response.status === 429 ? 'rate_limited' : 'server_unexpected';
    throw new DeviceError(code, { detail: 'no key sets', status: response.status });
  }
  return body.sets as string[];
}

/**
 * First contact.
 *
 * The link's `k` vouches for one `box` key, not yet for the seal keys: those are held against the server's first
 * signed answer by {@link chainedSet} before anything is kept.
 *
 * @param k thumbprint of a box key, from the link; absent after a typed code, where first contact rests on TLS
 * @throws DeviceError keys_untrusted
 */
export async function firstSet(sets: readonly string[], k: string | undefined): Promise<ServerKeySet> {
  for (const jws of sets) {
    const claimed = unverifiedSet(jws);
    if (claimed && (await verifiedBySeal(jws, typ.keys, claimed.seal)) && (await offers(claimed, k))) return claimed;
  }
  throw new DeviceError('keys_untrusted');
}

/**
 * The set that one of `trusted` has signed.
 *
 * @throws DeviceError keys_untrusted
 */
export async function chainedSet(sets: readonly string[], trusted: readonly NamedJwk[]): Promise<ServerKeySet> {
  for (const jws of sets) {
    const verified = await verifiedBySeal(jws, typ.keys, trusted);
    const set = verified && readSet(parseObject(verified.payload));
    if (set) return set;
  }
  throw new DeviceError('keys_untrusted');
}

/**
 * What follows the set that is held. An older one stays unused, and is no reason to give up: it is a replay, or comes from a process
 * that has not read the keys again yet.
 *
 * @throws DeviceError keys_untrusted
 */
export async function nextSet(sets: readonly string[], held: ServerKeySet): Promise<ServerKeySet> {
  const set = await chainedSet(sets, held.seal);
  return set.iat < held.iat ? held : set;
}

/** Puts the box key of the link first, so that the first message goes to the key that the link vouches for. */
async function offers(set: ServerKeySet, k: string | undefined): Promise<boolean> {
  if (k === undefined) return set.box.length > 0;
  const prints = await Promise.all(set.box.map(thumbprint));
  const vouched = set.box[prints.indexOf(k)];
  if (vouched) set.box = [vouched];
  return vouched !== undefined;
}

function unverifiedSet(jws: string): ServerKeySet | undefined {
  try {
    return readSet(parseObject(fromBase64url(jws.split('.')[1] ?? '')));
  } catch {
    return undefined;
  }
}

function readSet(payload: Record<string, unknown>): ServerKeySet | undefined {
  const { iss, iat, seal, box } = payload;
  if (typeof iss !== 'string' || typeof iat !== 'number' || !isKeyList(seal) || !isKeyList(box)) return undefined;
  return { issuer: iss, iat, seal: seal.map(named), box: box.map(named) };
}

function isKeyList(value: unknown): value is NamedJwk[] {
  return (
    Array.isArray(value) &&
    value.every((jwk) => jwk?.kty === 'EC' && jwk.crv === 'P-256' && typeof jwk.kid === 'string')
  );
}

function named({ kty, crv, x, y, kid }: NamedJwk): NamedJwk {
  return { kty, crv, x, y, kid };
}
