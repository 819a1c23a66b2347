import type { JWK } from 'oidc-provider';
import type { ServerKeys } from '../domain/server-keys.ts';

/**
 * The engine's key set: every ID token key whose private half exists, newest first. The engine signs with the first one
 * that fits, publishes the public halves, and verifies `id_token_hint` with all, so what a retired key signed stays valid.
 */
export function signingKeys(serverKeys: Pick<ServerKeys, 'publicKeys' | 'byKid'>): { keys: JWK[] } {
  const keys = serverKeys.publicKeys('oidc').flatMap(({ kid, alg }) => {
    const key = serverKeys.byKid('oidc', kid);
    return key ? [{ ...(key.privateJwk as unknown as JWK), kid, alg, use: 'sig' }] : [];
  });
  return { keys: keys as JWK[] };
}
