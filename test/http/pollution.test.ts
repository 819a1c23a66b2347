import { createHash } from 'node:crypto';
import { CompactSign } from 'jose';
import { createClients } from '../../src/domain/clients.ts';
import { newKeys } from '../protocol/assertion-client.ts';
import { aClient, basic, CIBA, openProtocol, type ProtocolScene, settings, withAlice } from '../protocol/scene.ts';
import { exchange } from '../support/http.ts';
import { type ManagementServer, startManagement } from './support/management.ts';

/** Bodies and queries that try to write into every object of the process. */
const names = [
  '__proto__',
  'constructor',
  'prototype',
  'constructor.prototype',
  '__proto__.x',
  'a[b]',
  'a[__proto__][x]',
  'toString',
  'hasOwnProperty',
  'then',
];
const shapes = [
  (name: string) => `{"${name}":{"x":1}}`,
  (name: string) => `{"attributes":{"${name}":{"x":1}}}`,
  (name: string) => `{"attributes":{"${name}":"x"}}`,
  (name: string) => `{"proofing":[{"mechanism":"m","${name}":{"x":1}}]}`,
  (name: string) => `{"constructor":{"prototype":{"x":1,"${name}":2}}}`,
  (name: string) => `[{"${name}":{"x":1}}]`,
  (name: string) => `{"${name}":"x","${name}":"y"}`,
];
const leak = /at .*:\d+:\d+|node_modules|SQLITE|ECONN|Redis/;

/** The same choices in every run: a failure can be repeated. */
const pick = <T>(from: readonly T[], run: number, use: string): T => {
  const digest = createHash('sha256').update(`${use}:${run}`).digest();
  return from[digest.readUInt32BE(0) % from.length]!;
};

function expectNothingPolluted(): void {
  expect(({} as { x?: unknown }).x).toBeUndefined();
  expect(([] as unknown as { x?: unknown }).x).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
}

describe('TH-21 names that JavaScript gives a meaning', () => {
  let server: ManagementServer;
  beforeAll(async () => {
    server = await startManagement();
  });
  afterAll(() => server.close());

  test('TH-21 TH-23 10 000 polluting requests change no object, cause no 5xx and show no inside', async () => {
    const { id } = await server.user({ username: 'alice' });
    const { client_id } = (await server.api('POST', '/clients', { body: { client_name: 'Shop' } })).body;
    const device = server.devices.base;
    const key = { authorization: 'Bearer test-management-key-0123456789abcdef', 'content-type': 'application/json' };
    const calls = [
      (body: string) => exchange(`${server.base}/users`, { method: 'POST', headers: key, body }),
      (body: string) => exchange(`${server.base}/users/${id}`, { method: 'PATCH', headers: key, body }),
      (body: string) => exchange(`${server.base}/users/${id}/attributes`, { method: 'PATCH', headers: key, body }),
      (body: string) =>
        exchange(`${server.base}/users/${id}/enrollment-tickets`, { method: 'POST', headers: key, body }),
      (body: string) => exchange(`${server.base}/clients`, { method: 'POST', headers: key, body }),
      (body: string) => exchange(`${server.base}/clients/${client_id}`, { method: 'PATCH', headers: key, body }),
      (body: string) => exchange(`${server.base}/users?${encodeURI(body)}`, { method: 'GET', headers: key }),
      (body: string) => exchange(`${server.base}/users/${encodeURIComponent(body)}`, { method: 'GET', headers: key }),
      (body: string) =>
        exchange(`${device}/device/v1/redeem`, {
          method: 'POST',
          headers: { 'content-type': 'application/jose' },
          body,
        }),
      (body: string) =>
        exchange(`${device}/${encodeURIComponent(body)}?__proto__[x]=1&constructor[prototype][x]=1`, { method: 'GET' }),
    ];
    const seen = new Map<number, number>();
    const one = async (run: number) => {
      const answer = await pick(calls, run, 'call')(pick(shapes, run, 'shape')(pick(names, run, 'name')));
      expect(await answer.text()).not.toMatch(leak);
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
    };
    for (let run = 0; run < 10_000; run += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => one(run + i)));

    expectNothingPolluted();
    expect([...seen.keys()].filter((status) => status >= 500)).toEqual([]);
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBe(10_000);
    // and the person is who she was
    expect((await server.api('GET', '/users?username=alice')).body.items).toEqual([
      expect.objectContaining({ id, state: 'active' }),
    ]);
  });

  test('TH-21 state, version and identity cannot be assigned from outside', async () => {
    const { id } = await server.user({ username: 'bob' });
    for (const member of [
      'id',
      'state',
      'version',
      'created_at',
      'updated_at',
      'identifiers',
      'sealed',
      'externalRef',
    ]) {
      const refused = await server.api('PATCH', `/users/${id}`, { body: { [member]: 'x' } });
      expect(refused).toMatchObject({
        status: 400,
        body: { invalid_params: [{ name: member, reason: 'is not known here' }] },
      });
    }
    expect((await server.api('GET', `/users/${id}`)).body).toMatchObject({ id, state: 'active', username: 'bob' });
  });
});

describe('TH-21 the same at the endpoints of the protocol', () => {
  const token = 'initial-access-token-0123456789abcdef';
  const metadata = { client_name: 'Kiosk', grant_types: [CIBA], backchannel_token_delivery_mode: 'poll' };
  const payment = { type: 'payment', schema: { properties: { to: { type: 'string' } } }, display: { en: 'Pay {to}' } };
  const secret = 'shop-secret-0123456789abcdef0123456789abcdef';
  let scene: ProtocolScene;
  let keys: Awaited<ReturnType<typeof newKeys>>;
  beforeAll(async () => {
    keys = await newKeys();
    const shop = aClient('shop', {
      client_secret: secret,
      authorization_details_types: ['payment'],
      assent_documents: true,
      jwks: { keys: [keys.publicJwk] },
      backchannel_authentication_request_signing_alg: 'ES256',
    });
    const { backchannel_authentication_request_signing_alg: _, ...plain } = shop;
    scene = await openProtocol({
      clients: [
        { ...plain, client_id: 'shop' },
        { ...shop, client_id: 'signer' },
      ],
      settings: { ...settings, authorizationDetails: [payment] },
      cap: { perClient: 0, policy: 'replace', perUser: 0 },
      overrides: ({ store, clock }) => ({
        registration: {
          initialAccessToken: token,
          clients: createClients({
            store,
            clock: clock.now,
            configured: [],
            check: (each) => scene.protocol.checkClient(each),
          }),
        },
      }),
    });
    await withAlice(scene);
  });
  afterAll(() => scene.close());

  /** These members after one of that name, and after one that leads to every object. */
  const polluted = (name: string, members: object): string[] => {
    const rest = JSON.stringify(members).slice(1);
    const more = rest === '}' ? rest : `,${rest}`;
    return [`{"${name}":{"x":1}${more}`, `{"constructor":{"prototype":{"x":1,"${name}":2}}${more}`];
  };
  const inParameters = (name: string): [string, string][] => [
    ...polluted(name, {}).map((json): [string, string] => ['claims', `{"id_token":${json},"userinfo":${json}}`]),
    ...polluted(name, {}).map((json): [string, string] => ['claims', json]),
    ...polluted(name, { type: 'payment', to: 'x' }).map((json): [string, string] => [
      'authorization_details',
      `[${json}]`,
    ]),
    ...polluted(name, { title: 'T', mime: 'text/plain', content: 'x' }).map((json): [string, string] => [
      'document',
      json,
    ]),
    [name, 'x'],
    [`${name}[x]`, 'y'],
  ];
  const start = (params: [string, string][], client = 'shop') =>
    exchange(`${scene.origin}/bc-authorize`, {
      method: 'POST',
      headers: { authorization: basic(client, secret) },
      body: new URLSearchParams([
        ['scope', 'openid'],
        ...(client === 'signer' ? [] : [['login_hint', 'alice']]),
        ...params,
      ] as [string, string][]),
    });
  const register = (body: string) =>
    exchange(`${scene.origin}/oauth/register`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body,
    });
  async function signed(claims: string) {
    const bytes = new TextEncoder().encode(claims);
    return new CompactSign(bytes).setProtectedHeader({ alg: 'ES256', kid: keys.publicJwk.kid! }).sign(keys.privateKey);
  }

  test('TH-21 forms, JSON in forms, signed claims and client metadata change no object and cause no 5xx', async () => {
    const iat = Math.floor(scene.clock.now() / 1000);
    const always = () => ({
      iss: 'signer',
      aud: scene.issuer,
      iat,
      nbf: iat,
      exp: iat + 300,
      jti: crypto.randomUUID(),
      scope: 'openid',
      login_hint: 'alice',
    });
    const calls = names.flatMap((name) => [
      ...inParameters(name).map((parameter) => () => start([parameter])),
      ...polluted(name, metadata).map((json) => () => register(json)),
      ...polluted(name, { keys: [] }).map(
        (json) => () => register(`{"jwks":${json},${JSON.stringify(metadata).slice(1)}`),
      ),
      ...[0, 1].map((at) => async () => start([['request', await signed(polluted(name, always())[at]!)]], 'signer')),
    ]);
    const seen = new Map<number, number>();
    for (const call of calls) {
      const answer = await call();
      const text = await answer.text();
      expect(text).not.toMatch(leak);
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
    }
    expectNothingPolluted();
    expect([...seen.keys()].filter((status) => status >= 500)).toEqual([]);
    // what is no part of a request is ignored, and leaves nothing behind
    const answer = await start([]);
    expect([answer.status, Object.keys(JSON.parse(await answer.text())).sort()]).toEqual([
      200,
      ['auth_req_id', 'expires_in', 'interval'],
    ]);
  });
});
