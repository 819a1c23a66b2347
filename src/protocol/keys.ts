import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { ExternalSigningKey, type JWK } from 'oidc-provider';
import type { KeyState } from '../domain/ports/records.ts';
import type { PublicServerKey, ServerKeys } from '../domain/server-keys.ts';
import { rawOf } from '../support/jose/ecdsa.ts';

type Keys = Pick<ServerKeys, 'publicKeys' | 'byKid' | 'signOutside'>;

/**
 * The engine's key set: every ID token key that signs, did or will, the current ones first, those that wait last. The engine
 * signs with the first one that fits and publishes the public halves: of what is to come and of what was, too.
 */
export function signingKeys(serverKeys: Keys): { keys: (JWK | ExternalSigningKey)[] } {
  const inOrder = serverKeys.publicKeys('oidc').sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return { keys: inOrder.flatMap((key) => engineKey(serverKeys, key) ?? []) };
}

const order: KeyState[] = ['current', 'retired', 'next', 'destroyed'];

function engineKey(serverKeys: Keys, key: PublicServerKey): JWK | ExternalSigningKey | undefined {
  const { kid, alg, external, state } = key;
  if (external) {
    return state === 'destroyed' ? undefined : new SigningKey(key, (data) => serverKeys.signOutside(kid, data));
  }
  const ours = serverKeys.byKid('oidc', kid);
  if (!ours) return undefined;
  const signAtOnce = quick[alg];
  if (!signAtOnce) return { ...(ours.privateJwk as unknown as JWK), kid, alg, use: 'sig' } as JWK;
  const privateKey = createPrivateKey({ key: ours.privateJwk as JsonWebKey, format: 'jwk' });
  return new SigningKey(key, async (data) => signAtOnce(data, privateKey));
}

/** The engine signs in another thread. These take less time than the way there; RSA is worth it. */
const quick: Record<string, (data: Uint8Array, key: KeyObject) => Uint8Array> = {
  ES256: (data, key) => rawOf(sign('sha256', data, key)),
  EdDSA: (data, key) => sign(null, data, key),
};

/** A key that signs by itself, as the engine knows them. */
class SigningKey extends ExternalSigningKey {
  readonly #publicKey: KeyObject;
  readonly #kid: string;
  readonly #alg: string;
  readonly #sign: (data: Uint8Array) => Promise<Uint8Array>;

  constructor({ kid, alg, jwk }: PublicServerKey, sign: (data: Uint8Array) => Promise<Uint8Array>) {
    super();
    this.#publicKey = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    this.#kid = kid;
    this.#alg = alg;
    this.#sign = sign;
  }

  override get kid(): string {
    return this.#kid;
  }

  override get alg(): string {
    return this.#alg;
  }

  override keyObject(): KeyObject {
    return this.#publicKey;
  }

  override sign(data: Uint8Array): Promise<Uint8Array> {
    return this.#sign(data);
  }
}
