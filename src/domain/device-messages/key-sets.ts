/** The server's public keys, as devices and verifiers of evidence get them. Not in the provider's JWKS: other keys, other use. */
import { signWithSeal } from './sealed.ts';
import type { NamedJwk, ServerKeyPair } from './server-key.ts';
import { typ } from './wire.ts';

export interface KeySets {
  issuer: string;
  /** when the set last changed, epoch milliseconds: a device does not go back to an older set */
  changedAt: number;
  /** live seal keys, current first; each signs the set once */
  seal: readonly ServerKeyPair[];
  /** box keys whose private half exists, current first */
  box: readonly NamedJwk[];
}

/**
 * The body of `GET /device/v1/keys`: the same set, signed by every live seal key, so that a device which missed a
 * rotation still holds one that verifies.
 */
export function signedKeySets({ issuer, changedAt, seal, box }: KeySets): { sets: string[] } {
  const payload = JSON.stringify({
    iss: issuer,
    iat: Math.floor(changedAt / 1000),
    seal: seal.map(({ kid, jwk }) => ({ ...jwk, kid, use: 'sig', alg: 'ES256' })),
    box: box.map(({ kty, crv, x, y, kid }) => ({ kty, crv, x, y, kid, use: 'enc', alg: 'ECDH-ES' })),
  });
  return { sets: seal.map((key) => signWithSeal(key, typ.keys, payload)) };
}

/** The body of `GET /device/v1/jwks.json`: seal keys, retired ones included, for whoever verifies evidence later. */
export function sealJwks(keys: readonly NamedJwk[]): { keys: object[] } {
  return { keys: keys.map(({ kty, crv, x, y, kid }) => ({ kty, crv, x, y, kid, use: 'sig', alg: 'ES256' })) };
}
