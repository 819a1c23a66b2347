import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createIssuerKeys } from '../../src/protocol/issuer-keys.ts';
import { pairwiseSubject, userOfPairwise } from '../../src/protocol/subjects.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { by, enroll, newUser } from '../domain/scene.ts';
import {
  type Alice,
  aClient,
  answer,
  CIBA,
  claimsOf,
  type ProtocolScene,
  protocolForAll,
  settings,
  withAlice,
} from './scene.ts';

const pair = await generateKeyPair('ES256', { extractable: true });
const stranger = await generateKeyPair('ES256', { extractable: true });
const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'h1', alg: 'ES256' };

/** Its keys are where only the test's fetch finds them. */
const pairwise = (client_id: string) =>
  aClient(client_id, {
    client_secret: undefined,
    subject_type: 'pairwise',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks_uri: 'https://one.example/jwks.json',
  });
const fetchKeys = () => ({ fetch: async () => Response.json({ keys: [jwk] }) });

/** Calls of a client with a secret, or with its key where it has none. */
async function post(scene: ProtocolScene, client: string, path: string, params: Record<string, string>) {
  if (!client.startsWith('pairwise') && client !== 'same-sector') return scene.client(client).post(path, params);
  const now = Math.floor(scene.clock.now() / 1000);
  const claims = { iss: client, sub: client, aud: scene.issuer, iat: now, exp: now + 60, jti: crypto.randomUUID() };
  const client_assertion = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: 'h1' })
    .sign(pair.privateKey);
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  const body = new URLSearchParams({ ...params, client_assertion, client_assertion_type });
  return scene.send('POST', path, { body });
}
const poll = (scene: ProtocolScene, client: string, auth_req_id: string) =>
  post(scene, client, '/oauth/token', { grant_type: CIBA, auth_req_id });

const hintIssuer = 'https://id.bank.example';
const clients = [aClient('helpdesk'), aClient('other'), pairwise('pairwise'), pairwise('same-sector')];
const withIssuers = {
  ...settings,
  hints: {
    issuers: [
      { issuer: hintIssuer, jwks: { keys: [jwk] } },
      { issuer: 'https://other.example', jwks: { keys: [jwk] }, audience: 'assent' },
    ],
  },
};
const cap = { perClient: 0, policy: 'replace', perUser: 0 } as const;

const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];
const refused = [400, 'invalid_request'];
const unknown = [400, 'unknown_user_id'];

/** Whom the request is about, as its tokens say. */
async function subOf(scene: ProtocolScene, alice: Alice, client: string, authReqId: string): Promise<unknown> {
  await answer(scene, alice, authReqId);
  return claimsOf((await poll(scene, client, authReqId)).body.id_token)['sub'];
}

describe('login_hint', () => {
  const scene = protocolForAll({ clients, cap, overrides: fetchKeys });
  let alice: Alice;
  beforeAll(async () => {
    alice = await withAlice(scene);
    await scene.users.update(alice.user.id, { externalRef: 'crm-1' }, by);
  });
  const ask = (login_hint: string | object, client = 'helpdesk') =>
    post(scene, client, '/bc-authorize', {
      scope: 'openid',
      login_hint: typeof login_hint === 'string' ? login_hint : JSON.stringify(login_hint),
    });

  test('a subject identifier of RFC 9493 names the person', async () => {
    const { host } = new URL(scene.issuer);
    for (const identifier of [
      { format: 'email', email: 'Alice@example.test' },
      { format: 'phone_number', phone_number: '+31612345678' },
      { format: 'opaque', id: 'crm-1' },
      { format: 'iss_sub', iss: scene.issuer, sub: alice.user.id },
      { format: 'iss_sub', iss: `${scene.issuer}/`, sub: alice.user.id },
      { format: 'account', uri: `acct:alice@${host.split(':')[0]}` },
    ]) {
      expect([identifier, (await ask(identifier)).status]).toEqual([identifier, 200]);
    }
    expect(error(await ask({ format: 'iss_sub', iss: 'https://x.example', sub: alice.user.id }))).toEqual(unknown);
    expect(error(await ask({ format: 'aliases', identifiers: [] }))).toEqual(refused);
    expect(error(await ask('{"format":'))).toEqual(refused);
  });

  test('device: asks that device and no other', async () => {
    const other = await enroll(scene.scene, alice.user);
    expect((await ask(`device:${other.id}`)).status).toBe(200);
    const pending = await scene.store.operations.pendingOf(alice.user.id, scene.clock.now());
    expect(pending.map(({ deviceId }) => deviceId)).toContain(other.id);
    await scene.devices.lock(other.id, by);
    expect(error(await ask(`device:${other.id}`))).toEqual(unknown);
  });

  test('sub: of a pairwise client is its own, and nobody else’s works', async () => {
    const authReqId = (await ask('alice', 'pairwise')).body.auth_req_id;
    const sub = String(await subOf(scene, alice, 'pairwise', authReqId));
    expect((await ask(`sub:${sub}`, 'pairwise')).status).toBe(200);
    expect(error(await ask(`sub:${alice.user.id}`, 'pairwise'))).toEqual(unknown);
    expect(error(await ask(`sub:${sub}`))).toEqual(unknown);
  });
});

describe('id_token_hint', () => {
  const scene = protocolForAll({ clients, cap, overrides: fetchKeys });
  let alice: Alice;
  beforeAll(async () => {
    alice = await withAlice(scene);
  });
  const hint = (client: string, id_token_hint: string) =>
    post(scene, client, '/bc-authorize', { scope: 'openid', id_token_hint });
  const tokensOf = async (client: string) => {
    const { body } = await post(scene, client, '/bc-authorize', { scope: 'openid', login_hint: 'alice' });
    await answer(scene, alice, body.auth_req_id);
    return (await poll(scene, client, body.auth_req_id)).body;
  };

  /** As this server would sign it. */
  async function forge(claims: Record<string, unknown>, header: Record<string, unknown> = {}) {
    const { kid, privateJwk } = scene.serverKeys.current('oidc', 'ES256');
    const now = Math.floor(scene.clock.now() / 1000);
    const all = { iss: scene.issuer, sub: alice.user.id, aud: 'helpdesk', iat: now, exp: now + 60, ...claims };
    return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(privateJwk);
  }

  test('H-05 an ID token of this server names its person, also long after it expired', async () => {
    const { id_token } = await tokensOf('helpdesk');
    scene.clock.advance(90 * 24 * 3600);
    const { status, body } = await hint('helpdesk', id_token);
    expect(status).toBe(200);
    expect(await subOf(scene, alice, 'helpdesk', body.auth_req_id)).toBe(alice.user.id);
  });

  test('H-05 one that was signed with a key that is retired since, also when its private half is destroyed', async () => {
    const { id_token } = await tokensOf('helpdesk');
    const { kid } = JSON.parse(Buffer.from(id_token.split('.')[0], 'base64url').toString());
    const { serverKeys } = scene;
    const state = () => serverKeys.publicKeys('oidc').find((key) => key.kid === kid)?.state;
    await serverKeys.rotateSigning({ alg: 'ES256', immediate: true }, by);
    expect([state(), (await hint('helpdesk', id_token)).status]).toEqual(['retired', 200]);
    await serverKeys.rotateSigning({ alg: 'ES256', revoke: true }, by);
    expect([state(), (await hint('helpdesk', id_token)).status]).toEqual(['destroyed', 200]);
  });

  test('H-06 one that another client got is refused, of whatever shape its audience is', async () => {
    const { id_token } = await tokensOf('other');
    expect(error(await hint('helpdesk', id_token))).toEqual(refused);
    expect((await hint('helpdesk', await forge({ aud: ['x', 'helpdesk'] }))).status).toBe(200);
    for (const aud of [undefined, 7, ['helpdesk', 7], {}, []]) {
      expect([aud, ...error(await hint('helpdesk', await forge({ aud })))]).toEqual([aud, ...refused]);
    }
  });

  test('H-05 TH-09 what this server did not issue, or issued as something else, is no ID token', async () => {
    const { access_token, id_token } = await tokensOf('helpdesk');
    const [header, payload] = id_token.split('.');
    const bySomebody = await new SignJWT(claimsOf(id_token))
      .setProtectedHeader({ alg: 'ES256' })
      .sign(stranger.privateKey);
    for (const token of [
      access_token,
      bySomebody,
      `${header}.${payload}.`,
      await forge({}, { typ: 'at+jwt' }),
      await forge({ exp: undefined }),
      await forge({ iss: 'https://x.example' }),
      await forge({ sub: undefined }),
      'x',
      'x'.repeat(9 * 1024),
    ]) {
      expect(error(await hint('helpdesk', token))).toEqual(refused);
    }
  });

  test('H-07 an encrypted one must be decrypted by the client', async () => {
    expect(error(await hint('helpdesk', 'a.b.c.d.e'))).toEqual(refused);
  });

  test('I-03 a pairwise subject is the same in userinfo, and leads back to its person', async () => {
    const { id_token, access_token } = await tokensOf('pairwise');
    const told = await scene.client('helpdesk').userinfo(access_token);
    expect(told.body.sub).toBe(claimsOf(id_token)['sub']);
    expect(claimsOf(id_token)['sub']).not.toBe(alice.user.id);
    const { status, body } = await hint('pairwise', id_token);
    expect(status).toBe(200);
    expect(await subOf(scene, alice, 'pairwise', body.auth_req_id)).toBe(claimsOf(id_token)['sub']);
    expect(error(await hint('same-sector', id_token))).toEqual(refused);
  });

  test('a person who is gone is unknown', async () => {
    const user = await newUser(scene.scene, { username: 'gone' });
    const token = await forge({ sub: user.id });
    await scene.users.deactivate(user.id, by);
    expect(error(await hint('helpdesk', token))).toEqual(unknown);
  });
});

test('a pairwise subject opens in its own sector only, and cannot be made up', () => {
  const secrets = createSecrets(Buffer.alloc(32, 7));
  const [a, b] = ['00AAAAAAAAAAAAAAAAAAAAAA', '00AAAAAAAAAAAAAAAAAAAAAB'];
  const sub = pairwiseSubject(secrets, 'one', a!);
  expect(pairwiseSubject(secrets, 'one', a!)).toBe(sub);
  expect(userOfPairwise(secrets, 'one', sub)).toBe(a);
  expect(userOfPairwise(secrets, 'two', sub)).toBeUndefined();
  expect(pairwiseSubject(secrets, 'two', a!).slice(0, 8)).not.toBe(sub.slice(0, 8));
  expect(pairwiseSubject(secrets, 'one', b!).slice(-8)).not.toBe(sub.slice(-8));
  expect(sub.length).toBeLessThanOrEqual(255);
  for (let at = 0; at < sub.length; at++) {
    const other = sub[at] === 'A' ? 'B' : 'A';
    const changed = sub.slice(0, at) + other + sub.slice(at + 1);
    expect(userOfPairwise(secrets, 'one', changed)).toBeUndefined();
  }
  for (const made of ['', a!, 'A'.repeat(22), `${sub}A`, `${sub}=`]) {
    expect(userOfPairwise(secrets, 'one', made)).toBeUndefined();
  }
});

describe('login_hint_token', () => {
  const scene = protocolForAll({ clients, cap, settings: withIssuers });
  let alice: Alice;
  beforeAll(async () => {
    alice = await withAlice(scene);
  });
  const now = () => Math.floor(scene.clock.now() / 1000);
  const email = { format: 'email', email: 'alice@example.test' };

  function token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = pair.privateKey) {
    const all = { iss: hintIssuer, aud: scene.issuer, exp: now() + 60, iat: now(), sub_id: email, ...claims };
    return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid: 'h1', ...header }).sign(key);
  }
  const send = (login_hint_token: string) =>
    scene.client('helpdesk').post('/bc-authorize', { scope: 'openid', login_hint_token });
  const ask = async (...args: Parameters<typeof token>) => send(await token(...args));

  test('H-04 a configured issuer names the person by a subject identifier', async () => {
    const { status, body } = await ask();
    expect(status).toBe(200);
    expect(await subOf(scene, alice, 'helpdesk', body.auth_req_id)).toBe(alice.user.id);
    for (const sub_id of [
      { format: 'phone_number', phone_number: '+31612345678' },
      { format: 'iss_sub', iss: scene.issuer, sub: alice.user.id },
    ]) {
      expect((await ask({ sub_id })).status).toBe(200);
    }
    expect((await ask({ iss: 'https://other.example', aud: ['assent'] })).status).toBe(200);
    expect(error(await ask({ sub_id: { format: 'email', email: 'no@where.test' } }))).toEqual(unknown);
  });

  test('H-04 one that has expired is said to be, if it was good', async () => {
    expect(error(await ask({ iat: now() - 90, exp: now() - 30 }))).toEqual([400, 'expired_login_hint_token']);
    expect(error(await ask({ exp: now() - 30 }, {}, stranger.privateKey))).toEqual(refused);
    expect(error(await ask({ exp: now() - 30, aud: 'x' }))).toEqual(refused);
  });

  test('TH-14 a clock of the issuer that is nine seconds off is forgiven, either way; one that is eleven off is not', async () => {
    for (const [seconds, status] of [
      [9, 200],
      [11, 400],
    ] as const) {
      expect((await ask({ iat: now() - 90, exp: now() - seconds })).status).toBe(status);
      expect((await ask({ nbf: now() + seconds })).status).toBe(status);
    }
  });

  test('the log of a refusal names the client, once it has proved who it is', async () => {
    const before = scene.logged.length;
    await ask({ exp: 1 });
    await scene.client('helpdesk').post('/oauth/token', { grant_type: 'urn:openid:params:grant-type:ciba' });
    await scene.send('POST', '/bc-authorize', {
      body: new URLSearchParams({ client_id: 'helpdesk', client_secret: 'x' }),
    });
    const callers = scene.logged
      .slice(before)
      .filter(({ event }) => event === 'oauth.refused')
      .map(({ fields }) => fields['clientId']);
    expect(callers).toEqual(['helpdesk', 'helpdesk', undefined]);
  });

  test('H-10 S-07 no hint of any kind is logged', async () => {
    const canary = { format: 'email', email: 'canary-4711@example.test' };
    await ask({ sub_id: canary });
    await ask({ sub_id: canary, exp: 1 });
    const hints: Record<string, string>[] = [
      { login_hint: JSON.stringify(canary) },
      { id_token_hint: await token({ sub: canary.email }) },
    ];
    for (const hint of hints) await scene.client('helpdesk').post('/bc-authorize', { scope: 'openid', ...hint });
    const lines = JSON.stringify(scene.logged);
    expect(lines).toContain('oauth.refused');
    expect(lines).not.toMatch(/canary|eyJ/);
  });

  test('H-04 every other is malformed', async () => {
    for (const claims of [
      { iss: 'https://nobody.example' },
      { iss: undefined },
      { aud: 'https://x.example' },
      { aud: undefined },
      { aud: [7] },
      { exp: undefined },
      { exp: 'soon' },
      { nbf: now() + 60 },
      { iat: now() + 60 },
      { sub_id: undefined },
      { sub_id: 'alice' },
      { sub_id: { format: 'email' } },
      { sub_id: { format: 'aliases', identifiers: [email] } },
      { iss: 'https://other.example' },
    ]) {
      expect([claims, ...error(await ask(claims))]).toEqual([claims, ...refused]);
    }
    for (const header of [{ typ: 'at+jwt' }, { kid: 'nobody' }, { crit: ['b64'], b64: true }]) {
      expect([header, ...error(await ask({}, header))]).toEqual([header, ...refused]);
    }
    for (const text of ['x', 'a.b.c', 'a.b.c.d.e', 'x'.repeat(9 * 1024)])
      expect(error(await send(text))).toEqual(refused);
    const [, payload] = (await token()).split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(error(await send(`${none}.${payload}.`))).toEqual(refused);
    const secret = new TextEncoder().encode(JSON.stringify(jwk));
    expect(error(await ask({}, { alg: 'HS256' }, secret as never))).toEqual(refused);
  });
});

describe('keys of a hint issuer that are fetched', () => {
  let keys: unknown[] = [jwk];
  let calls = 0;
  let status = 200;
  const server = createServer((_req, res) => {
    calls++;
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  const uri = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  afterAll(() => new Promise((closed) => server.close(closed).closeAllConnections()));

  const remote = { issuer: hintIssuer, jwks_uri: 'later' };
  const scene = protocolForAll({
    clients,
    cap,
    settings: { ...settings, hints: { issuers: [remote] } },
    overrides: () => ({ fetch: (url, init) => fetch(url, init) }),
  });
  beforeAll(async () => {
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    remote.jwks_uri = uri();
    await withAlice(scene);
  });

  async function ask(key = pair.privateKey, kid = 'h1') {
    const now = Math.floor(scene.clock.now() / 1000);
    const sub_id = { format: 'email', email: 'alice@example.test' };
    const login_hint_token = await new SignJWT({ iss: hintIssuer, aud: scene.issuer, exp: now + 60, sub_id })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(key);
    return scene.client('helpdesk').post('/bc-authorize', { scope: 'openid', login_hint_token });
  }

  test('are fetched once for many, again for a new kid, and not for every kid that somebody makes up', async () => {
    status = 503;
    expect((await ask()).status).toBe(503);
    status = 200;
    scene.clock.advance(61);
    await Promise.all(Array.from({ length: 5 }, () => ask()));
    expect((await ask()).status).toBe(200);
    expect(calls).toBe(2);

    const next = await generateKeyPair('ES256', { extractable: true });
    keys = [jwk, { ...(await exportJWK(next.publicKey)), kid: 'h2', alg: 'ES256' }];
    for (let i = 0; i < 5; i++) expect(error(await ask(next.privateKey, `made-up-${i}`))).toEqual(refused);
    expect(calls).toBe(2);
    scene.clock.advance(61);
    expect((await ask(next.privateKey, 'h2')).status).toBe(200);
    expect(calls).toBe(3);

    // what is known is used while the issuer is away
    status = 500;
    scene.clock.advance(11 * 60);
    expect((await ask()).status).toBe(200);

    // TH-14: a clock that was set back keeps us neither from trying again nor from seeing what the issuer took back
    status = 200;
    keys = [];
    scene.clock.advance(-3600);
    expect(error(await ask())).toEqual(refused);
    expect(calls).toBe(5);
  });

  test('TH-20 what is no key, or none that a client could register, is left out; more than fifty are none', async () => {
    const shapeless = [null, 'x', 7, true, [], {}, { kty: ['EC'] }];
    const odd = [...shapeless, { ...jwk, kid: 7 }, { ...jwk, alg: null }, { ...jwk, x: null }];
    keys = [...odd, jwk];
    scene.clock.advance(20 * 60);
    expect((await ask()).status).toBe(200);
    keys = Array(51).fill(jwk);
    scene.clock.advance(20 * 60);
    // not these, so those that were there before
    expect((await ask()).status).toBe(200);

    const rsa = (bytes: number, e: string) => ({ kty: 'RSA', e, n: Buffer.alloc(bytes, 0xff).toString('base64url') });
    const jwks = { keys: [rsa(255, 'AQAB'), rsa(576, 'AQAB'), rsa(256, 'Aw'), rsa(256, 'AQAB')] };
    const fetched = createIssuerKeys({ fetch: async () => Response.json(jwks), clock: scene.clock.now });
    for (const from of [{ jwks }, { jwks_uri: 'https://id.bank.example/jwks' }]) {
      expect(await fetched.keysOf({ issuer: hintIssuer, ...from }, { alg: 'PS256' })).toEqual([jwks.keys[3]]);
    }
  });
});
