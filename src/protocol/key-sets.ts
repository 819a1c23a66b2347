import { createPublicKey, type JsonWebKey } from 'node:crypto';

/** J-03, TH-17: more keys than anybody uses, and far from what costs time to look through. */
const maxKeys = 50;
/** Below 2048 bits RSA is weak (F1B 5.2.2); above 4096 every signature would cost the verifier more than the caller. */
const rsaBits = { min: 2048, max: 4096 };
/** TH-20: 65537, as everybody's keys have it. A small one is weak, a long one lets each signature cost a hundred times as much. */
const rsaExponent = 'AQAB';

interface Jwk {
  kty?: unknown;
  alg?: unknown;
  kid?: unknown;
  use?: unknown;
  crv?: unknown;
  x?: unknown;
  y?: unknown;
  n?: unknown;
  e?: unknown;
  x5c?: unknown;
}

/** What a public key of each kind is made of. No algorithm of ours has another kind. */
const needed = new Map<unknown, readonly string[]>([
  ['EC', ['crv', 'x', 'y']],
  ['OKP', ['crv', 'x']],
  ['RSA', ['n', 'e']],
]);
const secret = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'];

/** What is wrong with a client's key set, or undefined. What is no key set at all is told by the engine. */
export function checkKeySet(set: unknown, name: string): string | undefined {
  const keys = keysIn(set);
  if (keys.length > maxKeys) return `${name} must not hold more than ${maxKeys} keys`;
  if (!keys.every(isStrong))
    return `${name} must not hold RSA keys below ${rsaBits.min} or above ${rsaBits.max} bits, or with an exponent other than 65537`;
  // known now, or it would be known when an ID token is to be encrypted, and somebody has approved
  if (keys.some((key) => isPublicKey(key) && isUsed(key) && !isReadable(key)))
    return `${name} must not hold keys that are none: of a length or a point that their kind does not have`;
  return undefined;
}

/** Of a set that was fetched, only what can be used: one bad key must not lock out whoever published it beside good ones. */
export function acceptableKeys(set: unknown): { keys: Jwk[] } {
  const keys = keysIn(set);
  if (keys.length > maxKeys) throw new RangeError(`more than ${maxKeys} keys`);
  return { ...(set as object), keys: keys.filter((key) => isAcceptable(key) && isReadable(key)) };
}

/** A public key as somebody else may send or publish one, of any shape until this has looked at it (TH-20). */
export const isAcceptable = (key: unknown): boolean => isPublicKey(key) && isStrong(key);

export const isKeySet = (value: unknown): boolean => Array.isArray((value as { keys?: unknown } | null)?.keys);

const keysIn = (set: unknown): Jwk[] => (isKeySet(set) ? (set as { keys: Jwk[] }).keys : []);

/** The engine takes none of a set in which one key is otherwise. */
function isPublicKey(key: unknown): key is Jwk {
  if (typeof key !== 'object' || key === null) return false;
  const { kty, alg, kid, use, x5c = [] } = key as Jwk;
  const hasMembers = needed.get(kty)?.every((member) => isText((key as Record<string, unknown>)[member])) ?? false;
  return (
    hasMembers &&
    [alg, kid, use].every((value) => value === undefined || isText(value)) &&
    Array.isArray(x5c) &&
    x5c.every(isText) &&
    !secret.some((member) => member in key)
  );
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';

/** Others may stand in a set, and are for somebody else. */
const isUsed = ({ kty, crv }: Jwk) => kty === 'RSA' || curves.has(crv);
const curves = new Set<unknown>(['P-256', 'P-384', 'P-521', 'Ed25519', 'X25519']);

function isReadable({ kty, crv, x, y, n, e }: Jwk): boolean {
  try {
    createPublicKey({ format: 'jwk', key: { kty, crv, x, y, n, e } as JsonWebKey });
    return true;
  } catch {
    return false;
  }
}

function isStrong(key: Jwk): boolean {
  if (key?.kty !== 'RSA' || typeof key.n !== 'string' || typeof key.e !== 'string') return true;
  if (key.e !== rsaExponent) return false;
  const modulus = Buffer.from(key.n, 'base64url');
  const start = modulus.findIndex((byte) => byte !== 0);
  if (start < 0) return false;
  const bits = (modulus.length - start) * 8 - Math.clz32(modulus[start]!) + 24;
  return bits >= rsaBits.min && bits <= rsaBits.max;
}
