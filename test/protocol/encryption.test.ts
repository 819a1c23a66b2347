/** Encrypted ID tokens, as clients that read them see it (openid-client, jose). Pushed ones are in push.test.ts. */
import { compactDecrypt, exportJWK, generateKeyPair, type JWK } from 'jose';
import * as client from 'openid-client';
import { type Alice, aClient, answer, approved, CIBA, claimsOf, headerOf, withAlice } from './scene.ts';
import { aWebsite, browserOf, openSignIn, relyingParty, type SignInScene, signIn } from './sign-in-scene.ts';

const [rsa, ec, ed] = await Promise.all([
  generateKeyPair('RSA-OAEP-256', { extractable: true }),
  generateKeyPair('ECDH-ES+A256KW', { extractable: true }),
  generateKeyPair('Ed25519', { extractable: true }),
]);
const publicOf = async ({ publicKey }: typeof rsa, more: JWK = {} as JWK) => ({
  ...(await exportJWK(publicKey)),
  ...more,
});
const [forRsa, forEc, signing] = await Promise.all([
  publicOf(rsa, { kid: 'rsa', use: 'enc' } as JWK),
  publicOf(ec, { kid: 'ec' } as JWK),
  publicOf(ed, { kid: 'ed' } as JWK),
]);
const jwks_uri = 'https://keys.example/jwks.json';
const toRsa = { id_token_encrypted_response_alg: 'RSA-OAEP-256', id_token_encrypted_response_enc: 'A256GCM' };
const toEc = { id_token_encrypted_response_alg: 'ECDH-ES+A256KW' };
const isCompactJwe = /^(?:[\w-]+\.){4}[\w-]+$/;

describe('a client that registered for encrypted ID tokens', () => {
  let scene: SignInScene;
  let alice: Alice;
  let keysAreThere = true;
  const fetch = async () => {
    if (!keysAreThere) throw new TypeError('fetch failed');
    return Response.json({ keys: [forRsa, forEc] });
  };
  beforeAll(async () => {
    scene = await openSignIn({
      clients: [
        // the first of these keys is none that can be encrypted to
        aClient('desk', { ...toEc, jwks: { keys: [signing, forEc] } }),
        aClient('pinged', {
          ...toEc,
          jwks_uri,
          backchannel_token_delivery_mode: 'ping',
          backchannel_client_notification_endpoint: 'https://client.example/cb',
        }),
        aWebsite('shop', { ...toRsa, jwks_uri }),
      ],
      wrap: () => ({ fetch }),
    });
    alice = await withAlice(scene);
  });
  beforeEach(() => {
    keysAreThere = true;
  });
  afterAll(() => scene.close());

  const decrypted = async (jwe: string, { privateKey }: typeof rsa) =>
    Buffer.from((await compactDecrypt(jwe, privateKey)).plaintext).toString();

  test('reads them by openid-client alone when it polls, and nobody else does', async () => {
    const { client_secret } = scene.clients.find(({ client_id }) => client_id === 'desk')!;
    const config = await client.discovery(
      new URL(scene.issuer),
      'desk',
      { id_token_signed_response_alg: 'ES256' },
      client.ClientSecretBasic(String(client_secret)),
      { execute: [client.allowInsecureRequests] },
    );
    client.enableDecryptingResponses(config, ['A128CBC-HS256'], { key: ec.privateKey, kid: 'ec' });
    const auth_req_id = await approved(scene, alice, { client: 'desk', scope: 'openid offline_access' });
    const tokens = await client.genericGrantRequest(config, CIBA, { auth_req_id });
    expect(tokens.id_token).toMatch(isCompactJwe);
    expect(headerOf(tokens.id_token!)).toMatchObject({
      alg: 'ECDH-ES+A256KW',
      enc: 'A128CBC-HS256',
      cty: 'JWT',
      kid: 'ec',
    });
    expect(tokens.claims()).toMatchObject({ iss: scene.issuer, aud: 'desk', sub: alice.user.id });
    const again = await client.refreshTokenGrant(config, tokens.refresh_token!);
    expect(again.id_token).toMatch(isCompactJwe);
    expect(again.claims()).toMatchObject({ sub: alice.user.id });
  });

  test('has its approval kept while the keys cannot be fetched: 503, and the same poll later gets them', async () => {
    keysAreThere = false;
    const { body } = await scene.client('pinged').authenticate({ client_notification_token: 'ping-token' });
    await answer(scene, alice, body.auth_req_id);
    const early = await scene.client('pinged').poll(body.auth_req_id);
    expect(early).toMatchObject({ status: 503, body: { error: 'server_error' } });
    expect(early.headers.get('retry-after')).toBeTruthy();
    keysAreThere = true;
    scene.clock.advance(10);
    const { status, body: tokens } = await scene.client('pinged').poll(body.auth_req_id);
    expect(status).toBe(200);
    expect(claimsOf(await decrypted(tokens.id_token, ec))).toMatchObject({ aud: 'pinged', sub: alice.user.id });
  });

  test('signs people in with a code, which is not used up while the keys cannot be fetched', async () => {
    const [browser, shop] = [browserOf(scene), await relyingParty(scene)];
    client.enableDecryptingResponses(shop.config, ['A256GCM'], { key: rsa.privateKey, kid: 'rsa' });
    const { url, redeem } = await shop.begin();
    const back = await signIn(scene, alice, browser, url);
    keysAreThere = false;
    await expect(redeem(back.url)).rejects.toMatchObject({ cause: { status: 503 } });
    keysAreThere = true;
    scene.clock.advance(10);
    const tokens = await redeem(back.url);
    expect(headerOf(tokens.id_token!)).toMatchObject({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'rsa' });
    expect(tokens.claims()).toMatchObject({ aud: 'shop', sub: alice.user.id });
  });

  test('H-07 decrypts one before it is a hint', async () => {
    const id = await approved(scene, alice, { client: 'desk' });
    const { id_token } = (await scene.client('desk').poll(id)).body;
    const hint = (id_token_hint: string) =>
      scene.client('desk').post('/bc-authorize', { scope: 'openid', id_token_hint });
    expect((await hint(id_token)).body).toEqual({
      error: 'invalid_request',
      error_description: 'id_token_hint is encrypted; the client must decrypt it first',
    });
    expect((await hint(await decrypted(id_token, ec))).status).toBe(200);
  });

  test('is told by discovery what there is, and of nothing else', async () => {
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    const said = Object.entries(body).filter(([member]) => member.includes('encrypt'));
    expect(Object.fromEntries(said)).toEqual({
      id_token_encryption_alg_values_supported: [
        'ECDH-ES',
        'ECDH-ES+A128KW',
        'ECDH-ES+A256KW',
        'RSA-OAEP',
        'RSA-OAEP-256',
      ],
      id_token_encryption_enc_values_supported: ['A128CBC-HS256', 'A256CBC-HS512', 'A128GCM', 'A256GCM'],
    });
  });

  test('does not send encrypted requests for all that', async () => {
    const pushed = await scene.client('shop').post('/oauth/par', { request: 'e30.e30.e30.e30.e30' });
    expect(pushed).toMatchObject({ status: 400, body: { error: 'invalid_request_object' } });
    const asked = await scene.client('desk').post('/bc-authorize', { request: 'e30.e30.e30.e30.e30' });
    expect(asked).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  const inSet = (...keys: object[]) => ({ jwks: { keys } });
  test.each([
    ['a key of its set', { ...toEc, ...inSet(forEc) }],
    ['a key that it publishes', { ...toRsa, jwks_uri }],
  ])('registers with %s, and is told what is in force', async (_what, metadata) => {
    const { client_secret, ...rest } = aClient('new', metadata);
    await expect(scene.protocol.checkClient(rest)).resolves.toMatchObject(metadata);
  });

  test.each([
    ['no keys', toEc, /jwks/],
    ['keys that only sign', { ...toEc, ...inSet({ ...forEc, use: 'sig' }, signing) }, /jwks holds no key/],
    ['a key of another kind', { ...toRsa, ...inSet(forEc) }, /jwks holds no key/],
    ...['RSA1_5', 'A256KW', 'dir'].map(
      (id_token_encrypted_response_alg) =>
        [id_token_encrypted_response_alg, { id_token_encrypted_response_alg, jwks_uri }, /_alg must be/] as const,
    ),
    ['an enc alone', { id_token_encrypted_response_enc: 'A256GCM', jwks_uri }, /_alg is mandatory/],
    ['another enc', { ...toEc, id_token_encrypted_response_enc: 'A192GCM', jwks_uri }, /_enc must be/],
    [
      'encrypted userinfo',
      { userinfo_signed_response_alg: 'ES256', userinfo_encrypted_response_alg: 'ECDH-ES', jwks_uri },
      /userinfo_encrypted_response_alg must not/,
    ],
    [
      'encrypted requests',
      { request_object_encryption_alg: 'ECDH-ES', jwks_uri },
      /request_object_encryption_alg must not/,
    ],
  ])('is refused with %s', async (_what, metadata, detail) => {
    const { client_secret, ...rest } = aClient('new', metadata);
    await expect(scene.protocol.checkClient(rest)).rejects.toMatchObject({
      code: 'client_metadata_invalid',
      detail: expect.stringMatching(detail),
    });
  });
});
