import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';
import { exchangeRaw } from '../http/support/server.ts';
import { behindEdge } from './edge.ts';
import { aClient, answer, type ProtocolScene, protocolForAll, withAlice } from './scene.ts';

const pair = await generateKeyPair('ES256', { extractable: true });
const second = await generateKeyPair('ES256', { extractable: true });
const stranger = await generateKeyPair('ES256', { extractable: true });
const rsa = await generateKeyPair('PS256', { extractable: true });
const jwkOf = async (key: CryptoKey, kid: string, alg = 'ES256') => ({
  ...(await exportJWK(key)),
  kid,
  alg,
  use: 'sig',
});
const jwks = {
  keys: [
    await jwkOf(pair.publicKey, 'k1'),
    await jwkOf(second.publicKey, 'k2'),
    await jwkOf(rsa.publicKey, 'k3', 'PS256'),
  ],
};

const clients = [
  aClient('signer', { jwks, backchannel_authentication_request_signing_alg: 'ES256' }),
  aClient('unregistered', { jwks }),
  aClient('asserting', {
    client_secret: undefined,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks,
    backchannel_authentication_request_signing_alg: 'ES256',
  }),
  aClient('remote', {
    jwks_uri: 'https://remote.example/jwks.json',
    backchannel_authentication_request_signing_alg: 'ES256',
  }),
  aClient('plain'),
  aClient('pushing', { require_pushed_authorization_requests: true }),
];

type Claims = Record<string, unknown>;
interface Signing {
  header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
}

const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];
const refused = [400, 'invalid_request'];

describe('signed authentication requests', () => {
  const remote = { keys: jwks.keys.slice(0, 1), isAway: false, fetched: 0 };
  const scene = protocolForAll({
    clients,
    cap: { perClient: 0, policy: 'replace', perUser: 0 },
    overrides: () => ({
      async fetch() {
        remote.fetched++;
        if (remote.isAway) throw new TypeError('down');
        return Response.json({ keys: remote.keys });
      },
    }),
  });
  let alice: Awaited<ReturnType<typeof withAlice>>;
  beforeAll(async () => {
    alice = await withAlice(scene);
  });

  const now = () => Math.floor(scene.clock.now() / 1000);

  function claimsFor(clientId: string, claims: Claims): Claims {
    const iat = now();
    const always = { iss: clientId, aud: scene.issuer, iat, nbf: iat, exp: iat + 300, jti: crypto.randomUUID() };
    return { ...always, scope: 'openid', login_hint: 'alice', ...claims };
  }

  function sign(claims: Claims = {}, { header = {}, key = pair.privateKey }: Signing = {}, clientId = 'signer') {
    const all = { alg: 'ES256', kid: 'k1', ...header } as JWTHeaderParameters;
    return new SignJWT(claimsFor(clientId, claims)).setProtectedHeader(all).sign(key);
  }

  const send = (request: string, more: Record<string, string> = {}, client = 'signer') =>
    scene.client(client).post('/bc-authorize', { request, ...more });
  const ask = async (claims?: Claims, signing?: Signing) => send(await sign(claims, signing));

  test('M-04 discovery names asymmetric algorithms, and never none or HS*', async () => {
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    const algs: string[] = body.backchannel_authentication_request_signing_alg_values_supported;
    expect(algs).toEqual(expect.arrayContaining(['ES256', 'PS256']));
    expect(algs.filter((alg) => alg === 'none' || alg.startsWith('HS'))).toEqual([]);
  });

  test('a signed request is a request: it is started, shown and approved as any other', async () => {
    const { status, body } = await ask({ binding_message: 'W4SCT', scope: 'openid profile', nonce: 'n' });
    expect(status).toBe(200);
    await answer(scene, alice, body.auth_req_id);
    const tokens = await scene.client('signer').poll(body.auth_req_id);
    expect(tokens.body).toMatchObject({ id_token: expect.any(String), scope: 'openid profile' });
  });

  test('J-01 an unsigned JWT and one signed with a shared secret are refused', async () => {
    const [, payload] = (await sign()).split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    expect(error(await send(`${none}.${payload}.`))).toEqual(refused);
    const secret = new TextEncoder().encode(String(clients[0]!.client_secret));
    expect(error(await ask({}, { header: { alg: 'HS256', kid: undefined }, key: secret }))).toEqual(refused);
  });

  test('J-02 only the registered algorithm is accepted, and none of a client that registered none', async () => {
    expect(error(await ask({}, { header: { alg: 'PS256', kid: 'k3' }, key: rsa.privateKey }))).toEqual(refused);
    const unregistered = await sign({}, {}, 'unregistered');
    expect(error(await send(unregistered, {}, 'unregistered'))).toEqual(refused);
  });

  test('J-03 the key is the one that kid names, or any of the client’s where it names none; no other key', async () => {
    expect((await ask({}, { header: { kid: 'k2' }, key: second.privateKey })).status).toBe(200);
    expect((await ask({}, { header: { kid: undefined }, key: second.privateKey })).status).toBe(200);
    expect(error(await ask({}, { header: { kid: 'k2' } }))).toEqual(refused);
    expect(error(await ask({}, { header: { kid: 'nobody' } }))).toEqual(refused);
    expect(error(await ask({}, { key: stranger.privateKey }))).toEqual(refused);
  });

  test('J-03 J-20 keys of a jwks_uri are read again once for an unknown kid; where they cannot be, the request is invalid', async () => {
    const askRemote = async (kid: string, key = pair.privateKey) =>
      send(await sign({}, { header: { kid }, key }, 'remote'), {}, 'remote');
    expect([(await askRemote('k1')).status, remote.fetched]).toEqual([200, 1]);
    remote.keys = jwks.keys.slice(0, 2);
    expect([(await askRemote('k2', second.privateKey)).status, remote.fetched]).toEqual([200, 2]);
    expect([error(await askRemote('nobody')), remote.fetched]).toEqual([refused, 2]);
    remote.isAway = true;
    scene.clock.advance(3601);
    const { status, body } = await askRemote('k1');
    expect([status, body]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'the request object does not verify' },
    ]);
    expect(remote.fetched).toBe(3);
  });

  test('J-04 aud holds the issuer, alone or among others', async () => {
    expect((await ask({ aud: [scene.issuer, 'https://other.example'] })).status).toBe(200);
    for (const aud of [undefined, 'https://other.example', `${scene.issuer}/bc-authorize`, [], ['x'], 7]) {
      expect([aud, ...error(await ask({ aud }))]).toEqual([aud, ...refused]);
    }
  });

  test('J-05 iss is the client that authenticated', async () => {
    for (const iss of [undefined, 'plain', '', 7]) expect(error(await ask({ iss }))).toEqual(refused);
  });

  test('J-06 exp is there and has not passed; ten seconds of skew are tolerated', async () => {
    for (const exp of [undefined, now() - 60, 'soon', null]) {
      expect(error(await ask({ nbf: now() - 120, iat: now() - 120, exp }))).toEqual(refused);
    }
    expect((await ask({ nbf: now() - 60, exp: now() - 5 })).status).toBe(200);
  });

  test('J-07 iat is there', async () => {
    for (const iat of [undefined, null, 'now', now() + 60]) expect(error(await ask({ iat }))).toEqual(refused);
  });

  test('J-08 nbf is there and not in the future', async () => {
    expect(error(await ask({ nbf: undefined }))).toEqual(refused);
    expect(error(await ask({ nbf: now() + 600, exp: now() + 900 }))).toEqual(refused);
    expect((await ask({ nbf: now() + 5 })).status).toBe(200);
  });

  test('TH-14 a clock of the client that is nine seconds off is forgiven, either way; one that is eleven off is not', async () => {
    for (const [seconds, status] of [
      [9, 200],
      [11, 400],
    ] as const) {
      expect((await ask({ nbf: now() - 60, exp: now() - seconds })).status).toBe(status);
      expect((await ask({ iat: now() + seconds })).status).toBe(status);
      expect((await ask({ nbf: now() + seconds })).status).toBe(status);
    }
  });

  test('J-09 exp is at most 60 minutes after nbf', async () => {
    expect((await ask({ exp: now() + 3600 })).status).toBe(200);
    expect(error(await ask({ exp: now() + 70 * 60 }))).toEqual(refused);
    expect(error(await ask({ nbf: now() - 70 * 60 }))).toEqual(refused);
    expect(error(await ask({ nbf: now(), exp: now() }))).toEqual(refused);
  });

  test('J-10 TH-11 jti is there, and used once; of ten at the same time one wins', async () => {
    for (const jti of [undefined, '', 7]) expect(error(await ask({ jti }))).toEqual(refused);
    const request = await sign();
    const replies = await Promise.all(Array.from({ length: 10 }, () => send(request)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(400)]);
    expect(error(await send(request))).toEqual(refused);
  });

  test('J-10 nor again in the ten seconds for which it is forgiven to have passed', async () => {
    const [used, fresh] = await Promise.all([1, 2].map(() => sign({ nbf: now() - 60, exp: now() + 1 })));
    expect((await send(used!)).status).toBe(200);
    scene.clock.advance(9);
    expect(error(await send(used!))).toEqual(refused);
    expect((await send(fresh!)).status).toBe(200);
  });

  test('a jti is not used up by a request whose signature does not verify', async () => {
    const jti = crypto.randomUUID();
    expect(error(await ask({ jti }, { key: stranger.privateKey }))).toEqual(refused);
    expect((await ask({ jti })).status).toBe(200);
  });

  test('J-11 TH-11 H-02 no parameter stands outside, neither as well nor instead', async () => {
    for (const [name, value] of Object.entries({
      login_hint: 'alice',
      scope: 'openid',
      binding_message: 'x',
      requested_expiry: '30',
      acr_values: 'x',
      login_hint_token: 'x.y.z',
      resource: 'https://x.example',
      audience: 'x',
      authorization_details: '[]',
    })) {
      expect([name, ...error(await send(await sign(), { [name]: value }))]).toEqual([name, ...refused]);
    }
    expect((await send(await sign(), { client_id: 'signer', unknown: 'x', login_hint: '' })).status).toBe(200);
    expect(error(await send(await sign({ login_hint: undefined }), { login_hint: 'alice' }))).toEqual(refused);
    expect(error(await ask({ login_hint_token: 'x.y.z' }))).toEqual(refused);
  });

  test('J-11 a client authenticates beside its request, never within it', async () => {
    const within = {
      client_secret: clients[0]!.client_secret,
      client_assertion: 'x.y.z',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    };
    for (const [name, value] of Object.entries(within)) {
      expect([name, ...error(await ask({ [name]: value }))]).toEqual([name, ...refused]);
    }
    // RFC 9101, 5: whose request it is
    expect((await ask({ client_id: 'signer' })).status).toBe(200);
  });

  test('J-12 claims that are no parameters are ignored', async () => {
    expect((await ask({ response_type: 'code', moon: { full: true }, sub: 'somebody' })).status).toBe(200);
  });

  test('R-17 J-13 requested_expiry is a number or a text', async () => {
    for (const requested_expiry of [30, '30']) {
      expect((await ask({ requested_expiry })).body.expires_in).toBe(30);
    }
    for (const requested_expiry of [0, -1, 1.5, 1e21, true, null, '0', [30]]) {
      expect([requested_expiry, ...error(await ask({ requested_expiry }))]).toEqual([requested_expiry, ...refused]);
    }
  });

  test('J-13 other parameters are texts, never what only looks like one', async () => {
    for (const claims of [
      { login_hint: null },
      { login_hint: ['alice'] },
      { scope: ['openid'] },
      { scope: { openid: true } },
      { binding_message: 1234 },
      { acr_values: ['urn:assent:acr:two-factor'] },
      { nonce: 1 },
    ]) {
      expect([claims, ...error(await ask(claims))]).toEqual([claims, ...refused]);
    }
  });

  test('J-14 a request within the request is refused', async () => {
    const inner = await sign();
    expect(error(await ask({ request: inner }))).toEqual(refused);
    expect(error(await ask({ request_uri: 'https://x.example' }))).toEqual(refused);
  });

  test('J-15 an encrypted request is refused', async () => {
    expect(error(await send('a.b.c.d.e'))).toEqual(refused);
  });

  test('J-16 typ is compared without regard to case, with or without application/, and may be left out', async () => {
    for (const typ of ['oauth-authz-req+jwt', 'application/oauth-authz-req+jwt', 'OautH-auThZ-REQ+jWt', 'JWT']) {
      expect([typ, (await ask({}, { header: { typ } })).status]).toEqual([typ, 200]);
    }
    for (const typ of ['at+jwt', 'client-authentication+jwt', 'dpop+jwt', '', 7]) {
      expect([typ, ...error(await ask({}, { header: { typ: typ as string } }))]).toEqual([typ, ...refused]);
    }
  });

  test('J-17 TH-09 a client assertion is no request, and a request no client assertion', async () => {
    const assertion = await sign({ sub: 'asserting', login_hint: 'alice' }, {}, 'asserting');
    const asserted = (jwt: string) => ({
      client_assertion: jwt,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    const post = (form: Record<string, string>) =>
      scene.send('POST', '/bc-authorize', { body: new URLSearchParams(form) });
    // both at once, and as a request alone
    expect(error(await post({ ...asserted(assertion), request: assertion }))).toEqual(refused);
    const fresh = () => sign({ sub: 'asserting' }, {}, 'asserting');
    expect(error(await post({ ...asserted(await fresh()), request: await fresh() }))).toEqual(refused);
    // one jti for both
    const jti = crypto.randomUUID();
    const request = await sign({ jti }, {}, 'asserting');
    expect(error(await post({ ...asserted(await sign({ jti, sub: 'asserting' }, {}, 'asserting')), request }))).toEqual(
      refused,
    );
    // a request has no subject, and may say what it is
    expect((await post(asserted(await sign({}, {}, 'asserting')))).status).toBe(401);
    const typed = await sign({ sub: 'asserting' }, { header: { typ: 'oauth-authz-req+jwt' } }, 'asserting');
    expect((await post(asserted(typed))).status).toBe(401);
    expect((await post({ ...asserted(await fresh()), request: await sign({}, {}, 'asserting') })).status).toBe(200);
  });

  test('C-05 TH-11 a client that registered to sign cannot send unsigned requests', async () => {
    expect(error(await scene.client('signer').authenticate())).toEqual(refused);
  });

  test('J-20 every refusal has the same two members, in plain characters', async () => {
    const replies = await Promise.all([
      send('x'),
      send('a.b.c'),
      ask({ exp: 1 }),
      ask({ aud: '"quoted" \\' }),
      send(await sign(), { login_hint: 'alice' }),
      ask({}, { key: stranger.privateKey }),
    ]);
    for (const { status, body } of replies) {
      expect([status, Object.keys(body)]).toEqual([400, ['error', 'error_description']]);
      expect(body.error).toBe('invalid_request');
      expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
    }
  });

  test('R-24 the client comes first, then its signature, then the hint, then the rest', async () => {
    const forged = await sign({ login_hint: 'nobody', requested_expiry: 0 }, { key: stranger.privateKey });
    const unauthenticated = await scene.send('POST', '/bc-authorize', {
      headers: { authorization: 'Basic eDp5' },
      body: new URLSearchParams({ request: forged }),
    });
    expect(error(unauthenticated)).toEqual([401, 'invalid_client']);
    expect((await send(forged)).body.error_description).toBe('could not validate Request Object');
    expect((await ask({ id_token_hint: 'x', login_hint: 'nobody' })).body.error_description).toMatch(/^only one of/);
    expect(error(await ask({ login_hint: 'nobody', binding_message: 'a\nb' }))).toEqual([400, 'unknown_user_id']);
    expect(error(await ask({ binding_message: 'a\nb' }))).toEqual([400, 'invalid_binding_message']);
  });

  test('R-23 a client that must push its authorization requests asks here as any other', async () => {
    expect((await scene.client('pushing').authenticate()).status).toBe(200);
  });

  test('J-22 a request that is too large is not parsed', async () => {
    expect(error(await send('a'.repeat(33 * 1024)))).toEqual(refused);
    const { status, body } = await send('a'.repeat(60 * 1024));
    expect([status, body.error]).toEqual([413, 'invalid_request']);
    // where its length is announced, the edge says so before any of it is read
    await using server = await behindEdge(scene);
    const announced = 'POST /bc-authorize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n';
    const refusal = await exchangeRaw(server.port, announced);
    expect(refusal).toMatch(/^HTTP\/1\.1 413 [\s\S]*\{"error":"invalid_request","error_description":"[^"]+"\}$/);
  });

  test('S-11 keys and critical extensions in the header are not followed, and JSON has one reading', async () => {
    const jwk = await exportJWK(stranger.publicKey);
    const x5u = 'http://127.0.0.1:1/none';
    for (const header of [{ jwk }, { jwk, kid: undefined }, { x5u }, { jku: x5u, kid: 'remote' }]) {
      expect(error(await ask({}, { header, key: stranger.privateKey }))).toEqual(refused);
    }
    expect(error(await ask({}, { header: { crit: ['b64'], b64: true } }))).toEqual(refused);
    const signText = (text: string) =>
      new CompactSign(Buffer.from(text)).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(pair.privateKey);
    const once = () => JSON.stringify(claimsFor('signer', {}));
    expect((await send(await signText(once()))).status).toBe(200);
    expect(error(await send(await signText(once().replace('{', '{"login_hint":"bob",'))))).toEqual(refused);
  });
});

describe('request_context', () => {
  const seen: unknown[] = [];
  const scene: ProtocolScene = protocolForAll({
    clients,
    overrides: () => ({
      async policy(request) {
        seen.push(request);
        return request.requestContext?.['risk'] === 'high' ? 'deny' : 'allow';
      },
    }),
  });
  beforeAll(async () => void (await withAlice(scene)));

  const signed = (request_context: unknown) => {
    const iat = Math.floor(scene.clock.now() / 1000);
    const claims = { iss: 'signer', aud: scene.issuer, iat, nbf: iat, exp: iat + 60, jti: crypto.randomUUID() };
    return new SignJWT({ ...claims, scope: 'openid', login_hint: 'alice', request_context })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(pair.privateKey);
  };
  const ask = async (context: unknown) =>
    scene.client('signer').post('/bc-authorize', { request: await signed(context) });

  test('J-21 S-08 a JSON object is taken with whatever is in it, and the policy sees it', async () => {
    expect((await ask({ risk: 'low', unknown: { deep: [1] } })).status).toBe(200);
    expect(seen.at(-1)).toMatchObject({ clientId: 'signer', requestContext: { risk: 'low', unknown: { deep: [1] } } });
    expect(error(await ask({ risk: 'high' }))).toEqual([403, 'access_denied']);
    const unsigned = await scene.client('plain').authenticate({ request_context: '{"risk":"low"}' });
    expect(unsigned.status).toBe(200);
  });

  test('what is no object is refused', async () => {
    for (const context of [7, ['x'], null]) expect(error(await ask(context))).toEqual(refused);
    for (const request_context of ['x', '[]', '7']) {
      expect(error(await scene.client('plain').authenticate({ request_context }))).toEqual(refused);
    }
  });
});
