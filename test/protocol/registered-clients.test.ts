import { type Clients, createClients } from '../../src/domain/clients.ts';
import type { DomainError } from '../../src/domain/errors.ts';
import { asFetch, createOutbound } from '../../src/support/outbound.ts';
import { asserting, newKeys } from './assertion-client.ts';
import { type Alice, answer, basic, CIBA, openProtocol, type ProtocolScene, settings, withAlice } from './scene.ts';

const by = { actor: 'management:test' };
const endpoint = 'https://client.example/cb';
const poller = { grant_types: [CIBA, 'refresh_token'], backchannel_token_delivery_mode: 'poll' };

/** Two servers that share nothing but the store; requests go to each in turn. */
describe('clients that are registered while the servers run', () => {
  let scene: ProtocolScene;
  let clients: Clients;
  let alice: Alice;

  beforeEach(async () => {
    scene = await openProtocol({ peers: 1 });
    clients = createClients({
      store: scene.scene.store,
      clock: scene.clock.now,
      configured: scene.clients,
      check: scene.protocol.checkClient,
    });
    alice = await withAlice(scene);
  });
  afterEach(() => scene.close());

  const twice = async <T>(call: () => Promise<T>): Promise<[T, T]> => [await call(), await call()];
  const withSecret = (id: string, secret: string) => {
    const headers = { authorization: basic(id, secret) };
    const post = (path: string, params: Record<string, string>) =>
      scene.send('POST', path, { headers, body: new URLSearchParams(params) });
    return {
      authenticate: () => post('/bc-authorize', { scope: 'openid offline_access', login_hint: 'alice' }),
      poll: (auth_req_id: string) => post('/oauth/token', { grant_type: CIBA, auth_req_id }),
      refresh: (refresh_token: string) => post('/oauth/token', { grant_type: 'refresh_token', refresh_token }),
      introspect: (token: string) => post('/oauth/introspect', { token }),
    };
  };
  const registered = async (metadata: Record<string, unknown> = {}) => {
    const { client, secret } = await clients.create({ ...poller, ...metadata }, by);
    return { id: client.id, client, secret: secret!, calls: withSecret(client.id, secret!) };
  };

  test('at every server a new client can do what its metadata say; its secret lies nowhere', async () => {
    const { id, secret, calls } = await registered({ client_name: 'Kiosk' });
    for (const { status } of await twice(calls.authenticate)) expect(status).toBe(200);
    const { body } = await calls.authenticate();
    await answer(scene, alice, body.auth_req_id);
    expect((await calls.poll(body.auth_req_id)).status).toBe(200);
    expect(JSON.stringify(await scene.scene.store.clients.get(id))).not.toContain(secret);
  });

  test('A-11 unknown client, wrong secret and removed client get one and the same answer', async () => {
    const { id } = await registered();
    const gone = await registered();
    await clients.remove(gone.id, by);
    scene.clock.advance(1);
    const answers = await Promise.all([
      withSecret('nobody', 'x'.repeat(43)).authenticate(),
      withSecret(id, 'x'.repeat(43)).authenticate(),
      gone.calls.authenticate(),
    ]);
    for (const { status, body } of answers) expect([status, body]).toEqual([answers[0]!.status, answers[0]!.body]);
    expect(answers[0]).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(answers[0]!.headers.get('www-authenticate')).toMatch(/^Basic /);
  });

  test('promise 5: a client that is switched off stops at start, poll, redemption, refresh and introspection, at every server within a second', async () => {
    const { id, calls } = await registered();
    const first = (await calls.authenticate()).body.auth_req_id;
    await answer(scene, alice, first);
    const { body: tokens } = await calls.poll(first);
    const pending = (await calls.authenticate()).body.auth_req_id;
    const approved = (await calls.authenticate()).body.auth_req_id;
    await answer(scene, alice, approved);
    await twice(() => calls.poll(pending));

    await clients.setActive(id, false, by);
    scene.clock.advance(1);
    for (const call of [
      calls.authenticate,
      () => calls.poll(pending),
      () => calls.poll(approved),
      () => calls.refresh(tokens.refresh_token),
      () => calls.introspect(tokens.access_token),
    ]) {
      for (const reply of await twice(call))
        expect(reply).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    }
    const introspected = await twice(() => scene.client('other').introspect(tokens.access_token));
    for (const { body } of introspected) expect(body).toEqual({ active: false });
    for (const { status } of await twice(() => scene.client('other').userinfo(tokens.access_token))) {
      expect(status).toBe(401);
    }
    // the device side asks this before it shows a request or takes an approval
    for (const { isClientActive } of scene.protocols) expect(await isClientActive(id)).toBe(false);

    await clients.setActive(id, true, by);
    scene.clock.advance(1);
    expect((await calls.poll(approved)).status).toBe(200);
    for (const { isClientActive } of scene.protocols) {
      const answers = await Promise.all([id, 'other', 'nobody', ''].map(isClientActive));
      expect(answers).toEqual([true, true, false, false]);
    }
  });

  test('a new secret counts at once everywhere, the former one for as long as was said', async () => {
    const { id, secret, calls } = await registered();
    await twice(calls.authenticate);
    const rotated = await clients.rotateSecret(id, { overlapSeconds: 60 }, by);
    expect(rotated.secret).not.toBe(secret);
    const next = withSecret(id, rotated.secret!);
    scene.clock.advance(1);
    for (const each of [calls, next]) for (const { status } of await twice(each.authenticate)) expect(status).toBe(200);
    scene.clock.advance(60);
    for (const { status } of await twice(calls.authenticate)) expect(status).toBe(401);
    for (const { status } of await twice(next.authenticate)) expect(status).toBe(200);
    await clients.rotateSecret(id, { overlapSeconds: 0 }, by);
    scene.clock.advance(1);
    for (const { status } of await twice(next.authenticate)) expect(status).toBe(401);
  });

  test('the store is asked for the revision once a second, not for each call, and for a client once', async () => {
    const { calls } = await registered();
    const { clients: port } = scene.scene.store;
    const asked = { get: 0, revision: 0 };
    const { get, revision } = port;
    Object.assign(port, {
      get(id: string) {
        asked.get++;
        return get(id);
      },
      revision() {
        asked.revision++;
        return revision();
      },
    });
    const id = (await calls.authenticate()).body.auth_req_id;
    for (let i = 0; i < 20; i++) await calls.poll(id);
    expect(asked).toEqual({ get: 2, revision: 2 });
    scene.clock.advance(1);
    for (let i = 0; i < 20; i++) await calls.poll(id);
    expect(asked).toEqual({ get: 2, revision: 4 });
    // TH-14: a clock that was set back keeps nobody from looking
    scene.clock.advance(-300);
    for (let i = 0; i < 20; i++) await calls.poll(id);
    expect(asked).toEqual({ get: 2, revision: 6 });
    scene.clock.advance(300);
  });

  test('more clients than the engine keeps: each of two hundred is known again', async () => {
    const all = await Promise.all(Array.from({ length: 200 }, () => registered()));
    for (let round = 0; round < 2; round++) {
      const statuses = await Promise.all(all.map(async ({ calls }) => (await calls.authenticate()).status));
      expect(new Set(statuses)).toEqual(new Set([200]));
    }
  });

  test('C-12 what was registered is given back with its defaults, and stays through changes', async () => {
    const keys = await newKeys();
    const { client } = await clients.create(
      {
        ...poller,
        client_id: 'chosen',
        client_name: 'Bank',
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [keys.publicJwk] },
        assent_match: 'choose',
      },
      by,
    );
    expect(client.metadata).toMatchObject({
      client_id: 'chosen',
      client_name: 'Bank',
      grant_types: poller.grant_types,
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: 'ES256',
      subject_type: 'public',
      jwks: { keys: [keys.publicJwk] },
      assent_match: 'choose',
    });
    expect(client.metadata).not.toHaveProperty('client_secret');
    const { client: patched } = await clients.patch('chosen', { client_name: 'Bank 2', assent_match: null }, by);
    const { assent_match, ...rest } = client.metadata;
    expect(patched.metadata).toEqual({ ...rest, client_name: 'Bank 2' });
    expect((await asserting(scene, 'chosen', keys).authenticate()).status).toBe(200);
    await expect(clients.replace('chosen', poller, by, 1)).rejects.toMatchObject({ code: 'stale_version' });
    const { client: replaced, secret } = await clients.replace('chosen', poller, by, 2);
    expect(replaced.metadata).toMatchObject({ token_endpoint_auth_method: 'client_secret_basic' });
    expect(secret).toEqual(expect.any(String));
  });

  test('a client that was removed is gone, and its id is never given again', async () => {
    const { id } = await registered();
    await clients.remove(id, by);
    await expect(clients.get(id)).rejects.toMatchObject({ code: 'client_not_found' });
    await expect(clients.create({ ...poller, client_id: id }, by)).rejects.toMatchObject({ code: 'client_exists' });
    expect((await clients.list({ limit: 100 })).items.map((client) => client.id)).not.toContain(id);
    const stored = await scene.scene.store.clients.get(id);
    expect(stored).not.toHaveProperty('metadata');
    expect(stored!.secrets).toEqual([]);
  });

  test('clients of the configuration are listed first and cannot be changed here', async () => {
    await registered({ client_id: 'aaa' });
    const { items } = await clients.list({ limit: 10 });
    expect(items.map(({ id, source }) => [id, source])).toEqual([
      ['helpdesk', 'configuration'],
      ['other', 'configuration'],
      ['aaa', 'registered'],
    ]);
    expect(JSON.stringify(items)).not.toContain('-secret-');
    const pages = [];
    for (let cursor: string | undefined; ; ) {
      const page = await clients.list({ limit: 1, ...(cursor !== undefined && { cursor }) });
      pages.push(...page.items.map(({ id }) => id));
      if (page.nextCursor === undefined) break;
      cursor = page.nextCursor;
    }
    expect(pages).toEqual(['helpdesk', 'other', 'aaa']);
    const configured = { code: 'client_configured' };
    await expect(clients.patch('helpdesk', {}, by)).rejects.toMatchObject(configured);
    await expect(clients.setActive('helpdesk', false, by)).rejects.toMatchObject(configured);
    await expect(clients.remove('helpdesk', by)).rejects.toMatchObject(configured);
    await expect(clients.rotateSecret('helpdesk', { overlapSeconds: 0 }, by)).rejects.toMatchObject(configured);
    await expect(clients.create({ ...poller, client_id: 'helpdesk' }, by)).rejects.toMatchObject({
      code: 'client_exists',
    });
  });

  describe('what is refused, and why', () => {
    const reasonOf = async (metadata: Record<string, unknown>): Promise<string> => {
      const error = (await clients.create({ ...poller, ...metadata }, by).catch((thrown) => thrown)) as DomainError;
      expect(error).toMatchObject({ code: 'client_metadata_invalid' });
      return (error.members['invalid_params'] as { reason: string }[])[0]!.reason;
    };

    test('C-01 C-02 a delivery mode that the server has, and an https endpoint where it is called', async () => {
      expect(await reasonOf({ backchannel_token_delivery_mode: undefined })).toMatch(/mandatory/);
      const pigeon = { backchannel_token_delivery_mode: 'pigeon', backchannel_client_notification_endpoint: endpoint };
      expect(await reasonOf(pigeon)).toMatch(/delivery_mode must be/);
      for (const mode of settings.ciba.deliveryModes.filter((each) => each !== 'poll')) {
        expect(await reasonOf({ backchannel_token_delivery_mode: mode })).toMatch(/notification_endpoint is mandatory/);
        const backchannel_client_notification_endpoint = 'http://client.example/cb';
        expect(
          await reasonOf({ backchannel_token_delivery_mode: mode, backchannel_client_notification_endpoint }),
        ).toMatch(/https/);
      }
    });

    test('C-03 a notification endpoint of a client that polls is not kept, and the answer shows that', async () => {
      const { client } = await registered({ backchannel_client_notification_endpoint: 'https://client.example/cb' });
      expect(client.metadata).not.toHaveProperty('backchannel_client_notification_endpoint');
    });

    test('C-04 an algorithm for signed requests that is none, symmetric or unknown; one that is accepted needs keys', async () => {
      const { publicJwk: jwk } = await newKeys();
      for (const alg of ['none', 'HS256', 'ES257']) {
        const reason = await reasonOf({ backchannel_authentication_request_signing_alg: alg, jwks: { keys: [jwk] } });
        expect(reason).toMatch(/^backchannel_authentication_request_signing_alg must be/);
      }
      const signs = { backchannel_authentication_request_signing_alg: 'ES256' };
      expect(await reasonOf(signs)).toMatch(/jwks/);
      expect((await registered({ ...signs, jwks: { keys: [jwk] } })).client.metadata).toMatchObject(signs);
      expect((await registered()).client.metadata).not.toHaveProperty('backchannel_authentication_request_signing_alg');
    });

    test('C-06 whether it sends user codes is yes or no, and no where it does not say', async () => {
      expect(await reasonOf({ backchannel_user_code_parameter: 'yes' })).toMatch(
        /backchannel_user_code_parameter must/,
      );
      expect((await registered()).client.metadata).toMatchObject({ backchannel_user_code_parameter: false });
      const { client } = await registered({ backchannel_user_code_parameter: true });
      expect(client.metadata).toMatchObject({ backchannel_user_code_parameter: true });
    });

    test('TH-18 the keys of its notifications are at most two names', async () => {
      for (const names of [['a', 'b', 'c'], ['a', 'a'], [''], ['a b'], ['x'.repeat(33)], 'a', [1], { a: 1 }]) {
        expect(await reasonOf({ assent_notification_keys: names })).toMatch(/^assent_notification_keys must be/);
      }
    });

    test('C-08 a client that does not authenticate may not use CIBA', async () => {
      expect(await reasonOf({ token_endpoint_auth_method: 'none' })).toMatch(/must not be none/);
    });

    test('C-09 neither redirect URIs nor response types are needed', async () => {
      expect((await registered({ response_types: [] })).client.metadata).toMatchObject({ redirect_uris: [] });
      expect((await registered()).client.metadata).toMatchObject({ response_types: [] });
    });

    test('TH-20 keys: too many, too small, too large, with an exponent of their own, private', async () => {
      const { publicJwk } = await newKeys('RS256');
      const method = { token_endpoint_auth_method: 'private_key_jwt' };
      expect(await reasonOf({ ...method, jwks: { keys: Array(51).fill(publicJwk) } })).toMatch(/more than 50/);
      for (const bytes of [128, 255, 513, 1024]) {
        const n = Buffer.alloc(bytes, 0xff).toString('base64url');
        expect(await reasonOf({ ...method, jwks: { keys: [{ ...publicJwk, n }] } })).toMatch(/RSA keys/);
      }
      // 1, 3, 65539, 65537 written at length, one of 256 bytes
      for (const e of ['AQ', 'Aw', 'AQAD', 'AAEAAQ', 'AQABAA', Buffer.alloc(256, 0xff).toString('base64url')]) {
        expect(await reasonOf({ ...method, jwks: { keys: [{ ...publicJwk, e }] } })).toMatch(/exponent/);
      }
      expect(await reasonOf({ ...method, jwks: { keys: [{ ...publicJwk, d: 'AQAB' }] } })).toMatch(/Key Set/);
      expect(await reasonOf({ ...method, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } })).toMatch(/Key Set/);
      const { publicJwk: point } = await newKeys();
      for (const off of [{ y: point.x }, { x: 'AA' }, { x: '%' }]) {
        const jwks = { keys: [publicJwk, { ...point, ...off }] };
        expect([off, await reasonOf({ ...method, jwks })]).toEqual([off, expect.stringMatching(/keys that are none/)]);
      }
      const ofOthers = { kty: 'EC', crv: 'brainpoolP256r1', x: 'AA', y: 'AA' };
      await registered({ ...method, jwks: { keys: [publicJwk, ofOthers] } });
      expect(await reasonOf(method)).toMatch(/jwks or jwks_uri/);
    });

    test('secrets of the caller’s own making, ids that cannot be typed, methods that need a readable secret', async () => {
      expect(await reasonOf({ client_secret: 'x'.repeat(43) })).toMatch(/made by the server/);
      expect(await reasonOf({ client_id: 'a b' })).toMatch(/visible ASCII/);
      expect(await reasonOf({ client_id: 7 })).toMatch(/visible ASCII/);
      expect(await reasonOf({ token_endpoint_auth_method: 'client_secret_jwt' })).toMatch(/private_key_jwt/);
      expect(await reasonOf({ assent_match: 'guess' })).toMatch(/assent_match/);
      expect(await reasonOf({ token_endpoint_auth_method: 'tls_client_auth' })).toMatch(/must be/);
    });
  });
});

test('S-06 C-13 an address inside the house is refused when it is registered, in the same words whatever is wrong with it', async () => {
  const outbound = createOutbound({ allowLoopback: false });
  const scene = await openProtocol({
    clients: [],
    overrides: () => ({ checkAddress: outbound.check, fetch: asFetch(outbound) }),
  });
  const hosts = [
    '127.0.0.1',
    '[::1]',
    '10.0.0.1',
    '169.254.169.254',
    '[::ffff:127.0.0.1]',
    '2130706433',
    '0x7f.1',
    'c.example:22',
  ];
  const of = { ...poller, client_id: 'x', token_endpoint_auth_method: 'private_key_jwt' };
  try {
    for (const member of ['jwks_uri', 'sector_identifier_uri', 'backchannel_client_notification_endpoint']) {
      const told = new Set<string>();
      for (const host of hosts) {
        const metadata = {
          ...of,
          ...(member !== 'jwks_uri' && { jwks_uri: 'https://client.example/jwks' }),
          ...(member === 'backchannel_client_notification_endpoint' && { backchannel_token_delivery_mode: 'ping' }),
          [member]: `https://${host}/x`,
        };
        const error = await scene.protocol.checkClient(metadata).catch((thrown: DomainError) => thrown);
        expect(error).toMatchObject({ code: 'client_metadata_invalid' });
        told.add(JSON.stringify((error as DomainError).members));
      }
      expect([member, told.size]).toEqual([member, 1]);
    }
  } finally {
    await scene.close();
  }
});

describe('C-11 a sector names who belongs to it', () => {
  const sector = 'https://sector.example/list.json';
  const lists: Record<string, unknown> = {};
  let scene: ProtocolScene;
  beforeAll(async () => {
    scene = await openProtocol({
      overrides: () => ({
        mtls: { origin: 'https://mtls.op.example', peerCertificateOf: () => undefined },
        fetch: async (url) => {
          const list = lists[String(url)];
          return list === undefined ? new Response('', { status: 404 }) : Response.json(list);
        },
      }),
    });
  });
  afterAll(() => scene.close());

  const jwks_uri = 'https://client.example/jwks.json';
  const pairwise = {
    ...poller,
    client_id: 'pairwise',
    subject_type: 'pairwise',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks_uri,
    sector_identifier_uri: sector,
  };
  const pushed = {
    ...pairwise,
    backchannel_token_delivery_mode: 'push',
    backchannel_client_notification_endpoint: endpoint,
  };
  const byKeys = [
    pairwise,
    { ...pushed, backchannel_token_delivery_mode: 'ping' },
    { ...pairwise, token_endpoint_auth_method: 'self_signed_tls_client_auth' },
  ];

  test('one that polls or is pinged is named by its jwks_uri, one that is pushed to by its notification endpoint', async () => {
    const isTaken = (metadata: object) =>
      scene.protocol.checkClient(metadata as never).then(
        () => true,
        (error: DomainError) => error.code !== 'client_metadata_invalid',
      );
    const all = () => Promise.all([...byKeys, pushed].map(isTaken));
    lists[sector] = [jwks_uri];
    expect(await all()).toEqual([true, true, true, false]);
    lists[sector] = [endpoint];
    expect(await all()).toEqual([false, false, false, true]);
    lists[sector] = ['https://other.example/x', jwks_uri, endpoint];
    expect(await all()).toEqual([true, true, true, true]);
  });

  test('TH-17 whatever goes wrong on the way there is told in the same words', async () => {
    const told = new Set<string>();
    for (const list of [undefined, {}, 'https://client.example/jwks.json']) {
      lists[sector] = list;
      const error = await scene.protocol.checkClient(pairwise).catch((thrown: DomainError) => thrown.members);
      told.add(JSON.stringify(error));
    }
    expect(told.size).toBe(1);
  });
});

describe('J-03 keys that are fetched', () => {
  const jwks_uri = 'https://client.example/jwks.json';

  test('a new key is found by looking once more, not more often than every half minute, and a dead server is left alone', async () => {
    const [first, second, third] = await Promise.all([newKeys(), newKeys(), newKeys()]);
    let served: unknown = { keys: [first.publicJwk] };
    let fetched = 0;
    const scene = await openProtocol({
      clients: [
        {
          ...poller,
          client_id: 'remote',
          token_endpoint_auth_method: 'private_key_jwt',
          jwks_uri,
        },
      ],
      overrides: () => ({
        fetch: async (url) => {
          expect(String(url)).toBe(jwks_uri);
          fetched++;
          if (served === undefined) throw new TypeError('down');
          return Response.json(served, { headers: { 'cache-control': 'max-age=31536000' } });
        },
      }),
    });
    try {
      await withAlice(scene);
      const status = async (keys: typeof first) => (await asserting(scene, 'remote', keys).authenticate()).status;
      expect([await status(first), await status(first), fetched]).toEqual([200, 200, 1]);
      // one that nobody knows makes us look, once
      expect([await status(third), await status(third), await status(third), fetched]).toEqual([401, 401, 401, 2]);
      served = { keys: [second.publicJwk] };
      expect([await status(second), fetched]).toEqual([401, 2]);
      scene.clock.advance(30);
      expect([await status(second), fetched]).toEqual([200, 3]);
      expect(await status(first)).toBe(401);
      // a year is not believed: after an hour at most it is looked at again
      const before = fetched;
      served = undefined;
      scene.clock.advance(3601);
      expect(await status(third)).toBe(401);
      for (let i = 0; i < 5; i++) await status(third);
      expect(fetched).toBe(before + 1);
      served = { keys: [third.publicJwk] };
      scene.clock.advance(10);
      expect(await status(third)).toBe(200);
      // what it took back is believed for as long as the set was good, and while its server is away for an hour at most
      served = { keys: [first.publicJwk] };
      scene.clock.advance(3601);
      expect(await status(third)).toBe(401);
      expect(await status(first)).toBe(200);
      served = undefined;
      scene.clock.advance(3500);
      expect(await status(first)).toBe(200);
      scene.clock.advance(101);
      expect(await status(first)).toBe(401);
      served = { keys: [third.publicJwk] };
      scene.clock.advance(10);
      expect(await status(third)).toBe(200);
      // a key too large, of an exponent of its own, or that is none, among good ones does not lock the client out; fifty-one do
      const rsa = (bytes: number, e: string) => ({ kty: 'RSA', e, n: Buffer.alloc(bytes, 0xff).toString('base64url') });
      const shapeless = [
        null,
        'x',
        7,
        [],
        {},
        { kty: ['EC'] },
        { ...first.publicJwk, kid: 7 },
        { kty: 'oct', k: 'AAAA' },
      ];
      served = { keys: [rsa(1024, 'AQAB'), rsa(256, 'Aw'), ...shapeless, first.publicJwk] };
      scene.clock.advance(60);
      expect(await status(first)).toBe(200);
      // TH-14: a clock that was set back makes no set younger, nor does it keep us from looking again
      served = { keys: [second.publicJwk] };
      scene.clock.advance(-7200);
      expect([await status(first), await status(second)]).toEqual([401, 200]);
      served = undefined;
      scene.clock.advance(3601);
      expect(await status(second)).toBe(401);
      served = { keys: [first.publicJwk] };
      scene.clock.advance(-300);
      expect(await status(first)).toBe(200);
      served = { keys: Array(51).fill(second.publicJwk) };
      scene.clock.advance(60);
      expect(await status(second)).toBe(401);
    } finally {
      await scene.close();
    }
  });
});

test('a registered client that settings no longer allow is of no use, and the log says so', async () => {
  const strict = {
    ...settings,
    clientAuthentication: { ...settings.clientAuthentication, methods: ['private_key_jwt'] },
  };
  const scene = await openProtocol({ clients: [] });
  try {
    const clients = createClients({
      store: scene.scene.store,
      clock: scene.clock.now,
      configured: [],
      check: scene.protocol.checkClient,
    });
    await withAlice(scene);
    const { client, secret } = await clients.create(poller, by);
    const call = () =>
      scene.send('POST', '/bc-authorize', {
        headers: { authorization: basic(client.id, secret!) },
        body: new URLSearchParams({ scope: 'openid', login_hint: 'alice' }),
      });
    expect((await call()).status).toBe(200);
    await scene.protocol.reload({ settings: strict });
    expect((await call()).status).toBe(401);
    expect(scene.logged).toContainEqual(expect.objectContaining({ event: 'client.unusable' }));
  } finally {
    await scene.close();
  }
});
