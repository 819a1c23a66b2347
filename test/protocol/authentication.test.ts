import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { ALL_PARTITIONS, partitionOf } from '../../src/support/ids.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { by, enroll, newUser } from '../domain/scene.ts';
import { exchangeRaw } from '../http/support/server.ts';
import { behindEdge } from './edge.ts';
import {
  ACR,
  type Alice,
  aClient,
  approved,
  basic,
  CIBA,
  openProtocol,
  type ProtocolScene,
  protocolForAll,
  protocolForEach,
  withAlice,
} from './scene.ts';

const pair = await generateKeyPair('ES256', { extractable: true });
const publicJwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' };

const clients = [
  aClient('helpdesk'),
  // as the schema of the configuration fills it in
  aClient('other', { default_acr_values: [] }),
  aClient('post', { token_endpoint_auth_method: 'client_secret_post' }),
  aClient('signing', {
    client_secret: undefined,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [publicJwk] },
  }),
  aClient('refresh-only', { grant_types: ['refresh_token'], backchannel_token_delivery_mode: undefined }),
  aClient('openid-only', { scope: 'openid' }),
  aClient('matching', { assent_match: 'choose' }),
  aClient('pin-only', { assent_method: 'pin' }),
  aClient('off', { assent_active: false }),
];

const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];

async function assertion(scene: ProtocolScene, claims: Record<string, unknown> = {}) {
  const now = Math.floor(scene.clock.now() / 1000);
  const all = {
    iss: 'signing',
    sub: 'signing',
    aud: scene.issuer,
    exp: now + 60,
    iat: now,
    jti: crypto.randomUUID(),
    ...claims,
  };
  return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(pair.privateKey);
}

/** RFC 7797 6: with `b64: false` the payload is what stands there, so this is signed like any other. */
async function unencodedAssertion(scene: ProtocolScene): Promise<string> {
  const payload = (await assertion(scene)).split('.')[1]!;
  const head = { alg: 'ES256', kid: 'k1', b64: false, crit: ['b64'] };
  const input = `${Buffer.from(JSON.stringify(head)).toString('base64url')}.${payload}`;
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

const asserted = (jwt: string) => ({
  client_assertion: jwt,
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
});

const twoResources: [string, string][] = [
  ['resource', 'https://a.example'],
  ['resource', 'https://b.example'],
];

describe('who may ask', () => {
  const scene = protocolForAll({ clients });
  beforeAll(async () => void (await withAlice(scene)));

  const start = (params: Record<string, string>, headers: Record<string, string> = {}) =>
    scene.send('POST', '/bc-authorize', {
      headers,
      body: new URLSearchParams({ scope: 'openid', login_hint: 'alice', ...params }),
    });

  test('A-01 the registered method works at both endpoints, and no other does', async () => {
    const secret = String(clients[2]!.client_secret);
    const credentials = { client_id: 'post', client_secret: secret };
    const { status, body } = await start(credentials);
    expect(status).toBe(200);
    const poll = { ...credentials, grant_type: CIBA, auth_req_id: body.auth_req_id };
    expect(error(await scene.send('POST', '/oauth/token', { body: new URLSearchParams(poll) }))).toEqual([
      400,
      'authorization_pending',
    ]);
    expect(error(await start({ client_id: 'signing', client_secret: secret }))).toEqual([401, 'invalid_client']);
    expect(error(await start({ client_id: 'post' }))).toEqual([401, 'invalid_client']);
  });

  test('A-01 two methods in one request are refused', async () => {
    const { headers } = scene.client('helpdesk');
    // that its secret was right a moment ago is no excuse
    expect((await start({}, headers)).status).toBe(200);
    const twice = { client_id: 'helpdesk', client_secret: String(clients[0]!.client_secret) };
    expect(error(await start(twice, headers))).toEqual([400, 'invalid_request']);
    expect(error(await start(asserted(await assertion(scene)), headers))).toEqual([400, 'invalid_request']);
  });

  test('several blanks after the scheme are one (RFC 9110 11.4)', async () => {
    const authorization = String(scene.client('helpdesk').headers['authorization']);
    const started = (scheme: string) => start({}, { authorization: authorization.replace('Basic ', scheme) });
    expect((await started('BASIC   ')).status).toBe(200);
    expect(error(await started('Basic a  '))).toEqual([400, 'invalid_request']);
  });

  test('A-02 a client that does not authenticate is 401 at every endpoint, with a challenge where it used that header', async () => {
    for (const path of ['/bc-authorize', '/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
      const body = { scope: 'openid', login_hint: 'alice', token: 'x', grant_type: CIBA, auth_req_id: 'x' };
      const nobody = await scene.send('POST', path, { body: new URLSearchParams(body) });
      expect([path, ...error(nobody)]).toEqual([path, 401, 'invalid_client']);
      expect(nobody.headers.get('www-authenticate')).toBeNull();

      const wrong = await scene.send('POST', path, {
        headers: { authorization: basic('helpdesk', 'wrong') },
        body: new URLSearchParams(body),
      });
      expect([path, ...error(wrong)]).toEqual([path, 401, 'invalid_client']);
      expect(wrong.headers.get('www-authenticate')).toMatch(/^Basic realm="http/);
      expect(wrong.headers.get('cache-control')).toBe('no-store');
    }
  });

  test('A-03 a client assertion may be for the issuer, the token endpoint or this endpoint', async () => {
    for (const aud of ['', '/oauth/token', '/bc-authorize']) {
      const { status } = await start(asserted(await assertion(scene, { aud: scene.issuer + aud })));
      expect([aud, status]).toEqual([aud, 200]);
    }
    const elsewhere = await start(asserted(await assertion(scene, { aud: 'https://elsewhere.example' })));
    expect(error(elsewhere)).toEqual([401, 'invalid_client']);
  });

  test('A-05 a client assertion is used once, has an end, and is not good for days', async () => {
    const jwt = await assertion(scene);
    const answers = await Promise.all(Array.from({ length: 10 }, () => start(asserted(jwt))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(401)]);
    expect(error(await start(asserted(await assertion(scene, { exp: undefined }))))).toEqual([401, 'invalid_client']);
    const past = Math.floor(scene.clock.now() / 1000) - 60;
    expect(error(await start(asserted(await assertion(scene, { exp: past }))))).toEqual([401, 'invalid_client']);
    const days = Math.floor(scene.clock.now() / 1000) + 3 * 24 * 3600;
    expect(error(await start(asserted(await assertion(scene, { exp: days }))))).toEqual([401, 'invalid_client']);
  });

  test('A-07 the type of the assertion is exact, and client_id must be its subject', async () => {
    const jwt = await assertion(scene);
    expect(error(await start({ ...asserted(jwt), client_assertion_type: 'jwt-bearer' }))).toEqual([
      400,
      'invalid_request',
    ]);
    expect(error(await start({ ...asserted(jwt), client_id: 'helpdesk' }))).toEqual([400, 'invalid_request']);
  });

  test('an assertion whose payload two readers would see differently (`b64`) is refused, though rightly signed', async () => {
    expect(error(await start(asserted(await unencodedAssertion(scene))))).toEqual([401, 'invalid_client']);
  });

  test('A-10 client_id beside the authentication is tolerated where it is the same', async () => {
    const { headers } = scene.client('helpdesk');
    expect((await start({ client_id: 'helpdesk' }, headers)).status).toBe(200);
    expect(error(await start({ client_id: 'other' }, headers))).toEqual([400, 'invalid_request']);
  });

  test('A-11 an unknown client, a client that is switched off and a wrong secret get the same answer', async () => {
    const attempts = await Promise.all([
      start({}, { authorization: basic('nobody', 'wrong') }),
      start({}, { authorization: basic('helpdesk', 'wrong') }),
      start({}, { authorization: basic('off', String(clients.at(-1)!.client_secret)) }),
    ]);
    const [first, ...others] = attempts.map(({ status, body, headers }) => ({
      status,
      body,
      challenge: headers.get('www-authenticate'),
    }));
    expect(first).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    for (const other of others) expect(other).toEqual(first);
  });

  test('C-07 a client without the grant is unauthorized, at both endpoints', async () => {
    const client = scene.client('refresh-only');
    expect(error(await client.authenticate())).toEqual([400, 'unauthorized_client']);
    expect(error(await client.poll('anything'))).toEqual([400, 'unauthorized_client']);
  });

  test('F203 no browser is invited, not even to ask', async () => {
    const { headers } = scene.client('helpdesk');
    for (const path of ['/bc-authorize', '/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
      const preflight = await scene.send('OPTIONS', path, {
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
      });
      expect([path, preflight.status]).toEqual([path, 405]);
      const call = await scene.send('POST', path, { headers, body: new URLSearchParams({ token: 'x' }) });
      expect([path, call.headers.get('access-control-allow-origin')]).toEqual([path, null]);
    }
  });
});

describe('what is asked', () => {
  const scene = protocolForAll({ clients });
  let alice: Alice;
  beforeAll(async () => void (alice = await withAlice(scene)));
  const authenticate = (params?: Record<string, string>, client = 'helpdesk') =>
    scene.client(client).authenticate(params);

  test('R-01 only a form is read', async () => {
    const { headers } = scene.client('helpdesk');
    const json = await scene.send('POST', '/bc-authorize', {
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ scope: 'openid', login_hint: 'alice' }),
    });
    expect(error(json)).toEqual([400, 'invalid_request']);
    expect((await scene.send('GET', '/bc-authorize')).status).toBe(405);
  });

  test('R-03 F195 scope is required and holds openid', async () => {
    expect(error(await authenticate({ scope: '' }))).toEqual([400, 'invalid_request']);
    expect(error(await authenticate({ scope: 'profile' }))).toEqual([400, 'invalid_request']);
  });

  test('a client without default_acr_values is not told that it has some', async () => {
    const { body } = await authenticate({ scope: 'profile' }, 'other');
    expect(body.error_description).toBe('openid scope must be requested for this request');
  });

  test('R-12 acr values that are no list are refused', async () => {
    for (const values of ['x', { a: 1 }, 7]) {
      const claims = JSON.stringify({ id_token: { acr: { values } } });
      expect([values, ...error(await authenticate({ claims }))]).toEqual([values, 400, 'invalid_request']);
    }
  });

  test('R-04 a scope that the client may not have is refused; one that nobody knows is left out', async () => {
    expect(error(await authenticate({ scope: 'openid email' }, 'openid-only'))).toEqual([400, 'invalid_scope']);
    const id = await approved(scene, alice, { scope: 'openid moon profile' });
    expect((await scene.client('helpdesk').poll(id)).body.scope).toBe('openid profile');
  });

  test('R-05 the order of scopes does not matter', async () => {
    expect((await authenticate({ scope: 'profile openid email' })).status).toBe(200);
  });

  test('R-06 a parameter that comes twice is refused, at both endpoints', async () => {
    const { post } = scene.client('helpdesk');
    const twice = (name: string, value: string): [string, string][] => [
      ['scope', 'openid'],
      ['login_hint', 'alice'],
      [name, value],
      [name, value],
    ];
    expect(error(await post('/bc-authorize', twice('binding_message', 'x')))).toEqual([400, 'invalid_request']);
    const poll: [string, string][] = [
      ['grant_type', CIBA],
      ['auth_req_id', 'a'],
      ['auth_req_id', 'b'],
    ];
    expect(error(await post('/oauth/token', poll))).toEqual([400, 'invalid_request']);
    // wherever the second one stands
    const far = [...twice('login_hint', 'alice').slice(0, 2), ...Array(1200).fill(['a', '1']), ['login_hint', 'bob']];
    expect(error(await post('/bc-authorize', far))).toEqual([400, 'invalid_request']);
    expect(error(await post('/oauth/token', [['grant_type', CIBA], ['auth_req_id', 'a'], ...twoResources]))).toEqual([
      400,
      'invalid_target',
    ]);
  });

  test.each([
    ['a broken escape', 'binding_message=%FF'],
    ['half of one', 'binding_message=%'],
    ['broken bytes', Buffer.from('binding_message=\xff', 'latin1')],
  ])('R-13 what is no UTF-8 is not made readable: %s', async (_what, broken) => {
    const { headers } = scene.client('helpdesk');
    const body = Buffer.concat([Buffer.from('scope=openid&login_hint=alice&'), Buffer.from(broken)]);
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const reply = await scene.send('POST', '/bc-authorize', { headers: { ...headers, ...type }, body });
    expect(error(reply)).toEqual([400, 'invalid_request']);
    expect(reply.body.error_description).toBe('the body is not UTF-8');
  });

  test('R-07 an empty parameter is one that is left out', async () => {
    const { status } = await authenticate({
      binding_message: '',
      requested_expiry: '',
      id_token_hint: '',
      acr_values: '',
    });
    expect(status).toBe(200);
  });

  test('R-08 R-20 unknown parameters, and those of other flows, are ignored', async () => {
    const more = {
      response_type: 'code',
      redirect_uri: 'https://x.example',
      nothing: 'known',
      prompt: 'none',
      state: 's',
    };
    expect((await authenticate(more)).status).toBe(200);
  });

  test('R-10 a poll client’s notification token is ignored', async () => {
    expect((await authenticate({ client_notification_token: 'not a token at all' })).status).toBe(200);
  });

  test('R-12 acr_values that can be met are accepted, others are refused before anybody is bothered', async () => {
    expect((await authenticate({ acr_values: `urn:moon ${ACR.twoFactor}` })).status).toBe(200);
    expect(error(await authenticate({ acr_values: 'urn:moon' }))).toEqual([400, 'invalid_request']);
    // a PIN on a device proves possession too
    expect((await authenticate({ acr_values: ACR.possession }, 'pin-only')).status).toBe(200);
  });

  test('R-13 R-14 a binding message is taken as it is, or refused', async () => {
    expect((await authenticate({ binding_message: '1234' })).status).toBe(200);
    expect((await authenticate({ binding_message: 'Betaal € 12,50 aan 花屋' })).status).toBe(200);
    for (const message of [
      '  ',
      '\u3164',
      '\u2800 ',
      'two\nlines',
      'bidi \u202e',
      'zero\u200bwidth',
      'x'.repeat(161),
      '😀'.repeat(456),
    ]) {
      expect(error(await authenticate({ binding_message: message }))).toEqual([400, 'invalid_binding_message']);
    }
  });

  test('R-16 requested_expiry is a positive whole number in decimal', async () => {
    for (const value of ['0', '-1', '1.5', '1e2', '0x10', 'soon', ' 30', '٣٠']) {
      expect([value, ...error(await authenticate({ requested_expiry: value }))]).toEqual([
        value,
        400,
        'invalid_request',
      ]);
    }
  });

  test('R-18 TH-14 requested_expiry is clamped, and the answer tells', async () => {
    const lifetime = async (requested_expiry: string) => (await authenticate({ requested_expiry })).body.expires_in;
    expect(await lifetime('')).toBe(300);
    expect(await lifetime('120')).toBe(120);
    expect(await lifetime('3')).toBe(10);
    expect(await lifetime('86400')).toBe(600);
    expect(await lifetime('9'.repeat(30))).toBe(600);
  });

  test('R-21 an unknown resource is refused', async () => {
    expect(error(await authenticate({ resource: 'https://api.example' }))).toEqual([400, 'invalid_target']);
  });

  test('R-22 a request by reference is refused, and that is no error of a kind that CIBA does not know', async () => {
    expect(error(await authenticate({ request_uri: 'https://x.example' }))).toEqual([400, 'invalid_request']);
  });

  test('R-24 the client comes first, then the hints, then the user, then the rest', async () => {
    const bad = { requested_expiry: '0', binding_message: 'a\nb' };
    const start = (headers: Record<string, string>, params: Record<string, string>) =>
      scene.send('POST', '/bc-authorize', {
        headers,
        body: new URLSearchParams({ scope: 'openid', ...bad, ...params }),
      });
    const { headers } = scene.client('helpdesk');
    const rest = { scope: 'profile', resource: 'nowhere', authorization_details: '[]', claims: '{' };
    const two = { login_hint: 'nobody', login_hint_token: 'x' };
    expect(error(await start({ authorization: basic('helpdesk', 'wrong') }, two))).toEqual([401, 'invalid_client']);
    for (const also of [{}, rest]) {
      expect((await start(headers, { ...two, ...also })).body.error_description).toMatch(/^only one of/);
      expect(error(await start(headers, { login_hint: 'nobody', ...also }))).toEqual([400, 'unknown_user_id']);
    }
    expect(error(await start(headers, { login_hint: 'alice' }))).toEqual([400, 'invalid_request']);
  });

  test('U-03 a user code that nobody asked for is ignored and kept nowhere', async () => {
    const { status, body } = await authenticate({ user_code: 'canary-7319' });
    expect(status).toBe(200);
    expect(body.auth_req_id).toBeDefined();
    expect(JSON.stringify(scene.logged)).not.toContain('canary-7319');
  });
});

describe('who is meant', () => {
  const scene = protocolForEach({ clients });
  const authenticate = (params: Record<string, string>) => scene.client('helpdesk').authenticate(params);

  test('H-01 F195 exactly one hint', async () => {
    await withAlice(scene);
    const none = await scene.client('helpdesk').post('/bc-authorize', { scope: 'openid' });
    expect(error(none)).toEqual([400, 'invalid_request']);
    for (const second of ['login_hint_token', 'id_token_hint']) {
      expect(error(await authenticate({ [second]: 'x' }))).toEqual([400, 'invalid_request']);
    }
  });

  test('a user is named by user name, e-mail, phone number or id', async () => {
    const { user } = await withAlice(scene);
    const hints = [
      'alice',
      'ALICE',
      'alice@example.test',
      '+31612345678',
      'tel:+31612345678',
      'email:alice@example.test',
      `sub:${user.id}`,
    ];
    for (const login_hint of hints) {
      expect([login_hint, (await authenticate({ login_hint })).status]).toEqual([login_hint, 200]);
    }
  });

  test('H-03 F197 a hint that names nobody is told apart from nothing else, and nothing is sent', async () => {
    await withAlice(scene);
    for (const login_hint of [
      'nobody',
      'no@where.test',
      '+31600000000',
      'tel:alice',
      'sub:x',
      `sub:${'00'.padEnd(24, 'A')}`,
      'x:y',
      'device:x',
      `device:${'00'.padEnd(24, 'A')}`,
      '{"format":"email","email":"no@where.test"}',
    ]) {
      expect([login_hint, ...error(await authenticate({ login_hint }))]).toEqual([login_hint, 400, 'unknown_user_id']);
    }
    const backlog = await scene.store.outbox.backlog(ALL_PARTITIONS);
    expect(backlog.count).toBe(0);
  });

  test('H-08 locked, deactivated and unknown users get the same answer', async () => {
    const { user } = await withAlice(scene);
    const unknown = await authenticate({ login_hint: 'nobody' });
    await scene.users.lock(user.id, by);
    const locked = await authenticate({ login_hint: 'alice' });
    await scene.users.deactivate(user.id, by);
    const deactivated = await authenticate({ login_hint: 'alice' });
    for (const reply of [locked, deactivated])
      expect([reply.status, reply.body]).toEqual([unknown.status, unknown.body]);
  });

  test('H-10 a hint that is too long is not looked at, and no hint is logged', async () => {
    await withAlice(scene);
    expect(error(await authenticate({ login_hint: 'a'.repeat(321) }))).toEqual([400, 'invalid_request']);
    await authenticate({ login_hint: 'alice@example.test' });
    await authenticate({ login_hint: 'canary@example.test' });
    expect(JSON.stringify(scene.logged)).not.toContain('@example.test');
  });

  test('a user without a device that can answer is refused with 403', async () => {
    const user = await newUser(scene.scene, { username: 'bob' });
    const { status, body } = await authenticate({ login_hint: 'bob' });
    expect([status, body.error, body.error_description]).toEqual([
      403,
      'access_denied',
      'The user has no authentication device.',
    ]);
    await enroll(scene.scene, user);
    expect((await authenticate({ login_hint: 'bob' })).status).toBe(200);
  });
});

describe('the acknowledgement', () => {
  const scene = protocolForAll({ clients });
  beforeAll(async () => void (await withAlice(scene)));

  test('K-01 K-03 K-05 K-07 it says when it ends and how often to ask, and nothing of the user', async () => {
    const { status, headers, body } = await scene.client('helpdesk').authenticate();
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/json');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({ auth_req_id: expect.any(String), expires_in: 300, interval: 5 });
  });

  test('K-02 the auth_req_id has 256 random bits and nothing that a URL would change', async () => {
    const ids = await Promise.all(
      Array.from({ length: 50 }, async () => (await scene.client('helpdesk').authenticate()).body.auth_req_id),
    );
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{45}$/);
    expect(new Set(ids).size).toBe(50);
    // one partition for all of one user: what must change together lies together
    expect(new Set(ids.map((id) => partitionOf(scene.operationIdOf(id)))).size).toBe(1);
  });

  test('K-04 the interval of the acknowledgement is the one that is kept', async () => {
    const client = scene.client('helpdesk');
    const { body } = await client.authenticate();
    await client.poll(body.auth_req_id);
    scene.clock.advance(body.interval);
    expect((await client.poll(body.auth_req_id)).body.error).toBe('authorization_pending');
  });

  test('the number to match is shown where the client is to show one', async () => {
    expect((await scene.client('matching').authenticate()).body.match_code).toMatch(/^[0-9]{2}$/);
    expect((await scene.client('helpdesk').authenticate()).body).not.toHaveProperty('match_code');
  });
});

describe('when it does not work', () => {
  test('E-05 a store that does not answer is 503 with a time to come back, and nothing is acknowledged', async () => {
    const scene = await openProtocol({
      overrides: ({ operations }) => ({
        operations: {
          ...operations,
          start: () => Promise.reject(new StoreUnavailable('ECONNREFUSED 10.0.0.7')),
        },
      }),
    });
    await withAlice(scene);
    const { status, headers, body } = await scene.client('helpdesk').authenticate();
    expect([status, body.error]).toEqual([503, 'server_error']);
    expect(headers.get('retry-after')).toBe('2');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(JSON.stringify(body)).not.toContain('ECONN');
    await scene.close();
  });

  test('E-05 a fault is 500 without a word of its cause, and logged', async () => {
    const scene = await openProtocol({
      overrides: ({ redemptions }) => ({
        redemptions: { ...redemptions, poll: () => Promise.reject(new Error('canary at x.ts:1:1')) },
      }),
    });
    const { status, body } = await scene.client('helpdesk').poll('x');
    expect([status, body.error]).toEqual([500, 'server_error']);
    expect(JSON.stringify(body)).not.toContain('canary');
    expect(scene.logged).toContainEqual({
      event: 'oauth.fault',
      fields: expect.objectContaining({ detail: 'canary at x.ts:1:1' }),
    });
    await scene.close();
  });

  describe('refusals', () => {
    const scene = protocolForEach({ clients, cap: { perClient: 1, policy: 'refuse', perUser: 0 } });
    beforeEach(async () => void (await withAlice(scene)));

    test('a client beyond its pending requests is told when to come again', async () => {
      const client = scene.client('helpdesk');
      await client.authenticate();
      const { status, headers, body } = await client.authenticate();
      expect([status, body.error]).toEqual([429, 'access_denied']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await scene.client('other').authenticate()).status).toBe(200);
    });

    test('E-01 E-02 E-03 E-04 every refusal is JSON with two plain members, kept by nobody', async () => {
      const client = scene.client('helpdesk');
      const html = { accept: 'text/html' };
      const replies = await Promise.all([
        client.authenticate({ login_hint: 'nobody' }, html),
        client.authenticate({ binding_message: '\u0007' }, html),
        client.authenticate({ scope: 'openid "quoted" \\slash\\' }, html),
        client.poll('x', html),
        client.post('/oauth/token', { grant_type: 'nothing "quoted"' }, html),
        client.post('/oauth/introspect', {}, html),
        client.post('/oauth/revoke', {}, html),
        scene.client('openid-only').authenticate({ scope: 'openid email' }, html),
        scene.send('POST', '/bc-authorize', {
          headers: { ...client.headers, ...html, 'content-type': 'text/"odd\\"' },
          body: 'x',
        }),
        scene.send('GET', '/userinfo', { headers: { ...html, authorization: 'Bearer x' } }),
      ]);
      for (const { status, headers, body } of replies) {
        expect(status).toBeGreaterThanOrEqual(400);
        expect(headers.get('content-type')).toContain('application/json');
        expect(headers.get('cache-control')).toBe('no-store');
        expect(Object.keys(body)).toEqual(['error', 'error_description']);
        expect(body.error).toMatch(/^[a-z_]+$/);
        expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
      }
    });
  });

  describe('refusals of the edge', () => {
    const scene = protocolForAll({ clients });
    const refusals: [string, number][] = [
      ['Content-Length: 60000\r\n', 413],
      ['Content-Encoding: gzip\r\nContent-Length: 9\r\n', 415],
      ['DPoP: a\r\nDPoP: b\r\nContent-Length: 0\r\n', 400],
    ];

    test('E-01 E-03 E-04 what is refused before it comes to the provider is told in its words, at its paths', async () => {
      await using server = await behindEdge(scene);
      const post = (path: string, headers: string) =>
        exchangeRaw(server.port, `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}\r\n`);
      for (const [headers, status] of refusals) {
        for (const path of ['/bc-authorize', '/oauth/token', '/oauth/introspect', '/userinfo', '/oauth/token/below']) {
          const whole = await post(path, headers);
          expect(whole).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
          for (const header of [
            'content-type: application/json; charset=utf-8',
            'cache-control: no-store',
            'x-trace-id: ',
          ]) {
            expect(whole).toContain(`\r\n${header}`);
          }
          expect(whole).toMatch(/\r\n\r\n\{"error":"invalid_request","error_description":"[^"\\]+"\}$/);
        }
        expect(await post('/device/v1/decide', headers)).toContain('\r\ncontent-type: application/problem+json');
      }
    });

    test('TH-20 a form has at most a hundred parameters, and 56 KiB, whoever reads it', async () => {
      const client = scene.client('helpdesk');
      const form = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, 'x']));
      const large = { a: 'a'.repeat(57 * 1024) };
      for (const path of ['/bc-authorize', '/oauth/token', '/oauth/introspect', '/oauth/revoke', '/userinfo']) {
        const [, told] = error(await client.post(path, form(100)));
        const { status, body } = await client.post(path, form(101));
        expect([status, body.error, body.error_description]).toEqual([
          400,
          'invalid_request',
          'more than 100 parameters',
        ]);
        expect(error(await client.post(path, large))).toEqual([413, 'invalid_request']);
        expect(told).toMatch(/^(invalid_request|invalid_token)$/);
      }
      expect(
        error(
          await client.post(
            '/oauth/introspect',
            Array.from({ length: 101 }, () => ['a', 'x']),
          ),
        ),
      ).toEqual([400, 'invalid_request']);
      const { status, body } = await client.post('/oauth/introspect', { token: 'x', ...form(99) });
      expect([status, body]).toEqual([200, { active: false }]);
    });

    test('E-05 so are answers that do not come, and faults', async () => {
      const { log } = scene.deps;
      for (const [thrown, status, comeAgain] of [
        [new StoreUnavailable('no answer within 31000 ms'), 503, '2'],
        [new Error('canary 31000'), 500, null],
      ] as const) {
        const engine = { ...scene.protocol, handle: () => Promise.reject(thrown) };
        await using server = await behindEdge(scene, { log, engine });
        const answer = await fetch(`${server.url}/oauth/token`, { method: 'POST' });
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, comeAgain]);
        expect(await answer.json()).toEqual({
          error: 'server_error',
          error_description: expect.not.stringContaining('31000'),
        });
        expect(scene.logged).toContainEqual({
          event: 'http.fault',
          fields: expect.objectContaining({ error: thrown }),
        });
      }
    });
  });
});

describe('what is no longer wanted', () => {
  const scene = protocolForEach({ clients });

  test('a client cancels its request, as often as it likes; another client cannot', async () => {
    await withAlice(scene);
    const client = scene.client('helpdesk');
    const { auth_req_id } = (await client.authenticate()).body;
    expect(error(await scene.client('other').cancel(auth_req_id))).toEqual([400, 'invalid_grant']);
    expect((await client.poll(auth_req_id)).body.error).toBe('authorization_pending');
    expect((await client.cancel(auth_req_id)).status).toBe(204);
    expect((await client.cancel(auth_req_id)).status).toBe(204);
    expect(error(await client.poll(auth_req_id))).toEqual([400, 'access_denied']);
    expect(error(await client.cancel('unknown'))).toEqual([400, 'invalid_grant']);
    const inQuery = await scene.send('DELETE', `/bc-authorize?auth_req_id=${auth_req_id}`, { headers: client.headers });
    expect(inQuery.status).toBe(204);
  });
});
