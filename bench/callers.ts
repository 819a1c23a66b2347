/** Clients that show who they are by a key: an assertion, a proof beside each request, a certificate. */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { type Authority, createAuthority } from '../src/support/certificates.ts';
import { benchClient, type Caller, withSecret } from './client.ts';

/** One client, as servers know it and as it calls them. */
export interface Keyed {
  metadata: Record<string, unknown> & { client_id: string };
  caller: Caller;
}

const { client_secret: _none, ...withoutSecret } = benchClient;
const seconds = () => Math.floor(Date.now() / 1000);

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  return { privateKey, jwk: { kty, crv, x, y } };
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(head: string, claims: object, key: KeyObject): string {
  const text = `${head}.${encoded(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** `private_key_jwt`, ES256: a new assertion for each request. */
export function assertingClient(client_id = 'bench-asserting'): Keyed {
  const { privateKey, jwk } = newKey();
  const head = encoded({ alg: 'ES256', kid: client_id });
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  return {
    metadata: {
      ...withoutSecret,
      client_id,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...jwk, kid: client_id, use: 'sig', alg: 'ES256' }] },
    },
    caller: {
      isFresh: true,
      params(aud) {
        const iat = seconds();
        const claims = { iss: client_id, sub: client_id, aud, jti: randomUUID(), iat, exp: iat + 120 };
        return { client_assertion_type, client_assertion: signed(head, claims, privateKey) };
      },
    },
  };
}

/** A secret, and a DPoP proof beside each request; its tokens are bound to the key. */
export function dpopClient(client_id = 'bench-dpop'): Keyed {
  const { privateKey, jwk } = newKey();
  const head = encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk });
  const metadata = { ...benchClient, client_id, dpop_bound_access_tokens: true };
  const { headers } = withSecret(metadata);
  return {
    metadata,
    caller: {
      isFresh: true,
      headers(htu) {
        const dpop = signed(head, { jti: randomUUID(), htm: 'POST', htu, iat: seconds() }, privateKey);
        return { ...headers!(htu), dpop };
      },
    },
  };
}

/** `tls_client_auth`: no secret, a certificate of an authority that the server knows; its tokens are bound to it. */
export function certifiedClient(authority: Authority, client_id = 'bench-certified'): Keyed {
  const name = 'bench.example';
  return {
    metadata: {
      ...withoutSecret,
      client_id,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: name,
      tls_client_certificate_bound_access_tokens: true,
    },
    caller: {
      isFresh: false,
      params: () => ({ client_id }),
      tls: { ...authority.issue({ name }), ca: authority.cert },
    },
  };
}

/** One that wants its ID tokens signed so. */
export function clientOfAlgorithm(alg: string): Keyed {
  const metadata = { ...benchClient, client_id: `bench-${alg}`, id_token_signed_response_alg: alg };
  return { metadata, caller: withSecret(metadata) };
}

export const newAuthority = (): Authority => createAuthority('Bench');
