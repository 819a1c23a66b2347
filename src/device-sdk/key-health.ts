/**
 * Are the keys still here? A phone restored from a backup has records without keys, a cleared browser only what lies elsewhere.
 * Said plainly, because "try again" never helps here: the device must be enrolled anew.
 */
import type { CryptoKey } from 'jose';
import { randomBytes } from './bytes.ts';
import { publicPart, type StoredKeyPair, usableKey } from './keys.ts';
import type { DeviceStorage, DeviceTrace, StoredDevice } from './storage.ts';

export type KeyHealth =
  | { state: 'none' }
  | { state: 'enrolled' }
  /** `record`: nothing is left but a trace. `keys`: the record is there, and its keys do not work. */
  | { state: 'lost'; missing: 'record' | 'keys'; trace: DeviceTrace };

/** Look, and try the keys once. Talks to no server. */
export async function keyHealth(storage: DeviceStorage): Promise<KeyHealth> {
  const stored = await storage.load('device');
  if (stored) {
    const { deviceId, base, display } = stored;
    return (await areUsable(stored))
      ? { state: 'enrolled' }
      : { state: 'lost', missing: 'keys', trace: { deviceId, base, display } };
  }
  const trace = await storage.trace?.recall();
  return trace ? { state: 'lost', missing: 'record', trace } : { state: 'none' };
}

async function areUsable({ sig, enc }: StoredDevice): Promise<boolean> {
  try {
    return (await signs(sig)) && (await agrees(enc));
  } catch {
    return false; // a key handle that cannot be used throws in every platform's own way
  }
}

async function signs({ privateKey, publicJwk }: StoredKeyPair): Promise<boolean> {
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const data = randomBytes(16);
  const signature = await crypto.subtle.sign(algorithm, await usableKey(privateKey, 'sig'), data);
  const publicKey = await crypto.subtle.importKey(
    'jwk',
    { ...publicPart(publicJwk) },
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['verify'],
  );
  return crypto.subtle.verify(algorithm, publicKey, signature, data);
}

/** Both directions of one agreement with a throw-away key give the same secret. */
async function agrees({ privateKey, publicJwk }: StoredKeyPair): Promise<boolean> {
  const curve = { name: 'ECDH', namedCurve: 'P-256' };
  const other = (await crypto.subtle.generateKey(curve, false, ['deriveBits'])) as unknown as {
    privateKey: CryptoKey;
    publicKey: CryptoKey;
  };
  const ours = await crypto.subtle.importKey('jwk', { ...publicPart(publicJwk) }, curve, false, []);
  const here = await crypto.subtle.deriveBits(
    { name: 'ECDH', public: other.publicKey },
    await usableKey(privateKey, 'enc'),
    256,
  );
  const there = await crypto.subtle.deriveBits({ name: 'ECDH', public: ours }, other.privateKey, 256);
  const [a, b] = [new Uint8Array(here), new Uint8Array(there)];
  return a.every((byte, i) => byte === b[i]);
}
