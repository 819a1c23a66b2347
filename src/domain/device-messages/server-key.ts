/** The two asymmetric keys of the device protocol, unsealed: `seal` signs, `box` is encrypted to. */
import type { KeyObject } from 'node:crypto';
import { type EcPrivateJwk, type EcPublicJwk, privateKeyOf, publicJwkOf } from '../../support/jose/index.ts';

export interface ServerKeyPair {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwk: EcPublicJwk;
}

/** A key's public half, as a key set shows it. */
export type NamedJwk = EcPublicJwk & { readonly kid: string };

/**
 * Import a key of the server's key store once; it is used per message.
 *
 * @throws JoseError key
 */
export function serverKeyPair({
  kid,
  privateJwk,
}: {
  kid: string;
  privateJwk: Record<string, unknown>;
}): ServerKeyPair {
  const { kty, crv, x, y, d } = privateJwk as unknown as EcPrivateJwk;
  const privateKey = privateKeyOf({ kty, crv, x, y, d });
  return { kid, privateKey, jwk: publicJwkOf(privateKey) };
}
