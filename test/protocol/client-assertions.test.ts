import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto';
import { asserting, assertingClient, assertion, assertionType, type Keys, newKeys } from './assertion-client.ts';
import { aClient, answer, basic, openProtocol, type ProtocolScene, settings, withAlice } from './scene.ts';

describe('private_key_jwt', () => {
  let scene: ProtocolScene;
  let keys: Keys;
  let others: Keys;

  beforeAll(async () => {
    [keys, others] = await Promise.all([newKeys(), newKeys()]);
    scene = await openProtocol({
      clients: [
        assertingClient('agent', keys),
        assertingClient('strict', keys, { assent_assertion_audience: 'rfc10070' }),
        assertingClient('other', others),
        aClient('helpdesk'),
      ],
      settings: { ...settings, ciba: { ...settings.ciba } },
      overrides: () => ({ mtls: { origin: 'https://mtls.op.example', peerCertificateOf: () => undefined } }),
      peers: 1,
    });
    await withAlice(scene);
  });
  afterAll(() => scene.close());

  const agent = () => asserting(scene, 'agent', keys);
  const strict = () => asserting(scene, 'strict', keys);
  const typ = 'client-authentication+jwt';
  const refused = { status: 401, body: { error: 'invalid_client' } };

  test('A-01 the same method opens both endpoints; two at once are refused', async () => {
    const { status, body } = await agent().authenticate();
    expect(status).toBe(200);
    expect(await agent().poll(body.auth_req_id)).toMatchObject({ body: { error: 'authorization_pending' } });
    const twice = new URLSearchParams({
      scope: 'openid',
      login_hint: 'alice',
      client_assertion_type: assertionType,
      client_assertion: await assertion('agent', keys, scene.issuer),
    });
    const secret = 'helpdesk-secret-0123456789abcdef0123456789';
    const headers = { authorization: basic('helpdesk', secret) };
    expect(await scene.send('POST', '/bc-authorize', { headers, body: twice })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    twice.set('client_id', 'helpdesk');
    twice.set('client_secret', secret);
    expect((await scene.send('POST', '/bc-authorize', { body: twice })).status).toBe(400);
  });

  test('A-01 a secret is taken in the header and in the form; it stands in for no key, nor a key for it', async () => {
    const client_secret = 'helpdesk-secret-0123456789abcdef0123456789';
    const ask = (more: Record<string, string>) =>
      scene.send('POST', '/bc-authorize', {
        body: new URLSearchParams({ scope: 'openid', login_hint: 'alice', ...more }),
      });
    expect((await ask({ client_id: 'helpdesk', client_secret })).status).toBe(200);
    expect(await ask({ client_id: 'agent', client_secret })).toMatchObject(refused);
    const client_assertion = await assertion('helpdesk', keys, scene.issuer);
    expect(await ask({ client_assertion_type: assertionType, client_assertion })).toMatchObject(refused);
  });

  test('A-03 `core`: the issuer and both endpoints are audiences, alone or in a list, also by their aliases', async () => {
    const { issuer } = scene;
    const alias = 'https://mtls.op.example';
    const both = ['/oauth/token', '/bc-authorize'];
    const good = [issuer, ...both.map((path) => issuer + path), ...both.map((path) => alias + path)];
    for (const aud of [...good, ...good.map((each) => [each]), ['https://else.example', issuer]]) {
      expect([aud, (await agent().authenticate({ aud })).status]).toEqual([aud, 200]);
    }
    expect((await agent().poll('x'.repeat(45), { aud: `${issuer}/bc-authorize` })).body.error).toBe('invalid_grant');
    const bad = ['https://else.example', `${issuer}/`, `${issuer}/userinfo`, [], [`${issuer}x`], alias, '', undefined];
    for (const aud of bad) expect([aud, await agent().authenticate({ claims: { aud } })]).toMatchObject([aud, refused]);
  });

  test('A-03 A-04 `rfc10070`: the issuer as one text and nothing else, of the right type, for five minutes', async () => {
    const { issuer } = scene;
    const header = { typ };
    expect((await strict().authenticate({ header })).status).toBe(200);
    for (const aud of [[issuer], [issuer, 'https://else.example'], `${issuer}/oauth/token`, `${issuer}/bc-authorize`]) {
      expect(await strict().authenticate({ header, aud })).toMatchObject(refused);
    }
    expect(await strict().authenticate()).toMatchObject(refused);
    expect(await strict().authenticate({ header: { typ: 'JWT' } })).toMatchObject(refused);
    const now = Math.floor(Date.now() / 1000);
    expect((await strict().authenticate({ header, claims: { exp: now + 300 } })).status).toBe(200);
    expect(await strict().authenticate({ header, claims: { exp: now + 400 } })).toMatchObject(refused);
    expect(await strict().authenticate({ header, claims: { iat: now - 400 } })).toMatchObject(refused);
  });

  test('A-04 the type of RFC 10070 is accepted from everybody, in any case; one for something else from nobody', async () => {
    for (const each of [typ, 'Client-Authentication+JWT', `application/${typ}`, 'JWT']) {
      expect((await agent().authenticate({ header: { typ: each } })).status).toBe(200);
    }
    for (const each of ['oauth-authz-req+jwt', 'dpop+jwt', 'at+jwt', '']) {
      expect(await agent().authenticate({ header: { typ: each } })).toMatchObject(refused);
    }
  });

  test('A-02 A-05 issuer, subject, key, time and jti: whatever is wrong with them is 401 invalid_client', async () => {
    const now = Math.floor(Date.now() / 1000);
    const wrong: Parameters<ReturnType<typeof asserting>['authenticate']>[0][] = [
      { claims: { iss: 'other' } },
      { claims: { iss: undefined } },
      { claims: { sub: 'other' } },
      { claims: { exp: undefined } },
      { claims: { exp: now - 60 } },
      { claims: { exp: now + 4000 } },
      { claims: { nbf: now + 600 } },
      { claims: { jti: undefined } },
      { signer: others },
      { header: { crit: ['b64'], b64: true } },
    ];
    for (const options of wrong) expect(await agent().authenticate(options)).toMatchObject(refused);
  });

  test('A-05 an assertion is good once, also in the ten seconds for which it is forgiven to have passed', async () => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { jti: crypto.randomUUID(), iat: now - 60, exp: now + 1 };
    expect((await agent().authenticate({ claims })).status).toBe(200);
    scene.clock.advance(9);
    expect(await agent().authenticate({ claims })).toMatchObject(refused);
    expect((await agent().authenticate({ claims: { ...claims, jti: crypto.randomUUID() } })).status).toBe(200);
  });

  test('TH-14 a clock of the client that is nine seconds off is forgiven, either way; one that is eleven off is not', async () => {
    const now = Math.floor(Date.now() / 1000);
    const expired = (seconds: number) => ({ iat: now - 60, exp: now - seconds });
    const early = (seconds: number) => ({ iat: now + seconds, nbf: now + seconds });
    for (const claims of [expired, early]) {
      expect((await agent().authenticate({ claims: claims(9) })).status).toBe(200);
      expect(await agent().authenticate({ claims: claims(11) })).toMatchObject(refused);
    }
  });

  test('S-11 keys come from the registration: what the header brings along is ignored', async () => {
    const jwk = others.publicJwk as Record<string, unknown>;
    for (const header of [{ jwk }, { jku: 'https://evil.example/jwks' }, { x5u: 'https://evil.example/x' }]) {
      expect(await agent().authenticate({ header, signer: others })).toMatchObject(refused);
    }
    expect(await agent().authenticate({ header: { kid: '../../etc/passwd' } })).toMatchObject(refused);
    const [head, body] = (await assertion('agent', keys, scene.issuer)).split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const send = (client_assertion: string) =>
      scene.send('POST', '/bc-authorize', {
        body: new URLSearchParams({
          scope: 'openid',
          login_hint: 'alice',
          client_assertion_type: assertionType,
          client_assertion,
        }),
      });
    expect(await send(`${none}.${body}.`)).toMatchObject(refused);
    expect(await send(`${head}.${body}.`)).toMatchObject(refused);
    // the public key as an HMAC secret
    const hs = Buffer.from('{"alg":"HS256"}').toString('base64url');
    const { x, y, ...rest } = keys.publicJwk;
    const key = createPublicKey({ key: { ...rest, x, y } as JsonWebKey, format: 'jwk' });
    const forms = [
      JSON.stringify(keys.publicJwk),
      key.export({ format: 'pem', type: 'spki' }),
      key.export({ format: 'der', type: 'spki' }),
    ];
    for (const form of forms) {
      const mac = createHmac('sha256', form).update(`${hs}.${body}`).digest('base64url');
      expect(await send(`${hs}.${body}.${mac}`)).toMatchObject(refused);
    }
  });

  test('A-06 of two clients each may use the same jti', async () => {
    const claims = { jti: 'one-and-the-same' };
    expect((await agent().authenticate({ claims })).status).toBe(200);
    expect((await asserting(scene, 'other', others).authenticate({ claims })).status).toBe(200);
    expect(await agent().authenticate({ claims })).toMatchObject(refused);
  });

  test('A-07 the type of the assertion is exact, and client_id names whom it speaks for', async () => {
    const wrongType = { client_assertion_type: assertionType.toUpperCase() };
    expect(await agent().authenticate({}, wrongType)).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    expect((await agent().authenticate({}, { client_id: 'agent' })).status).toBe(200);
    expect((await agent().authenticate({}, { client_id: 'other' })).status).toBe(400);
  });

  test('one assertion, fifty times at once at two servers: accepted once', async () => {
    const body = new URLSearchParams({
      scope: 'openid',
      login_hint: 'alice',
      client_assertion_type: assertionType,
      client_assertion: await assertion('agent', keys, scene.issuer),
    });
    const answers = await Promise.all(Array.from({ length: 50 }, () => scene.send('POST', '/bc-authorize', { body })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(49);
  });

  test('A-08 where only FAPI’s algorithms are allowed, RS256 opens nothing, at neither endpoint', async () => {
    const [rsa, ec] = await Promise.all([newKeys('RS256'), newKeys()]);
    const clientAuthentication = {
      ...settings.clientAuthentication,
      methods: ['private_key_jwt'],
      signingAlgs: ['PS256', 'ES256'],
    };
    const both = { keys: [rsa.publicJwk, ec.publicJwk] };
    const fapi = await openProtocol({
      clients: [assertingClient('bank', ec, { jwks: both })],
      settings: { ...settings, clientAuthentication },
    });
    try {
      const alice = await withAlice(fapi);
      const { status, body } = await asserting(fapi, 'bank', ec).authenticate();
      expect(status).toBe(200);
      expect(await asserting(fapi, 'bank', rsa).authenticate()).toMatchObject(refused);
      expect(await asserting(fapi, 'bank', rsa).poll(body.auth_req_id)).toMatchObject(refused);
      await answer(fapi, alice, body.auth_req_id);
      expect((await asserting(fapi, 'bank', ec).poll(body.auth_req_id)).status).toBe(200);
    } finally {
      await fapi.close();
    }
  });
});
