import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { ExternalSigningKey, type JWK } from 'oidc-provider';
import type { KeyState } from '../domain/ports/records.ts';
import type { PublicServerKey, ServerKeys } from '../domain/server-keys.ts';

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
  if (external) return state === 'destroyed' ? undefined : new OutsideKey(key, serverKeys);
  const ours = serverKeys.byKid('oidc', kid);
  return ours && ({ ...(ours.privateJwk as unknown as JWK), kid, alg, use: 'sig' } as JWK);
}

/** A key whose private half is elsewhere, as the engine knows them. */
class OutsideKey extends ExternalSigningKey {
  readonly #publicKey: KeyObject;
  readonly #kid: string;
  readonly #alg: string;
  readonly #serverKeys: Keys;

  constructor({ kid, alg, jwk }: PublicServerKey, serverKeys: Keys) {
    super();
    this.#publicKey = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    this.#kid = kid;
    this.#alg = alg;
    this.#serverKeys = serverKeys;
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
    return this.#serverKeys.signOutside(this.#kid, data);
  }
}
