/**
 * openid-client and oauth4webapi as npm has them, each with every way to prove who it is and to hold its tokens: a key, DPoP,
 * a certificate; polling and being pinged. Over TLS, with the server's own discovery document.
 */
import { type webcrypto, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { createAuthority, selfSigned } from '../support/certificates.ts';
import { freePorts } from '../support/ports.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { temporaryFolder } from '../support/tmp.ts';

const ciba = 'urn:openid:params:grant-type:ciba';
const authority = createAuthority();
const certificate = selfSigned({ name: 'wild client', names: [] });
const token = 'notification-token-of-22-chars-or-more';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let receiver: Receiver;
let server: TestServer;
let issuer: string;
let key: webcrypto.CryptoKey;

beforeAll(async () => {
  folder = await temporaryFolder('assent-wild');
  const at = (name: string, text: string) => {
    const file = join(folder.path, name);
    writeFileSync(file, text);
    return file;
  };
  receiver = await startReceiver({ authority });
  const issued = authority.issue({ name: 'localhost' });
  const [port = 0, clientPort = 0] = await freePorts(2);
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  key = pair.privateKey;
  const jwk = { ...(await crypto.subtle.exportKey('jwk', pair.publicKey)), kid: 'wild', alg: 'ES256', use: 'sig' };
  const { publicKey, raw } = new X509Certificate(certificate.cert);
  const shown = { ...publicKey.export({ format: 'jwk' }), kid: 'wild-tls', x5c: [raw.toString('base64')] };
  const common = {
    grant_types: [ciba, 'refresh_token'],
    token_endpoint_auth_method: 'private_key_jwt',
    backchannel_token_delivery_mode: 'poll',
    jwks: { keys: [jwk] },
  };
  issuer = `https://localhost:${port}`;
  server = await startServer({
    config: {
      issuer,
      tls: { port, clientPort, certificate: at('cert.pem', issued.cert), key: at('key.pem', issued.key) },
      ciba: { intervalSeconds: 2 },
      dpop: { requireNonce: true },
      clientAuthentication: { methods: ['private_key_jwt', 'self_signed_tls_client_auth', 'client_secret_basic'] },
      clients: [
        { ...common, client_id: 'wild-key' },
        { ...common, client_id: 'wild-dpop', dpop_bound_access_tokens: true },
        {
          ...common,
          client_id: 'wild-certificate',
          token_endpoint_auth_method: 'self_signed_tls_client_auth',
          tls_client_certificate_bound_access_tokens: true,
          jwks: { keys: [shown] },
        },
        {
          ...common,
          client_id: 'wild-ping',
          backchannel_token_delivery_mode: 'ping',
          backchannel_client_notification_endpoint: receiver.url,
        },
      ],
      demo: { enabled: false },
    },
    env: { NODE_EXTRA_CA_CERTS: at('ca.pem', authority.cert) },
  });
  const added = await fetchWith()(`${issuer}/simulator/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'alice', methods: ['pin'] }),
  });
  expect(added.status).toBe(201);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await receiver.close();
  await folder.remove();
});

type Options = { method?: string; headers?: Record<string, string>; body?: unknown };

/** A fetch that trusts our authority, and shows a certificate where it is given one: both libraries take one. */
const fetchWith =
  (shown?: { cert: string; key: string }) =>
  async (url: string, { method = 'GET', headers = {}, body }: Options = {}): Promise<Response> => {
    const req = httpsRequest(url, { method, headers: { ...headers }, ca: authority.cert, agent: false, ...shown });
    req.end(body == null ? undefined : String(body));
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of res) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks);
    const answered = Object.entries(res.headers).map(([name, value]): [string, string] => [name, String(value)]);
    return new Response(text.length > 0 ? text : null, { status: res.statusCode!, headers: answered });
  };

async function approve(authReqId: string): Promise<void> {
  const query = new URLSearchParams({ auth_req_id: authReqId, action: 'allow' });
  const { status } = await fetchWith()(`${issuer}/simulator/decide?${query}`, { method: 'POST' });
  expect(status).toBe(204);
}

interface Wild {
  start(parameters: Record<string, string>): Promise<{ auth_req_id: string; interval?: number; expires_in: number }>;
  /** Until there is an end, as the library does it. */
  poll(started: { auth_req_id: string; interval?: number; expires_in: number }): Promise<Tokens>;
  /** Once. */
  fetchTokens(authReqId: string): Promise<Tokens>;
  userinfo(tokens: Tokens): Promise<Record<string, unknown>>;
}
interface Tokens {
  access_token: string;
  token_type: string;
  sub: string;
}
type How = 'key' | 'dpop' | 'certificate' | 'ping';
type Make = (how: How) => Promise<Wild>;

const withOpenidClient: Make = async (how) => {
  const metadata = { use_mtls_endpoint_aliases: how === 'certificate' };
  const proof = how === 'certificate' ? openid.TlsClientAuth() : openid.PrivateKeyJwt({ key, kid: 'wild' });
  const customFetch = fetchWith(how === 'certificate' ? certificate : undefined) as openid.CustomFetch;
  const config = await openid.discovery(new URL(issuer), `wild-${how}`, metadata, proof, {
    [openid.customFetch]: customFetch,
  });
  const options =
    how === 'dpop' ? { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256')) } : undefined;
  const read = (tokens: openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers): Tokens => {
    const { access_token, token_type } = tokens;
    return { access_token, token_type, sub: tokens.claims()!.sub };
  };
  return {
    start: (parameters) => openid.initiateBackchannelAuthentication(config, parameters),
    poll: async (started) => read(await openid.pollBackchannelAuthenticationGrant(config, started, undefined, options)),
    fetchTokens: async (auth_req_id) => read(await openid.genericGrantRequest(config, ciba, { auth_req_id }, options)),
    userinfo: ({ access_token, sub }) => openid.fetchUserInfo(config, access_token, sub, options),
  };
};

const withOauth4webapi: Make = async (how) => {
  const customFetch = fetchWith(how === 'certificate' ? certificate : undefined) as typeof fetch;
  const http = { [oauth.customFetch]: customFetch };
  const at = new URL(issuer);
  const as = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, http));
  const client: oauth.Client = { client_id: `wild-${how}`, use_mtls_endpoint_aliases: how === 'certificate' };
  const proof = how === 'certificate' ? oauth.TlsClientAuth() : oauth.PrivateKeyJwt({ key, kid: 'wild' });
  const keys = await oauth.generateKeyPair('ES256');
  const options = how === 'dpop' ? { ...http, DPoP: oauth.DPoP(client, keys) } : http;

  async function once(authReqId: string): Promise<Tokens> {
    const ask = async () => {
      const asked = await oauth.backchannelAuthenticationGrantRequest(as, client, proof, authReqId, options);
      return oauth.processBackchannelAuthenticationGrantResponse(as, client, asked);
    };
    // the library's own documentation: once more when the server has told its nonce
    const tokens = await ask().catch((error) => (oauth.isDPoPNonceError(error) ? ask() : Promise.reject(error)));
    return { ...tokens, sub: oauth.getValidatedIdTokenClaims(tokens)!.sub };
  }
  return {
    async start(parameters) {
      const asked = await oauth.backchannelAuthenticationRequest(as, client, proof, parameters, http);
      return oauth.processBackchannelAuthenticationResponse(as, client, asked);
    },
    async poll({ auth_req_id, interval = 5 }) {
      for (;;) {
        try {
          return await once(auth_req_id);
        } catch (error) {
          if (!(error instanceof oauth.ResponseBodyError) || error.error !== 'authorization_pending') throw error;
          await new Promise((go) => setTimeout(go, interval * 1000));
        }
      }
    },
    fetchTokens: once,
    async userinfo({ access_token, sub }) {
      const ask = async () => {
        const asked = await oauth.userInfoRequest(as, client, access_token, options);
        return oauth.processUserInfoResponse(as, client, sub, asked);
      };
      return ask().catch((error) => (oauth.isDPoPNonceError(error) ? ask() : Promise.reject(error)));
    },
  };
};

const libraries: [string, Make][] = [
  ['openid-client', withOpenidClient],
  ['oauth4webapi', withOauth4webapi],
];

describe.each(libraries)('%s', (_name, make) => {
  const request = { scope: 'openid profile', login_hint: 'alice', binding_message: 'W4SCT' };

  test('polls with private_key_jwt', async () => {
    const client = await make('key');
    const started = await client.start(request);
    const polling = client.poll(started);
    await approve(started.auth_req_id);
    const tokens = await polling;
    expect(tokens.token_type).toMatch(/^bearer$/i);
    expect(await client.userinfo(tokens)).toMatchObject({ sub: tokens.sub, name: 'Alice' });
  });

  test('I-07 polls with DPoP: a nonce is told and used, and the tokens are of no use without the key', async () => {
    const client = await make('dpop');
    const started = await client.start(request);
    await approve(started.auth_req_id);
    const tokens = await client.poll(started);
    expect(tokens.token_type).toMatch(/^dpop$/i);
    expect(await client.userinfo(tokens)).toMatchObject({ sub: tokens.sub });
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    expect((await fetchWith()(`${issuer}/userinfo`, { headers })).status).toBe(401);
  });

  test('polls with a certificate at the aliases, and the tokens are of no use without it', async () => {
    const client = await make('certificate');
    const started = await client.start(request);
    await approve(started.auth_req_id);
    const tokens = await client.poll(started);
    expect(await client.userinfo(tokens)).toMatchObject({ sub: tokens.sub });
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    expect((await fetchWith()(`${issuer}/userinfo`, { headers })).status).toBe(401);
  });

  test('P-08 polls too fast, is pinged, and has the tokens at its next request', async () => {
    receiver.forget();
    const client = await make('ping');
    const started = await client.start({ ...request, client_notification_token: token });
    // too fast before the ping is no reason to make it wait after it
    for (const error of ['authorization_pending', 'slow_down']) {
      await expect(client.fetchTokens(started.auth_req_id)).rejects.toMatchObject({ error });
    }
    await approve(started.auth_req_id);
    const [ping] = await receiver.until(1);
    expect(ping).toMatchObject({
      headers: { authorization: `Bearer ${token}` },
      body: { auth_req_id: started.auth_req_id },
    });
    const tokens = await client.fetchTokens(ping!.body.auth_req_id);
    expect(tokens.sub).toEqual(expect.any(String));
  });
});
