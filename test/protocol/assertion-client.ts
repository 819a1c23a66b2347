import { randomUUID } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { aClient, CIBA, type ProtocolScene } from './scene.ts';

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface Keys {
  alg: string;
  privateKey: CryptoKey;
  publicJwk: JWK;
}

export async function newKeys(alg = 'ES256', kid = randomUUID()): Promise<Keys> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** A client that authenticates with `private_key_jwt`. */
export const assertingClient = (client_id: string, keys: Keys, overrides: Record<string, unknown> = {}) =>
  aClient(client_id, {
    client_secret: undefined,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [keys.publicJwk] },
    ...overrides,
  });

export interface AssertionOptions {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  /** Signs with other keys than the header says. */
  signer?: Keys;
}

/** Claims that are set to undefined are left out. The engine's clock is the test's. */
export function assertion(clientId: string, keys: Keys, aud: unknown, options: AssertionOptions = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: clientId,
    sub: clientId,
    aud,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...options.claims,
  } as Record<string, unknown>;
  return new SignJWT(claims)
    .setProtectedHeader({ alg: keys.alg, kid: keys.publicJwk.kid!, ...options.header })
    .sign((options.signer ?? keys).privateKey);
}

type Params = Record<string, string>;

/** Calls of a client with its assertion in the form. */
export function asserting(scene: Pick<ProtocolScene, 'send' | 'issuer'>, clientId: string, keys: Keys) {
  const post = async (path: string, params: Params, options: AssertionOptions & { aud?: unknown } = {}) => {
    const { aud = scene.issuer } = options;
    const body = new URLSearchParams({
      client_assertion_type: assertionType,
      client_assertion: await assertion(clientId, keys, aud, options),
      ...params,
    });
    return scene.send('POST', path, { body });
  };
  return {
    post,
    authenticate: (options?: Parameters<typeof post>[2], params: Params = {}) =>
      post('/bc-authorize', { scope: 'openid', login_hint: 'alice', ...params }, options),
    poll: (authReqId: string, options?: Parameters<typeof post>[2]) =>
      post('/oauth/token', { grant_type: CIBA, auth_req_id: authReqId }, options),
  };
}
