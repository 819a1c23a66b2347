import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { calculateJwkThumbprint, SignJWT } from 'jose';
import { subjectMatches } from '../../src/protocol/certificates.ts';
import { type Certificate, createAuthority, selfSigned } from '../support/certificates.ts';
import { type Keys, newKeys } from './assertion-client.ts';
import { aClient, answer, approved, CIBA, openProtocol, type ProtocolScene, settings, withAlice } from './scene.ts';

/** What a listener would have made of the handshake; the header stands for the connection. */
const header = 'x-test-certificate';

interface Shown {
  pem: Certificate;
  verified: boolean;
}

describe('certificates of clients', () => {
  const authority = createAuthority();
  const shown: Record<string, Shown> = {
    bank: { pem: authority.issue({ name: 'bank.example' }), verified: true },
    other: { pem: authority.issue({ name: 'other.example' }), verified: true },
    stranger: { pem: createAuthority('Somebody').issue({ name: 'bank.example' }), verified: false },
    own: { pem: selfSigned({ name: 'own.example' }), verified: false },
  };
  const x509 = (name: string) => new X509Certificate(shown[name]!.pem.cert);
  const thumbprint = (name: string) => createHash('sha256').update(x509(name).raw).digest('base64url');
  const mtlsClient = (client_id: string, more: Record<string, unknown>) =>
    aClient(client_id, { client_secret: undefined, tls_client_certificate_bound_access_tokens: true, ...more });
  const jwks = {
    keys: [{ ...x509('own').publicKey.export({ format: 'jwk' }), x5c: [x509('own').raw.toString('base64')] }],
  };

  let scene: ProtocolScene;
  let alice: Awaited<ReturnType<typeof withAlice>>;
  beforeAll(async () => {
    scene = await openProtocol({
      clients: [
        mtlsClient('bank', { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'bank.example' }),
        mtlsClient('named', {
          token_endpoint_auth_method: 'tls_client_auth',
          tls_client_auth_subject_dn: 'CN=bank.example',
        }),
        mtlsClient('own', { token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks }),
        aClient('bound', { tls_client_certificate_bound_access_tokens: true }),
        aClient('plain'),
      ],
      overrides: () => ({
        exampleResource: true,
        mtls: {
          origin: 'https://mtls.op.example',
          peerCertificateOf(req) {
            const name = String(req.headers[header] ?? '');
            return shown[name] && { certificate: x509(name), verified: shown[name].verified };
          },
        },
      }),
    });
    alice = await withAlice(scene);
  });
  afterAll(() => scene.close());

  const call = (path: string, certificate: string | undefined, params: Record<string, string>) =>
    scene.send('POST', path, {
      headers: { ...(certificate !== undefined && { [header]: certificate }) },
      body: new URLSearchParams(params),
    });
  const start = (client_id: string, certificate: string | undefined) =>
    call('/bc-authorize', certificate, { client_id, scope: 'openid', login_hint: 'alice' });
  const refused = { status: 401, body: { error: 'invalid_client' } };

  test('A-09 a certificate of a named authority with the registered name, at both endpoints, with client_id', async () => {
    for (const client of ['bank', 'named']) {
      const { status, body } = await start(client, 'bank');
      expect([client, status]).toEqual([client, 200]);
      const poll = { client_id: client, grant_type: CIBA, auth_req_id: body.auth_req_id };
      expect((await call('/oauth/token', 'bank', poll)).body.error).toBe('authorization_pending');
      expect(await call('/oauth/token', 'other', poll)).toMatchObject(refused);
      for (const certificate of ['other', 'stranger', 'own', undefined]) {
        expect(await start(client, certificate)).toMatchObject(refused);
      }
    }
    expect(await call('/bc-authorize', 'bank', { scope: 'openid', login_hint: 'alice' })).toMatchObject(refused);
  });

  test('A-09 a certificate that the client signed itself, with its registered key', async () => {
    expect((await start('own', 'own')).status).toBe(200);
    for (const certificate of ['bank', 'stranger', undefined]) {
      expect(await start('own', certificate)).toMatchObject(refused);
    }
  });

  test('a client that registered another way does not get in by a certificate', async () => {
    expect(await start('plain', 'bank')).toMatchObject(refused);
  });

  async function tokens() {
    const { body } = await start('bank', 'bank');
    await answer(scene, alice, body.auth_req_id);
    const poll = { client_id: 'bank', grant_type: CIBA, auth_req_id: body.auth_req_id };
    return (await call('/oauth/token', 'bank', poll)).body as { access_token: string; token_type: string };
  }
  const resource = (token: string, certificate?: string) =>
    scene.send('GET', '/fapi/resource', {
      headers: { authorization: `Bearer ${token}`, ...(certificate !== undefined && { [header]: certificate }) },
    });

  test('I-05 the token is bound to the certificate: introspection names it, and without it there are no tokens', async () => {
    const { access_token, token_type } = await tokens();
    expect(token_type).toBe('Bearer');
    const introspected = await call('/oauth/introspect', 'bank', { client_id: 'bank', token: access_token });
    expect(introspected.body).toMatchObject({ active: true, cnf: { 'x5t#S256': thumbprint('bank') } });

    const authReqId = await approved(scene, alice, { client: 'bound', scope: 'openid offline_access' });
    // not invalid_grant, by which a client would give up what is alive
    expect(await scene.client('bound').poll(authReqId)).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
    const { status, body } = await scene.client('bound').poll(authReqId, { [header]: 'other' });
    expect(status).toBe(200);
    expect((await scene.client('bound').introspect(body.access_token)).body.cnf).toEqual({
      'x5t#S256': thumbprint('other'),
    });
    const refresh = (headers = {}) => {
      const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token };
      return scene.client('bound').post('/oauth/token', form, headers);
    };
    expect(await refresh()).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect((await refresh({ [header]: 'other' })).status).toBe(200);
  });

  test('I-06 the resource takes the token from whoever holds its certificate, and from nobody else', async () => {
    const { access_token } = await tokens();
    expect(await resource(access_token, 'bank')).toMatchObject({ status: 200, body: { client_id: 'bank' } });
    for (const certificate of ['other', 'own', undefined]) {
      const { status, headers, body } = await resource(access_token, certificate);
      expect([status, body.error]).toEqual([401, 'invalid_token']);
      expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    }
  });

  test('I-12 interaction ids are echoed or made, the answer is JSON with a date, a token in the query is refused', async () => {
    const { access_token } = await tokens();
    const id = randomUUID();
    const ask = (headers: Record<string, string>, query = '') =>
      scene.send('GET', `/fapi/resource${query}`, {
        headers: { authorization: `Bearer ${access_token}`, [header]: 'bank', ...headers },
      });
    const fapi = {
      'x-fapi-interaction-id': id,
      'x-fapi-auth-date': 'Tue, 11 Sep 2012 19:43:31 GMT',
      'x-fapi-customer-ip-address': '198.51.100.119',
    };
    const { status, headers, body } = await ask(fapi);
    expect([status, headers.get('x-fapi-interaction-id')]).toEqual([200, id]);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(Number.isNaN(Date.parse(headers.get('date')!))).toBe(false);
    expect(body).toMatchObject({ client_id: 'bank' });
    for (const bad of [
      {} as Record<string, string>,
      { 'x-fapi-interaction-id': 'not-a-uuid' },
      { 'x-fapi-interaction-id': `${id}x` },
    ]) {
      expect((await ask(bad)).headers.get('x-fapi-interaction-id')).toMatch(
        /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/,
      );
    }
    const inQuery = await scene.send('GET', `/fapi/resource?access_token=${access_token}`, {
      headers: { [header]: 'bank' },
    });
    expect(inQuery).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect((await ask({}, `?access_token=${access_token}`)).status).toBe(400);
    const refusal = await scene.send('GET', '/fapi/resource', { headers: { 'x-fapi-interaction-id': id } });
    expect([refusal.status >= 400, refusal.headers.get('x-fapi-interaction-id')]).toEqual([true, id]);
  });

  test('the resource asks whether grant, client and person are still good', async () => {
    const { access_token } = await tokens();
    await call('/oauth/revoke', 'bank', { client_id: 'bank', token: access_token });
    expect((await resource(access_token, 'bank')).status).toBe(401);
    expect((await resource('guess', 'bank')).status).toBe(401);
  });

  test('a response that never arrived is given again to the same certificate only', async () => {
    const authReqId = await approved(scene, alice, { client: 'bound' });
    const { redemptions } = scene.scene;
    const { delivered } = redemptions;
    Object.assign(redemptions, { delivered: (of: Parameters<typeof delivered>[0]) => redemptions.release(of) });
    try {
      const first = await scene.client('bound').poll(authReqId, { [header]: 'bank' });
      expect(first.status).toBe(200);
      const theirs = await scene.client('bound').poll(authReqId, { [header]: 'other' });
      expect(theirs).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
      const again = await scene.client('bound').poll(authReqId, { [header]: 'bank' });
      expect(again.body.access_token).toBe(first.body.access_token);
    } finally {
      Object.assign(redemptions, { delivered });
    }
  });

  /** One without a nonce. */
  async function proof(keys: Keys, htu: string, aheadSeconds = 0) {
    const { kid, use, ...jwk } = keys.publicJwk;
    return new SignJWT({ jti: randomUUID(), htm: 'POST', htu })
      .setProtectedHeader({ alg: keys.alg, typ: 'dpop+jwt', jwk })
      .setIssuedAt(Math.floor(Date.now() / 1000) + aheadSeconds)
      .sign(keys.privateKey);
  }

  test('M-10 I-07 a DPoP proof names the endpoint or its alias, and no other address', async () => {
    const keys = await newKeys();
    const { body } = await start('bank', 'bank');
    const form = { client_id: 'bank', grant_type: CIBA, auth_req_id: body.auth_req_id };
    const poll = async (htu: string) => {
      const headers = { [header]: 'bank', dpop: await proof(keys, htu) };
      return (await scene.send('POST', '/oauth/token', { headers, body: new URLSearchParams(form) })).body.error;
    };
    expect(await poll('https://mtls.op.example/oauth/token')).toBe('authorization_pending');
    expect(await poll('https://mtls.op.example/userinfo')).toBe('invalid_dpop_proof');
    expect(await poll('https://evil.example/oauth/token')).toBe('invalid_dpop_proof');
    scene.clock.advance(5);
    expect(await poll(`${scene.issuer}/oauth/token`)).toBe('authorization_pending');
  });

  test('TH-10 a proof that is dated ahead is remembered for as long as it is good', async () => {
    const keys = await newKeys();
    const long = { client: 'plain', requested_expiry: '600', scope: 'openid offline_access' };
    const [first, second] = [await approved(scene, alice, long), await approved(scene, alice, long)];
    const dpop = await proof(keys, `${scene.issuer}/oauth/token`, 290);
    const client = scene.client('plain');
    expect((await client.poll(first, { dpop })).status).toBe(200);
    scene.clock.advance(400);
    // not invalid_grant: it is alive
    expect((await client.poll(second, { dpop })).body.error).toBe('invalid_dpop_proof');
    const fresh = { dpop: await proof(keys, `${scene.issuer}/oauth/token`) };
    const { status, body } = await client.poll(second, fresh);
    expect(status).toBe(200);
    const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token };
    expect((await client.post('/oauth/token', form, fresh)).body.error).toBe('invalid_dpop_proof');
    const next = { dpop: await proof(keys, `${scene.issuer}/oauth/token`) };
    expect((await client.post('/oauth/token', form, next)).status).toBe(200);
  });

  test('M-10 M-11 bound tokens and aliases are published: endpoints of the document and no others, at the other origin', async () => {
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    expect(body.tls_client_certificate_bound_access_tokens).toBe(true);
    const aliases = body.mtls_endpoint_aliases as Record<string, string>;
    expect(aliases).toMatchObject({
      token_endpoint: 'https://mtls.op.example/oauth/token',
      backchannel_authentication_endpoint: 'https://mtls.op.example/bc-authorize',
    });
    expect(aliases).not.toHaveProperty('authorization_endpoint');
    for (const member of Object.keys(aliases)) {
      expect(member).toMatch(/_endpoint$/);
      expect(body).toHaveProperty(member);
    }
    expect(body.token_endpoint_auth_methods_supported).toEqual(
      expect.arrayContaining(['tls_client_auth', 'self_signed_tls_client_auth']),
    );
  });
});

describe('names in certificates', () => {
  const certificate = (subject: string, subjectAltName?: string) =>
    ({ subject, subjectAltName }) as unknown as X509Certificate;

  test('a subject is compared component by component, the last one first, whatever the spelling of its escapes', () => {
    const subject = certificate('C=NL\nO=Bank\\, NV\nCN=client');
    const matches = (expected: string) => subjectMatches(subject, 'tls_client_auth_subject_dn', expected);
    expect(matches('CN=client,O=Bank\\, NV,C=NL')).toBe(true);
    expect(matches('cn=client, O = Bank\\2C NV ,C=NL')).toBe(true);
    for (const wrong of [
      'C=NL,O=Bank\\, NV,CN=client',
      'CN=client',
      'CN=client,O=Bank, NV,C=NL',
      '',
      'CN=Client,O=Bank\\, NV,C=NL',
    ]) {
      expect([wrong, matches(wrong)]).toEqual([wrong, false]);
    }
  });

  test('an alternative name is one entry of its kind, never part of another’s text', () => {
    const names = certificate(
      'CN=x',
      'DNS:Client.example, URI:https://client.example/id, IP Address:203.0.113.9, IP Address:2001:DB8:0:0:0:0:0:1, email:a@client.example, URI:"https://evil.example/, DNS:bank.example"',
    );
    const matches = (kind: string, expected: string) => subjectMatches(names, `tls_client_auth_san_${kind}`, expected);
    expect(matches('dns', 'client.example')).toBe(true);
    expect(matches('uri', 'https://client.example/id')).toBe(true);
    expect(matches('ip', '203.0.113.9')).toBe(true);
    expect(matches('ip', '2001:db8::1')).toBe(true);
    expect(matches('email', 'a@client.example')).toBe(true);
    expect(matches('dns', 'bank.example')).toBe(false);
    expect(matches('dns', 'x')).toBe(false);
    expect(matches('uri', 'https://client.example')).toBe(false);
    expect(matches('email', 'A@client.example')).toBe(false);
    expect(subjectMatches(names, 'constructor', 'x')).toBe(false);
  });
});

describe('DPoP', () => {
  const pushedTo = aClient('pushed', {
    backchannel_token_delivery_mode: 'push',
    backchannel_client_notification_endpoint: 'https://pushed.example/told',
  });
  let scene: ProtocolScene;
  let keys: Keys;
  let others: Keys;
  let alice: Awaited<ReturnType<typeof withAlice>>;
  beforeAll(async () => {
    [keys, others] = await Promise.all([newKeys(), newKeys('PS256')]);
    scene = await openProtocol({
      clients: [aClient('helpdesk', { dpop_bound_access_tokens: true }), aClient('free'), pushedTo],
      settings: { ...settings, dpop: { ...settings.dpop, requireNonce: true } },
      overrides: () => ({ exampleResource: true }),
    });
    alice = await withAlice(scene);
  });
  afterAll(() => scene.close());

  interface ProofOptions {
    nonce?: string;
    by?: Keys;
    htm?: string;
    path?: string;
    ath?: string;
    jti?: string;
    typ?: string;
  }
  function proof({
    nonce,
    by = keys,
    htm = 'POST',
    path = '/oauth/token',
    ath,
    jti = randomUUID(),
    typ = 'dpop+jwt',
  }: ProofOptions = {}) {
    const { kid, use, ...jwk } = by.publicJwk;
    return new SignJWT({ jti, htm, htu: scene.issuer + path, ...(nonce && { nonce }), ...(ath && { ath }) })
      .setProtectedHeader({ alg: by.alg, typ, jwk })
      .setIssuedAt(Math.floor(Date.now() / 1000))
      .sign(by.privateKey);
  }
  const poll = async (id: string, options?: ProofOptions, client = 'helpdesk') =>
    scene.client(client).poll(id, { dpop: await proof(options) });
  const nonceFor = async (id: string) => (await poll(id)).headers.get('dpop-nonce')!;

  test('I-07 P-10 a client without a nonce is told one; that, a bad proof and no proof count as no poll and use nothing up', async () => {
    const authReqId = await approved(scene, alice);
    const challenge = await poll(authReqId);
    expect(challenge).toMatchObject({ status: 400, body: { error: 'use_dpop_nonce' } });
    const nonce = challenge.headers.get('dpop-nonce')!;
    expect(nonce).toEqual(expect.any(String));
    for (const wrong of [{ htm: 'GET' }, { path: '/bc-authorize' }, { typ: 'jwt' }, { nonce: 'made-up' }]) {
      const reply = await poll(authReqId, { nonce, ...wrong });
      expect(reply.status).toBe(400);
      expect(['invalid_dpop_proof', 'use_dpop_nonce']).toContain(reply.body.error);
    }
    // not invalid_grant, by which a client would give up what is alive
    expect(await scene.client('helpdesk').poll(authReqId)).toMatchObject({
      status: 400,
      body: { error: 'invalid_dpop_proof' },
    });
    const { status, body } = await poll(authReqId, { nonce });
    expect([status, body.token_type]).toEqual([200, 'DPoP']);
    expect((await scene.client('helpdesk').introspect(body.access_token)).body).toMatchObject({
      cnf: { jkt: await calculateJwkThumbprint(keys.publicJwk) },
      token_type: 'DPoP',
    });
  });

  test('P-10 nor is a pending poll made faster by them', async () => {
    const { body } = await scene.client('helpdesk').authenticate();
    const nonce = await nonceFor(body.auth_req_id);
    expect((await poll(body.auth_req_id, { nonce })).body.error).toBe('authorization_pending');
    for (let i = 0; i < 3; i++) await poll(body.auth_req_id);
    scene.clock.advance(5);
    expect((await poll(body.auth_req_id, { nonce: await nonceFor(body.auth_req_id) })).body.error).toBe(
      'authorization_pending',
    );
  });

  test('a proof is used once for tokens; the token is of use only with its key, once for each proof', async () => {
    const authReqId = await approved(scene, alice, { client: 'free' });
    const nonce = await nonceFor(authReqId);
    const { body } = await poll(authReqId, { nonce, by: others }, 'free');
    expect(body.token_type).toBe('DPoP');
    const ath = createHash('sha256').update(body.access_token).digest('base64url');
    const ask = async (options: ProofOptions) =>
      scene.send('GET', '/fapi/resource', {
        headers: {
          authorization: `DPoP ${body.access_token}`,
          dpop: await proof({ htm: 'GET', path: '/fapi/resource', ath, nonce, by: others, ...options }),
        },
      });
    const jti = randomUUID();
    expect((await ask({ jti })).status).toBe(200);
    expect((await ask({ jti })).status).toBe(401);
    for (const wrong of [{ by: keys }, { path: '/userinfo' }, { htm: 'POST' }, { ath: 'x' }]) {
      const { status, headers } = await ask(wrong);
      expect([wrong, status]).toEqual([wrong, 401]);
      expect(headers.get('www-authenticate')).toMatch(/^DPoP error=/);
    }
    const bearer = { authorization: `Bearer ${body.access_token}` };
    expect((await scene.send('GET', '/fapi/resource', { headers: bearer })).status).toBe(401);
  });

  test('TH-20 of an RSA key only 2048 to 4096 bits and the exponent 65537 are verified, wherever a proof is read', async () => {
    const ones = (bytes: number) => Buffer.alloc(bytes, 0xff).toString('base64url');
    // refused before the signature is looked at, so nobody has to make one that fits
    const odd: object[] = [
      { e: 'Aw' },
      { n: ones(576) },
      { e: ones(256) },
      { n: ones(255) },
      { alg: 7 },
      { d: 'AQAB' },
    ];
    const { headers } = scene.client('helpdesk');
    const client = new URLSearchParams({ grant_type: CIBA, auth_req_id: 'x', scope: 'openid', login_hint: 'alice' });
    for (const [method, path] of [
      ['POST', '/oauth/token'],
      ['POST', '/bc-authorize'],
      ['GET', '/userinfo'],
      ['GET', '/fapi/resource'],
    ] as const) {
      const ask = (dpop: string) =>
        scene.send(method, path, {
          headers: { ...(method === 'GET' ? { authorization: 'DPoP abc' } : headers), dpop },
          ...(method === 'POST' && { body: client }),
        });
      for (const jwk of path === '/oauth/token' ? odd : odd.slice(0, 2)) {
        const { status, body } = await ask(
          await proof({ by: { ...others, publicJwk: { ...others.publicJwk, ...jwk } }, path, htm: method }),
        );
        expect([path, status, body]).toEqual([
          path,
          method === 'GET' ? 401 : 400,
          { error: 'invalid_dpop_proof', error_description: 'the key of the DPoP proof cannot be used' },
        ]);
      }
      // of a good one there is something else to say: no nonce, or not made for this token
      const { body } = await ask(await proof({ by: others, path, htm: method }));
      expect(body).toMatchObject({
        error: expect.stringMatching('dpop'),
        error_description: expect.not.stringMatching('key'),
      });
    }
  });

  test('M-12 asymmetric algorithms are published, and no others', async () => {
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    expect(body.dpop_signing_alg_values_supported).toEqual(['ES256', 'PS256', 'Ed25519', 'EdDSA']);
  });

  describe('I-08 a proof at the authentication endpoint', () => {
    let nonce: string;
    beforeEach(async () => {
      const { headers } = await scene.client('free').authenticate({}, { dpop: await proof({ path: '/bc-authorize' }) });
      nonce = headers.get('dpop-nonce')!;
    });
    const start = async (options: ProofOptions = {}, headers = {}) =>
      scene
        .client('free')
        .authenticate({}, { dpop: await proof({ path: '/bc-authorize', nonce, ...options }), ...headers });

    test('I-08 TH-07 binds the request: only whoever proves the same key gets its tokens, and others use nothing up', async () => {
      const { body } = await start({ by: others });
      await answer(scene, alice, body.auth_req_id);
      const stranger = await poll(body.auth_req_id, { nonce, by: keys }, 'free');
      expect(stranger).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
      scene.clock.advance(5);
      const bearer = await scene.client('free').poll(body.auth_req_id);
      expect(bearer).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
      scene.clock.advance(5);
      const { status, body: tokens } = await poll(body.auth_req_id, { nonce, by: others }, 'free');
      expect([status, tokens.token_type]).toEqual([200, 'DPoP']);
    });

    test('I-08 is checked as at the token endpoint, and what is wrong starts nothing', async () => {
      const jti = randomUUID();
      expect((await start({ jti })).status).toBe(200);
      const before = await scene.store.operations.pendingOf(alice.user.id, scene.clock.now());
      for (const wrong of [{ jti }, { htm: 'GET' }, { path: '/oauth/token' }, { nonce: 'made-up' }]) {
        const { status, body } = await start(wrong);
        expect(status).toBe(400);
        expect(['invalid_dpop_proof', 'use_dpop_nonce']).toContain(body.error);
      }
      const rubbish = await scene.client('free').authenticate({}, { dpop: 'rubbish' });
      expect(rubbish).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
      const after = await scene.store.operations.pendingOf(alice.user.id, scene.clock.now());
      expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    });

    test('I-08 a repeat by Idempotency-Key is the same request with the same key only', async () => {
      const once = { 'idempotency-key': 'bound-once' };
      const { body } = await start({}, once);
      expect((await start({}, once)).body.auth_req_id).toBe(body.auth_req_id);
      expect((await start({ by: others }, once)).status).toBe(422);
      expect((await scene.client('free').authenticate({}, once)).status).toBe(422);
    });

    test('I-08 X-09 of a client that is pushed to it is refused: pushed tokens are bound to no key', async () => {
      const dpop = await proof({ path: '/bc-authorize', nonce });
      const { status, body } = await scene
        .client('pushed')
        .authenticate({ client_notification_token: 'x'.repeat(22) }, { dpop });
      expect([status, body.error]).toEqual([400, 'invalid_request']);
    });
  });
});
