/**
 * ID tokens that only their client can read (OpenID Connect Core 10.2): signed, then encrypted to a key of the client's own.
 *
 *     registered: its `jwks` holds a key that fits ─ approved: its keys are there, or 503 and nothing is used up ─ signed ─ encrypted
 *
 * Nothing else is encrypted, in either direction: the engine is given no algorithm for requests and userinfo.
 */
import type { JsonWebKey } from 'node:crypto';
import { type Client, type Configuration, errors } from 'oidc-provider';
import { StoreUnavailable } from '../support/unavailable.ts';
import { keysOf } from './engine-patches.ts';

/** To keys alone: of secrets only hashes may be known. RSA1_5 is broken (F1A 8.6.1). */
const algs = ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW', 'RSA-OAEP', 'RSA-OAEP-256'] as const;
const encs = ['A128CBC-HS256', 'A256CBC-HS512', 'A128GCM', 'A256GCM'] as const;

export const encryptionAlgorithms: Configuration['enabledJWA'] = {
  idTokenEncryptionAlgValues: [...algs],
  idTokenEncryptionEncValues: [...encs],
  userinfoEncryptionAlgValues: [],
  userinfoEncryptionEncValues: [],
  requestObjectEncryptionAlgValues: [],
  requestObjectEncryptionEncValues: [],
};

/**
 * The engine takes the first key whose type may fit, an Ed25519 key as well. Here it gets those that can be used.
 *
 * @throws the engine's InvalidClientMetadata where the client's own set has none
 */
export function chooseFittingKeys(client: Client): void {
  const { idTokenEncryptedResponseAlg: alg, jwks } = client;
  if (alg === undefined) return;
  const keys = keysOf(client);
  const { selectForEncrypt } = keys;
  keys.selectForEncrypt = function fitting(options) {
    return selectForEncrypt.call(this, options).filter(canEncrypt).map(bare);
  };
  if (jwks !== undefined && keys.selectForEncrypt({ alg, use: 'enc' }).length === 0) {
    throw new errors.InvalidClientMetadata(`jwks holds no key for the id_token_encrypted_response_alg ${alg}`);
  }
}

/** `ECDH-ES` is for the kinds EC and OKP; of the latter one only signs. That they are keys at all, `key-sets.ts` has seen. */
const canEncrypt = ({ kty, crv }: JsonWebKey) => kty !== 'OKP' || crv === 'X25519';

/** `key_ops` that the engine and its library understand differently have been looked at. */
function bare({ kty, crv, x, y, n, e, ...rest }: JsonWebKey): JsonWebKey {
  const { kid } = rest as { kid?: string };
  return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, kid }));
}

/**
 * Fetches the keys that its tokens will be encrypted to, if there are any to fetch: before the time of everybody is spent on it.
 * @throws StoreUnavailable; nothing was used up
 */
export async function fetchKeysFor(client: Client): Promise<void> {
  if (client.idTokenEncryptedResponseAlg === undefined) return;
  await keysOf(client)
    .refresh()
    .catch((cause: unknown) => {
      throw new StoreUnavailable(`the keys of ${client.clientId} cannot be fetched`, { cause });
    });
}
