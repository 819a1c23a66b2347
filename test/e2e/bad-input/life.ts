import {
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { createServer } from 'node:net';
import { beginEnrollment, type Device, memoryStorage } from '../../../src/device-sdk/index.ts';
import { type Agreement, agreementWith, b64, jweTo, jws, padded, sha256 } from '../../vectors/forge.ts';
import type { Signer } from './case.ts';
import { bent } from './families/ids.ts';
import { documentedBy, type OpenApi } from './routes.ts';

interface Trap {
  port: number;
  visits(): number;
  close(): void;
}

export const ciba = 'urn:openid:params:grant-type:ciba';
export const possession = 'urn:assent:acr:possession';

/** Where a server answers. */
export interface Place {
  /** Of the public listener; behind a balancer not the issuer's own name. */
  issuer: string;
  management: string;
  managementKey: string;
}

/** People, devices, requests in every state, and tokens. */
export interface Life {
  /** Options of a phone: its calls go to the servers in turn. */
  phone: { fetch: typeof fetch };
  /** What `{{name}}` in a case means. */
  values: Record<string, string>;
  keys: Record<Signer, KeyObject>;
  box: { kid: string; key: KeyObject; agreement: Agreement };
  /** What the servers say of themselves, by prefix. */
  documents: [prefix: string, document: OpenApi][];
  /** Listens where hostile input points to: nobody may ever come. */
  trap: Trap;
  /** What no refusal may repeat. */
  secrets: [name: string, secret: string][];
  /** Started before the bad input, to be approved after it. */
  kept: { authReqId: string; op: string; device: Device };
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }>;
  /** As the client that the bad input pretends to be. */
  oauth(path: string, params: Record<string, string>, client?: string): Promise<{ status: number; body: Json }>;
}

// biome-ignore lint/suspicious/noExplicitAny: a test says by its expectation what it looks like
type Json = Record<string, any>;

const secrets = {
  fuzzed: 'fuzzed-secret-0123456789-abcdefghij-klm',
  posted: 'posted-secret-0123456789-abcdefghij-klm',
  other: 'other-secret-0123456789-abcdefghij-klmno',
  requests: 'requests-secret-0123456789-abcdefghij-klm',
  pushed: 'pushed-secret-0123456789-abcdefghij-klmn',
};
const initialAccessToken = 'initial-access-token-0123456789-abcdefghij';
/** Of a client in a browser. */
const back = 'https://web.example/back';

/** Of a server that is to lead this life. */
export const settingsFor = (clientKey: KeyObject) => ({
  registration: { enabled: true, initialAccessToken },
  hints: { issuers: [{ issuer: 'https://hints.example', jwks: { keys: [jwkOf(clientKey)] } }] },
});

/** @param servers one, or several of one store, with `settingsFor` and `clientsWith` this key */
export async function settle(servers: readonly Place[], clientKey: KeyObject): Promise<Life> {
  const [{ issuer: url, management, managementKey }] = servers as [Place];
  // behind a balancer nobody's own address is the issuer's
  const { issuer } = (await (await fetch(`${url}/.well-known/openid-configuration`)).json()) as { issuer: string };

  async function answered(response: Response) {
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Json) : {} };
  }
  const api: Life['api'] = async (method, path, body) =>
    answered(
      await fetch(`${management}/management/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${managementKey}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
  const oauth: Life['oauth'] = async (path, params, client = 'fuzzed') =>
    answered(
      await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { authorization: basic(client) },
        body: new URLSearchParams(params),
      }),
    );

  const user = async (username: string) => (await api('POST', '/users', { username })).body['id'] as string;
  const [targetId, scratchId, lockedId] = [await user('target'), await user('scratch'), await user('locked')];
  // of whom anything may become
  const spareId = await user('spare');
  await api('POST', `/users/${lockedId}/lock`);
  const ticketFor = async (id: string) => (await api('POST', `/users/${id}/enrollment-tickets`)).body;
  const usedTicket = await ticketFor(targetId);
  const storage = memoryStorage({ exportable: true });
  const enrollment = await beginEnrollment(storage, usedTicket['ticket_uri'], { fetch: through(servers) });
  const device = await enrollment.finish({ device: { name: 'Phone' }, pin: '493817' });
  const stored = (await storage.load('device'))!;
  const openTicket = await ticketFor(scratchId);

  const start = async (more: Record<string, string> = {}, client?: string) => {
    const params = { scope: 'openid offline_access', login_hint: 'target', acr_values: possession, ...more };
    const authReqId = String((await oauth('/bc-authorize', params, client)).body['auth_req_id']);
    const { operations } = await device.inbox();
    return { authReqId, op: operations.at(-1)!.op };
  };
  const poll = (auth_req_id: string) => oauth('/oauth/token', { grant_type: ciba, auth_req_id });
  const decided = async (decision: 'approve' | 'deny') => {
    const { authReqId } = await start();
    for (const { op } of (await device.inbox()).operations) await device.decide(await device.present(op), { decision });
    return authReqId;
  };

  const consumed = await decided('approve');
  const tokens = (await poll(consumed)).body;
  const denied = await decided('deny');
  const cancelled = (await start()).authReqId;
  await fetch(`${url}/bc-authorize?auth_req_id=${cancelled}`, {
    method: 'DELETE',
    headers: { authorization: basic('fuzzed') },
  });
  const rotated = (await oauth('/oauth/token', { grant_type: 'refresh_token', refresh_token: tokens['refresh_token'] }))
    .body;
  const kept = await start({ requested_expiry: '600' });
  const foreign = (await start({ requested_expiry: '600' }, 'other')).authReqId;
  const expiring = (await start({ requested_expiry: '10' })).authReqId;

  const documents: Life['documents'] = [
    ['/device/v1', await jsonAt(`${url}/device/v1/openapi.json`)],
    ['/management/v1', await jsonAt(`${management}/management/v1/openapi.json`)],
  ];
  for (const [prefix, document] of documents) documentedBy(prefix, document);
  const fragment = (ticket: Json) => new URLSearchParams(new URL(ticket['ticket_uri']).hash.slice(1)).get('t')!;
  const box = await boxOf(url);
  const pending = await redeemed(fragment(await ticketFor(spareId)), { url, issuer, box });
  const client = (await api('POST', '/clients', registration)).body;
  const registered = await answered(
    await fetch(`${url}/oauth/register`, {
      method: 'POST',
      headers: { authorization: `Bearer ${initialAccessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(registration),
    }),
  );
  const browser = await signInAt(url);
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const { x, y } = stranger.export({ format: 'jwk' });
  const { x: clientX, y: clientY } = clientKey.export({ format: 'jwk' });
  const trap = await openTrap();
  const values = {
    issuer,
    trap_port: String(trap.port),
    stranger_x: x!,
    stranger_y: y!,
    stranger_thumbprint: sha256(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y })),
    client_x: clientX!,
    client_y: clientY!,
    fuzzed: basic('fuzzed'),
    pushed: basic('pushed'),
    other: basic('other'),
    requests: basic('requests'),
    fuzzed_secret: secrets.fuzzed,
    management_key: managementKey,
    target_id: targetId,
    scratch_id: scratchId,
    locked_id: lockedId,
    device_id: stored.deviceId,
    op: kept.op,
    kept: kept.authReqId,
    foreign,
    consumed,
    denied,
    cancelled,
    expiring,
    access_token: String(rotated['access_token']),
    refresh_token: String(rotated['refresh_token']),
    spent_refresh_token: String(tokens['refresh_token']),
    id_token_kid: JSON.parse(Buffer.from(String(rotated['id_token']).split('.')[0]!, 'base64url').toString()).kid,
    id_token: String(rotated['id_token']),
    used_ticket: fragment(usedTicket),
    open_ticket: fragment(openTicket),
    activation_code: String(openTicket['activation_code']),
    spare_id: spareId,
    spare_device_id: pending.id,
    pending_nonce: pending.nonce,
    ticket_id: String(openTicket['operation_id']),
    client_id: String(client['client_id']),
    initial_token: initialAccessToken,
    registered_id: String(registered.body['client_id']),
    registration_token: String(registered.body['registration_access_token']),
    ...browser,
  };
  return {
    phone: { fetch: through(servers) },
    values: { ...values, ...bent(values) },
    trap,
    keys: {
      client: clientKey,
      device: createPrivateKey({ key: stored.sig.privateKey as never, format: 'jwk' }),
      pending: pending.key,
      stranger,
    },
    box,
    documents,
    secrets: [
      ['a client secret', secrets.fuzzed],
      ['a client secret', secrets.other],
      ['the management key', managementKey],
      ['an auth_req_id', kept.authReqId],
      ['an auth_req_id', foreign],
      ['an access token', values.access_token],
      ['a refresh token', values.refresh_token],
      ['a ticket', values.open_ticket],
      ['an activation code', values.activation_code],
      ['the initial access token', initialAccessToken],
      ['a registration access token', values.registration_token],
    ],
    kept: { ...kept, device },
    api,
    oauth,
  };
}

export const basic = (client: string) =>
  `Basic ${Buffer.from(`${client}:${secrets[client as keyof typeof secrets]}`).toString('base64')}`;

/** Whose words the bad input uses. */
export function clientsWith(key: KeyObject): Record<string, unknown>[] {
  const common = { grant_types: [ciba, 'refresh_token'], backchannel_token_delivery_mode: 'poll' };
  const forBrowsers = { grant_types: ['authorization_code'], response_types: ['code'], redirect_uris: [back] };
  return [
    { ...common, client_id: 'fuzzed', client_secret: secrets.fuzzed, assent_documents: true },
    { ...common, client_id: 'other', client_secret: secrets.other },
    { ...common, client_id: 'posted', client_secret: secrets.posted, token_endpoint_auth_method: 'client_secret_post' },
    {
      ...common,
      client_id: 'signed',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [jwkOf(key)] },
    },
    {
      ...common,
      client_id: 'requests',
      client_secret: secrets.requests,
      backchannel_authentication_request_signing_alg: 'ES256',
      jwks: { keys: [jwkOf(key)] },
    },
    {
      ...forBrowsers,
      client_id: 'web',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [jwkOf(key)] },
    },
    {
      ...forBrowsers,
      client_id: 'pushed',
      client_secret: secrets.pushed,
      request_object_signing_alg: 'ES256',
      jwks: { keys: [jwkOf(key)] },
    },
  ];
}

/** Of a client that is registered, by the management API or by itself. */
const registration = {
  client_name: 'Kiosk',
  grant_types: [ciba],
  response_types: [],
  backchannel_token_delivery_mode: 'poll',
};

function jwkOf(key: KeyObject): Record<string, unknown> {
  const { kty, crv, x, y } = key.export({ format: 'jwk' });
  return { kty, crv, x, y, kid: 'signed-1', alg: 'ES256', use: 'sig' };
}

async function jsonAt<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

/** A browser on its way between `/authorize` and the answer: its page, and the cookies that go with it. */
async function signInAt(url: string): Promise<{ sign_in: string; sign_in_cookie: string }> {
  const asked = new URLSearchParams({
    ...{ client_id: 'web', response_type: 'code', scope: 'openid', redirect_uri: back },
    ...{ code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' },
  });
  const { headers } = await fetch(`${url}/authorize?${asked}`, { redirect: 'manual' });
  const cookies = headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0]);
  return { sign_in: headers.get('location')!.split('/').at(-1)!, sign_in_cookie: cookies.join('; ') };
}

/** As a phone redeems its ticket, and before it brings its further keys. */
async function redeemed(
  ticket: string,
  { url, issuer, box }: { url: string; issuer: string; box: Life['box'] },
): Promise<{ key: KeyObject; id: string; nonce: string }> {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const { x, y } = key.export({ format: 'jwk' });
  const kid = sha256(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }));
  const header = { alg: 'ES256', typ: 'assent-request+jwt', kid, jwk: { kty: 'EC', crv: 'P-256', x, y } };
  const common = { iss: kid, aud: issuer, iat: Math.floor(Date.now() / 1000), jti: b64(randomBytes(16)) };
  const token = jws(header, { ...common, act: 'redeem', ticket }, key);
  const rk = randomBytes(32);
  const up = { typ: 'assent-up', cty: 'json', kid: box.kid };
  const answer = await fetch(`${url}/device/v1/redeem`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose' },
    body: jweTo(up, padded({ rk: b64(rk), jws: token }), box.key, box.agreement),
  });
  const { device_id: id, nonce } = JSON.parse(opened(await answer.text(), rk));
  return { key, id, nonce };
}

/** A message down, under the key that its request gave. */
function opened(token: string, rk: Uint8Array): string {
  const [aad = '', , iv = '', text = '', tag = ''] = token.split('.');
  const bytes = (part: string) => Buffer.from(part, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', rk, bytes(iv)).setAAD(Buffer.from(aad)).setAuthTag(bytes(tag));
  return Buffer.concat([decipher.update(bytes(text)), decipher.final()]).toString();
}

async function boxOf(url: string): Promise<Life['box']> {
  const { sets } = (await (await fetch(`${url}/device/v1/keys`)).json()) as { sets: string[] };
  const { box } = JSON.parse(Buffer.from(sets[0]!.split('.')[1]!, 'base64url').toString());
  const key = createPublicKey({ key: box[0], format: 'jwk' });
  return { kid: box[0].kid, key, agreement: agreementWith(key) };
}

/** As a balancer would: to each in turn, whatever address stands in it. */
function through(servers: readonly Place[]): typeof fetch {
  let turn = 0;
  return (input, init) => {
    const { pathname, search } = new URL(String(input));
    return fetch(`${servers[turn++ % servers.length]!.issuer}${pathname}${search}`, init);
  };
}

async function openTrap(): Promise<Trap> {
  let visits = 0;
  const server = createServer((socket) => {
    visits += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, visits: () => visits, close: () => void server.close() };
}
