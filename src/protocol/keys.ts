import type { JWK } from 'oidc-provider';
import type { KeyState } from '../domain/ports/records.ts';
import type { ServerKeys } from '../domain/server-keys.ts';

/**
 * The engine's key set: every ID token key whose private half exists, the current ones first, those that wait last. The
 * engine signs with the first one that fits and publishes the public halves: of what is to come and of what was, too.
 */
export function signingKeys(serverKeys: Pick<ServerKeys, 'publicKeys' | 'byKid'>): { keys: JWK[] } {
  const inOrder = serverKeys.publicKeys('oidc').sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const keys = inOrder.flatMap(({ kid, alg }) => {
    const key = serverKeys.byKid('oidc', kid);
    return key ? [{ ...(key.privateJwk as unknown as JWK), kid, alg, use: 'sig' }] : [];
  });
  return { keys: keys as JWK[] };
}

const order: KeyState[] = ['current', 'retired', 'next', 'destroyed'];
