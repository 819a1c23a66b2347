import { createClients } from '../../src/domain/clients.ts';
import { basic, CIBA, withAlice } from './scene.ts';
import { openSignIn, type SignInScene } from './sign-in-scene.ts';

const initial = 'initial-access-token-0123456789abcdef';
const poller = {
  client_name: 'Kiosk',
  grant_types: [CIBA],
  response_types: [],
  backchannel_token_delivery_mode: 'poll',
};

describe('dynamic client registration', () => {
  let scene: SignInScene;
  beforeAll(async () => {
    scene = await openSignIn({
      wrap: (inner) => ({
        registration: {
          initialAccessToken: initial,
          clients: createClients({
            store: inner.store,
            clock: inner.clock.now,
            configured: [],
            check: (metadata) => scene.protocol.checkClient(metadata),
          }),
        },
      }),
    });
    await withAlice(scene);
  });
  afterAll(() => scene.close());

  const call = (method: string, path: string, token: string | undefined, body?: unknown, type = 'application/json') =>
    scene.send(method, path, {
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), 'content-type': type },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const register = (body: unknown = poller, token: string | undefined = initial) =>
    call('POST', '/oauth/register', token, body);
  const below = (uri: string) => uri.slice(scene.issuer.length);

  test('C-12 who has the initial access token registers a client, is told all that is in force, and it works at once', async () => {
    const { status, headers, body } = await register();
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({
      ...poller,
      redirect_uris: [],
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
      client_id_issued_at: expect.any(Number),
      token_endpoint_auth_method: 'client_secret_basic',
      registration_client_uri: `${scene.issuer}/oauth/register/${body.client_id}`,
    });
    const started = await scene.send('POST', '/bc-authorize', {
      headers: { authorization: basic(body.client_id, body.client_secret) },
      body: new URLSearchParams({ scope: 'openid', login_hint: 'alice' }),
    });
    expect(started.status).toBe(200);

    const own = await call('GET', below(body.registration_client_uri), body.registration_access_token);
    const { client_secret, client_secret_expires_at, ...rest } = body;
    expect(own).toMatchObject({ status: 200 });
    expect(own.body).toEqual(rest);

    const put = { ...poller, client_id: body.client_id, client_secret, client_name: 'Kiosk 2' };
    const changed = await call('PUT', below(body.registration_client_uri), body.registration_access_token, put);
    expect(changed.body).toEqual({ ...rest, client_name: 'Kiosk 2' });
  });

  test('the endpoint is published, and only where it is', async () => {
    expect((await scene.send('GET', '/.well-known/openid-configuration')).body.registration_endpoint).toBe(
      `${scene.issuer}/oauth/register`,
    );
  });

  test('without the token, or with another, nobody registers', async () => {
    for (const token of [undefined, 'x'.repeat(37), `${initial}x`, '']) {
      const { status, headers, body } = await call('POST', '/oauth/register', token, poller);
      expect([status, body.error]).toEqual([401, 'invalid_token']);
      expect(headers.get('www-authenticate')).toContain('error="invalid_token"');
    }
  });

  test('C-01 C-02 C-08 metadata that cannot be are invalid_client_metadata, and say why', async () => {
    const wrong = [
      { ...poller, backchannel_token_delivery_mode: undefined },
      { ...poller, backchannel_token_delivery_mode: 'ping' },
      { ...poller, token_endpoint_auth_method: 'none' },
      { ...poller, token_endpoint_auth_method: { toString: 1 } },
      { ...poller, token_endpoint_auth_method: ['client_secret_basic'] },
      { ...poller, backchannel_authentication_request_signing_alg: { toString: 1 } },
      { ...poller, id_token_encrypted_response_enc: [{ toString: 1 }] },
      { ...poller, id_token_signed_response_alg: 'none' },
      { ...poller, grant_types: ['password'] },
      [],
      'not json',
      '{"a":1,"a":2}',
    ];
    for (const metadata of wrong) {
      const { status, body } = await register(metadata);
      expect([metadata, status, body.error]).toEqual([metadata, 400, 'invalid_client_metadata']);
      expect(Object.keys(body).sort()).toEqual(['error', 'error_description']);
    }
    const redirect = { ...poller, redirect_uris: ['not a uri'] };
    expect((await register(redirect)).body.error).toBe('invalid_redirect_uri');
    expect(await call('POST', '/oauth/register', initial, 'a=b', 'application/x-www-form-urlencoded')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    expect((await register({ ...poller, client_name: 'x'.repeat(60_000) })).status).toBe(413);
  });

  test('S-03 R-14 a name that people could not read, or would read as something else, is refused', async () => {
    const names = ['Bank\nYour bank asks', 'a\u202eb', 'a\u200bb', '\u001b[2Ja', '\u3164', ' ', 'x'.repeat(121)];
    for (const client_name of names) {
      const { status, body } = await register({ ...poller, client_name });
      expect([client_name, status, body.error]).toEqual([client_name, 400, 'invalid_client_metadata']);
    }
    expect((await register({ ...poller, client_name: 'Ünï → ☃ 銀行'.padEnd(120, '☃') })).status).toBe(201);
  });

  test('nobody is sent back in the clear, but to the own machine (RFC 9700 2.6)', async () => {
    const website = (address: string) => ({ ...poller, redirect_uris: ['https://shop.example/cb', address] });
    for (const address of ['http://shop.example/cb', 'HTTP://shop.example/cb', 'http://localhost.shop.example/cb']) {
      expect((await register(website(address))).body).toMatchObject({ error: 'invalid_redirect_uri' });
    }
    for (const address of ['http://localhost:8080/cb', 'http://127.0.0.1/cb', 'http://[::1]:8080/cb']) {
      expect((await register(website(address))).status).toBe(201);
    }
  });

  test('RFC 7591 2 who names no grant gets the code, unless it says how it learns of a decision; null is left out', async () => {
    const redirect_uris = ['https://shop.example/cb'];
    const code = { grant_types: ['authorization_code'], response_types: ['code'], redirect_uris };
    expect(await register({ redirect_uris })).toMatchObject({ status: 201, body: code });
    expect(await register({ ...code, response_types: undefined })).toMatchObject({ status: 201, body: code });
    const polls = { grant_types: [CIBA], response_types: [] };
    const { status, body } = await register({ backchannel_token_delivery_mode: 'poll', client_uri: null, jwks: null });
    expect([status, body]).toEqual([201, expect.objectContaining(polls)]);
    expect(body).not.toHaveProperty('client_uri');
    const { client_id } = body;
    const nameless = { ...poller, client_id, client_name: null };
    const put = await call('PUT', below(body.registration_client_uri), body.registration_access_token, nameless);
    expect([put.status, put.body.client_name]).toEqual([200, undefined]);
  });

  test('unknown metadata are ignored; ours, the id and the secret are not for the caller to choose', async () => {
    const { body } = await register({
      ...poller,
      'client_name#nl': 'Zuil',
      invented: true,
      assent_active: false,
      assent_method: 'device',
      client_id: 'helpdesk',
      client_secret: 'mine',
    });
    expect(body.client_id).not.toBe('helpdesk');
    expect(body.client_secret).not.toBe('mine');
    for (const member of ['client_name#nl', 'invented', 'assent_active', 'assent_method']) {
      expect(body).not.toHaveProperty(member);
    }
  });

  test('each client has a token of its own: another’s opens nothing, and neither tells whether a client exists', async () => {
    const [one, two] = [(await register()).body, (await register()).body];
    const answers = await Promise.all(
      [
        [one.registration_client_uri, two.registration_access_token],
        [one.registration_client_uri, initial],
        [one.registration_client_uri, undefined],
        [`${scene.issuer}/oauth/register/nobody`, two.registration_access_token],
        [`${scene.issuer}/oauth/register/%zz`, two.registration_access_token],
      ].flatMap(([uri, token]) =>
        ['GET', 'PUT', 'DELETE'].map((method) =>
          call(method, below(uri), token, method === 'PUT' ? poller : undefined),
        ),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 404]));
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(3);
    expect((await call('GET', below(one.registration_client_uri), one.registration_access_token)).status).toBe(200);
  });

  test('RFC 7592: what a change may not hold, and the end of a client', async () => {
    const { body } = await register();
    const uri = below(body.registration_client_uri);
    const token = body.registration_access_token;
    const put = (change: object) => call('PUT', uri, token, { ...poller, client_id: body.client_id, ...change });
    for (const change of [
      { registration_access_token: token },
      { registration_client_uri: body.registration_client_uri },
      { client_secret_expires_at: 0 },
      { client_id_issued_at: 1 },
      { client_id: 'another' },
      { client_id: undefined },
      { client_secret: 'wrong' },
    ]) {
      expect(await put(change)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    }
    expect((await call('POST', uri, token, {})).status).toBe(405);
    expect((await call('DELETE', uri, token)).status).toBe(204);
    expect((await call('GET', uri, token)).status).toBe(401);
    scene.clock.advance(1);
    const started = await scene.send('POST', '/bc-authorize', {
      headers: { authorization: basic(body.client_id, body.client_secret) },
      body: new URLSearchParams({ scope: 'openid', login_hint: 'alice' }),
    });
    expect(started.status).toBe(401);
  });

  test('I-03 C-10 a client does not move into another’s sector, where its tokens would tell who people are', async () => {
    const pairwise = {
      ...poller,
      subject_type: 'pairwise',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: 'https://mine.example/jwks',
    };
    const theirs = { jwks_uri: 'https://theirs.example/jwks' };
    const pushed = {
      backchannel_token_delivery_mode: 'push',
      backchannel_client_notification_endpoint: 'https://theirs.example/cb',
    };
    const { body } = await register(pairwise);
    const plain = (await register({ ...pairwise, subject_type: 'public' })).body;
    const put = async (
      { registration_client_uri, registration_access_token, client_id }: typeof body,
      change: object,
    ) => {
      const next = { ...pairwise, client_id, ...change };
      const reply = await call('PUT', below(registration_client_uri), registration_access_token, next);
      return [reply.status, reply.body.error];
    };
    const refused = [400, 'invalid_client_metadata'];
    expect(await put(body, theirs)).toEqual(refused);
    expect(await put(body, pushed)).toEqual(refused);
    expect(await put(plain, theirs)).toEqual(refused);
    expect(await put(body, { jwks_uri: 'https://mine.example/newer' })).toEqual([200, undefined]);
    expect(await put(plain, { ...theirs, subject_type: 'public' })).toEqual([200, undefined]);
  });
});
