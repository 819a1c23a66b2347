/** Signed authorization requests of browsers and at `/oauth/par` (RFC 9101), held to what `/bc-authorize` is held to. */
import { CompactSign, exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';
import { asserting, assertingClient, assertion, newKeys } from './assertion-client.ts';
import { type Alice, withAlice } from './scene.ts';
import { aWebsite, browserOf, callback, openSignIn, type SignInScene, signIn } from './sign-in-scene.ts';

const keys = await newKeys();
const rsa = await generateKeyPair('RS256', { extractable: true });
const website = (id: string, more = {}) =>
  ({ ...aWebsite(id, { client_secret: undefined, ...more }), token_endpoint_auth_method: 'private_key_jwt' }) as const;
const clients = [
  assertingClient('shop', keys, website('shop', { jwks: { keys: [keys.publicJwk] } })),
  assertingClient(
    'strict',
    keys,
    website('strict', {
      jwks: { keys: [keys.publicJwk, { ...(await exportJWK(rsa.publicKey)), alg: 'RS256', kid: 'rsa' }] },
      request_object_signing_alg: 'ES256',
    }),
  ),
];

let scene: SignInScene;
let alice: Alice;
beforeAll(async () => {
  scene = await openSignIn({ clients });
  alice = await withAlice(scene);
});
afterAll(() => scene.close());

const now = () => Math.floor(scene.clock.now() / 1000);
type Claims = Record<string, unknown>;

const claimsFor = (client_id: string, more: Claims = {}): Claims => ({
  iss: client_id,
  aud: scene.issuer,
  exp: now() + 300,
  client_id,
  response_type: 'code',
  scope: 'openid',
  redirect_uri: callback,
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  ...more,
});

const sign = (more: Claims = {}, header: Partial<JWTHeaderParameters> & Claims = {}, client = 'shop') =>
  new SignJWT(claimsFor(client, more))
    .setProtectedHeader({ alg: 'ES256', kid: keys.publicJwk.kid!, ...header })
    .sign(keys.privateKey);

const push = async (request: string, client = 'shop') => {
  const { status, body } = await asserting(scene, client, keys).post('/oauth/par', { request });
  return [status, body.error ?? 'pushed'];
};
/** What the browser is told at once: at the relying party, or by a page. */
const go = async (request: string) => {
  const page = await browserOf(scene).go(`/authorize?client_id=shop&request=${request}`);
  if (page.title === 'Sign in') return 'asked';
  return page.url.searchParams.get('error') ?? /invalid_\w+/.exec(page.html)?.[0];
};
const pushed = [201, 'pushed'];
const refused = [400, 'invalid_request_object'];

test('a signed request is taken both ways, and what was pushed is used by the browser', async () => {
  expect(await push(await sign())).toEqual(pushed);
  expect(await go(await sign())).toBe('asked');
  const request = await sign({ jti: crypto.randomUUID() });
  const { body } = await asserting(scene, 'shop', keys).post('/oauth/par', { request });
  const url = new URL(`/authorize?client_id=shop&request_uri=${body.request_uri}`, scene.issuer);
  expect((await signIn(scene, alice, browserOf(scene), url)).url.searchParams.has('code')).toBe(true);
});

test('exp is there, and the request is good for an hour at most', async () => {
  for (const claims of [
    { exp: undefined },
    { exp: now() - 60 },
    { exp: 'soon' },
    { exp: now() + 3700 },
    { nbf: now() - 3600, exp: now() + 60 },
    { nbf: 'now' },
    { nbf: now() + 60 },
    { iat: now() + 60 },
    { iat: 'x' },
  ]) {
    expect([claims, await push(await sign(claims))]).toEqual([claims, refused]);
    expect([claims, await go(await sign(claims))]).toEqual([claims, 'invalid_request_object']);
  }
  for (const claims of [{ exp: now() + 3600 }, { nbf: now(), exp: now() + 3600 }, { iat: now() - 5 }]) {
    expect([claims, await push(await sign(claims))]).toEqual([claims, pushed]);
  }
});

test('a request that has a jti is used once, whichever way it comes; of ten at the same time one wins', async () => {
  const once = await sign({ jti: crypto.randomUUID() });
  const replies = await Promise.all(Array.from({ length: 10 }, () => push(once)));
  expect(replies.filter(([status]) => status === 201)).toHaveLength(1);
  expect(replies.filter(([, error]) => error === 'invalid_request_object')).toHaveLength(9);
  expect(await go(once)).toBe('invalid_request_object');

  const inBrowser = await sign({ jti: crypto.randomUUID() });
  expect([await go(inBrowser), await go(inBrowser)]).toEqual(['asked', 'invalid_request_object']);
  expect(await push(inBrowser)).toEqual(refused);
});

test('a jti is not used up by what does not verify, or is wrong in another way', async () => {
  const jti = crypto.randomUUID();
  const [head, body] = (await sign({ jti })).split('.');
  expect(await push(`${head}.${body}.${'A'.repeat(86)}`)).toEqual(refused);
  expect((await push(await sign({ jti, claims: 'no json' })))[0]).toBe(400);
  expect(await push(await sign({ jti }))).toEqual(pushed);
  for (const bad of ['', 7, 'x'.repeat(257)]) expect(await push(await sign({ jti: bad }))).toEqual(refused);
});

test('typ says a request, or nothing in particular', async () => {
  for (const typ of [undefined, 'oauth-authz-req+jwt', 'application/OAuth-Authz-Req+jwt', 'JWT']) {
    expect([typ, await push(await sign({}, typ === undefined ? {} : { typ }))]).toEqual([typ, pushed]);
  }
  for (const typ of ['client-authentication+jwt', 'at+jwt', 'dpop+jwt', '', 'logout+jwt']) {
    expect([typ, await push(await sign({}, { typ }))]).toEqual([typ, refused]);
    expect([typ, await go(await sign({}, { typ }))]).toEqual([typ, 'invalid_request_object']);
  }
});

test('J-17 TH-09 one JWT is never both the client’s assertion and its request', async () => {
  const both = (client_assertion: string, request: string) =>
    asserting(scene, 'shop', keys).post('/oauth/par', { client_assertion, request });
  const { code_challenge, ...claims } = claimsFor('shop', { sub: 'shop', jti: crypto.randomUUID() });
  const jwt = await assertion('shop', keys, scene.issuer, { claims: { ...claims, code_challenge } });
  const asBoth = await both(jwt, jwt);
  expect([asBoth.status, asBoth.body.error]).toEqual(refused);
  expect(await push(await sign({ sub: 'shop' }))).toEqual(refused);
  // one jti for both
  const jti = crypto.randomUUID();
  const sameId = await both(await assertion('shop', keys, scene.issuer, { claims: { jti } }), await sign({ jti }));
  expect([sameId.status, sameId.body.error]).toEqual(refused);
  expect(await push(await sign({ sub: 'somebody' }))).toEqual(pushed);
});

test('a parameter that cannot become a text is a refusal, not a fault of the server', async () => {
  const noText = { toString: 1 };
  for (const name of ['scope', 'ui_locales', 'client_id', 'prompt']) {
    const request = await sign({ [name]: noText });
    expect([name, await push(request)]).toEqual([name, [400, 'invalid_request']]);
    expect((await browserOf(scene).go(`/authorize?client_id=shop&request=${request}`)).status).toBe(400);
  }
});

test('RFC 9126 2: an assertion may be for the address that is pushed to, which is for no other endpoint', async () => {
  const par = `${scene.issuer}/oauth/par`;
  const pushFor = async (aud: unknown) =>
    (await asserting(scene, 'shop', keys).post('/oauth/par', { request: await sign() }, { aud })).status;
  expect(await Promise.all([par, [par], `${scene.issuer}/oauth/token`].map(pushFor))).toEqual([201, 201, 201]);
  expect(await pushFor(`${scene.issuer}/oauth/introspect`)).toBe(401);
  for (const path of ['/oauth/token', '/oauth/introspect']) {
    expect((await asserting(scene, 'shop', keys).post(path, { token: 'x' }, { aud: par })).status).toBe(401);
  }
});

test('S-11 keys and critical extensions of the header, other algorithms and JSON with two readings are refused', async () => {
  const jwk = await exportJWK(rsa.publicKey);
  expect(await push(await sign({}, { jwk }))).toEqual(pushed); // it is looked past
  expect(await push(await sign({}, { crit: ['b64'], b64: true }))).toEqual(refused);
  const twice = JSON.stringify(claimsFor('shop')).replace('{', '{"scope":"openid email",');
  const ambiguous = new CompactSign(Buffer.from(twice)).setProtectedHeader({ alg: 'ES256', kid: keys.publicJwk.kid! });
  expect(await push(await ambiguous.sign(keys.privateKey))).toEqual(refused);
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  expect(await push(`${none}.${Buffer.from(JSON.stringify(claimsFor('shop'))).toString('base64url')}.`)).toEqual(
    refused,
  );
  expect(await push('x'.repeat(33 * 1024))).toEqual(refused);
  const other = await new SignJWT(claimsFor('strict'))
    .setProtectedHeader({ alg: 'RS256', kid: 'rsa' })
    .sign(rsa.privateKey);
  expect(await push(other, 'strict')).toEqual(refused);
  expect(await push(await sign({}, {}, 'strict'), 'strict')).toEqual(pushed);
});

test('discovery says what is taken', async () => {
  const { body } = await scene.send('GET', '/.well-known/openid-configuration');
  expect(body).toMatchObject({
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    request_object_signing_alg_values_supported: expect.arrayContaining(['ES256', 'PS256']),
  });
});
