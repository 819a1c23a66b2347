/**
 * One test for each thing that src/protocol/engine-patches.ts takes from or changes in the engine. A failure after an upgrade
 * says: look at that export again. The pinned version stands in the first test.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Socket } from 'node:net';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import Provider, { type Adapter, errors } from 'oidc-provider';
import tokenStack from 'oidc-provider/lib/actions/token.js';
import { urlencoded as parseBody } from 'oidc-provider/lib/shared/selective_body.js';
import * as patches from '../../src/protocol/engine-patches.ts';
import { asOAuthError, ProtocolError } from '../../src/protocol/errors.ts';
import { grantType } from '../../src/protocol/vocabulary.ts';

const secret = 'a-secret-0123456789abcdef0123456789';
const metadata = {
  client_id: 'a',
  client_secret: secret,
  grant_types: [grantType.ciba, 'refresh_token'],
  response_types: [],
  backchannel_token_delivery_mode: 'poll',
};
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(privateKey)), kid: 'k', alg: 'ES256', use: 'sig' }] };

interface Saved {
  model: string;
  id: string;
  payload: Record<string, unknown>;
  during: object | undefined;
}

/** The engine with as little around it as it needs. */
function bareEngine(issuer = 'https://op.example', { starts = true } = {}) {
  const saved: Saved[] = [];
  const adapter = (model: string): Adapter => ({
    async upsert(id, payload) {
      saved.push({ model, id, payload: payload as Record<string, unknown>, during: patches.currentContext() });
    },
    async find(id) {
      const found = saved.findLast((each) => each.model === model && each.id === id);
      return found && { ...found.payload, jti: id };
    },
    async consume() {},
    async destroy() {},
    async revokeByGrantId() {},
    async findByUid() {},
    async findByUserCode() {},
  });
  const provider = new Provider(issuer, {
    adapter,
    jwks: jwks as never,
    clients: [],
    responseTypes: [],
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub', 'acr', 'amr', 'auth_time'] },
    clientDefaults: { id_token_signed_response_alg: 'ES256', response_types: [], grant_types: [grantType.ciba] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    clientBasedCORS: () => false,
    ttl: { AccessToken: () => 60, IdToken: () => 60, Grant: () => 60, RefreshToken: () => 60 },
    features: {
      ciba: {
        enabled: true,
        deliveryModes: ['poll'],
        processLoginHint: (_ctx, hint) => hint,
        processLoginHintToken: () => undefined,
        verifyUserCode() {},
        validateBindingMessage() {},
        validateRequestContext() {},
        triggerAuthenticationDevice() {
          if (!starts) throw new Error('no');
        },
      },
      dPoP: { enabled: true },
      encryption: { enabled: true },
      devInteractions: { enabled: false },
    },
  });
  const client = patches.newClient(provider, metadata);
  patches.replaceClientFind(provider, async (id) => (id === 'a' ? client : undefined));
  return { provider, saved, client };
}

function requestOf(method = 'POST', headers: Record<string, string> = {}) {
  const req = new IncomingMessage(new Socket());
  Object.assign(req, { method, url: '/token', headers: { host: 'evil.example', ...headers } });
  return { req, res: new ServerResponse(req) };
}

const contextOf = (provider: Provider, body: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  patches.newContext(provider, { ...requestOf('POST', headers), route: 'token', body });

const credentials = { client_id: 'a', client_secret: secret };
const post = { authorization: `Basic ${btoa(`a:${secret}`)}` };

test('the version is the one that these tests were written for', () => {
  const { version } = JSON.parse(readFileSync('node_modules/oidc-provider/package.json', 'utf8'));
  expect(version).toBe('9.13.3');
});

test('pinUrls: the issuer’s addresses, where the engine would take the caller’s Host', () => {
  const { provider } = bareEngine();
  const { oidc } = contextOf(provider);
  expect(oidc.urlFor('token')).toContain('evil.example');
  patches.pinUrls(provider, { alias: 'https://mtls.example' });
  expect(oidc.urlFor('token')).toBe('https://op.example/token');
  const proof = (htu: string) => `e30.${Buffer.from(JSON.stringify({ htu })).toString('base64url')}.x`;
  const named = (htu: string) => contextOf(provider, {}, { dpop: proof(htu) }).oidc.urlFor('token');
  expect(named('https://mtls.example/token?a=b')).toBe('https://mtls.example/token');
  expect(named('https://evil.example/token')).toBe('https://op.example/token');
  expect([...oidc.clientJwtAuthExpectedAudience()].join()).not.toContain('evil.example');
});

test('nameRequests: the engine asks us for the auth_req_id', async () => {
  const { provider, saved } = bareEngine();
  patches.nameRequests(provider, (userId) => `named-for-${userId}`);
  const request = new provider.BackchannelAuthenticationRequest({ accountId: 'u1', clientId: 'a' });
  Object.assign(request, { exp: 2 ** 40 });
  expect(await request.save()).toBe('named-for-u1');
  expect(saved.map(({ id }) => id)).toEqual(['named-for-u1']);
});

test('takeForms: whatever form the engine has read passes by here; what comes of it is what it goes on with, or a refusal', async () => {
  const { provider } = bareEngine();
  const seen: unknown[] = [];
  patches.takeForms(provider, (form, { route }) => {
    seen.push([route, form]);
    if ('no' in form) throw new ProtocolError('invalid_request', 'not this one');
    return { ...form, more: 'c' };
  });
  expect(contextOf(provider, { a: 'b' }).oidc.body).toEqual({ a: 'b', more: 'c' });
  const refusals: unknown[] = [];
  provider.on('backchannel_authentication.error', (_ctx, error) => refusals.push(asOAuthError(error)));
  const server = createServer(provider.callback());
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const body = new URLSearchParams({ no: '1' });
  await fetch(`http://127.0.0.1:${port}/backchannel`, { method: 'POST', headers: post, body });
  await new Promise((closed) => server.close(closed).closeAllConnections());
  expect(seen).toEqual([
    ['token', { a: 'b' }],
    ['backchannel_authentication', { no: '1' }],
  ]);
  expect(refusals).toEqual([{ status: 400, error: 'invalid_request', description: 'not this one' }]);
});

test('replaceReplayDetection: proofs and assertions are asked of us, in one step', async () => {
  const { provider, saved } = bareEngine();
  const asked: unknown[] = [];
  patches.replaceReplayDetection(provider, async (...args) => asked.push(args) === 1);
  const ctx = contextOf(provider, {});
  await patches.authenticateClient(ctx, credentials);
  const proof = { thumbprint: 't', dpop: { thumbprint: 't', jti: 'j', iat: 1 } };
  await patches.spendProof(provider, ctx, proof);
  await expect(patches.spendProof(provider, ctx, proof)).rejects.toThrow(errors.InvalidDpopProof);
  expect(asked).toEqual([
    ['a', 'j', expect.any(Number)],
    ['a', 'j', expect.any(Number)],
  ]);
  expect(saved).toEqual([]);
});

test('replaceSecretComparison: what we know of a secret decides, and where we know nothing the engine does', async () => {
  const { provider, client } = bareEngine();
  const compared = (answer: boolean | undefined) => {
    const own = { provider };
    patches.replaceSecretComparison(provider, (asked, presented) => {
      expect([asked, presented]).toEqual([client, credentials.client_secret]);
      return answer;
    });
    return patches.authenticateClient(contextOf(own.provider, {}), credentials);
  };
  await expect(compared(undefined)).resolves.toBe(client);
  await expect(compared(false)).rejects.toThrow(errors.InvalidClientAuth);
  await expect(compared(true)).resolves.toBe(client);
});

test('replaceAssertionAudience: whom an assertion may be made for is ours to say', () => {
  const { provider } = bareEngine();
  patches.replaceAssertionAudience(provider, (route) => new Set([`https://op.example/only/${route}`]));
  const { oidc } = contextOf(provider, {}) as unknown as { oidc: { clientJwtAuthExpectedAudience(): Set<string> } };
  expect([...oidc.clientJwtAuthExpectedAudience()]).toEqual(['https://op.example/only/token']);
});

test('keysOf: the key set of a client has what decides when it is fetched', () => {
  const { provider } = bareEngine();
  const keys = patches.keysOf(patches.newClient(provider, { ...metadata, jwks_uri: 'https://client.example/jwks' }));
  expect([typeof keys.refresh, typeof keys.selectForVerify]).toEqual(['function', 'function']);
  expect(keys.selectForVerify({ alg: 'ES256' })).toEqual([]);
});

test('replaceClientFind, newClient: clients come from us, checked when they are made', async () => {
  const { provider, client } = bareEngine();
  expect(await provider.Client.find('a')).toBe(client);
  expect(await provider.Client.find('b')).toBeUndefined();
  expect(() => patches.newClient(provider, { ...metadata, backchannel_token_delivery_mode: 'push' })).toThrow(
    errors.InvalidClientMetadata,
  );
});

test('newContext, authenticateClient: the engine’s own client authentication, without its router', async () => {
  const { provider, client } = bareEngine();
  const good = contextOf(provider, {}, post);
  expect(await patches.authenticateClient(good, {})).toBe(client);

  const bad = contextOf(provider, {}, { authorization: `Basic ${btoa('a:wrong')}` });
  await expect(patches.authenticateClient(bad, {})).rejects.toMatchObject({ error: 'invalid_client', statusCode: 401 });
  expect(bad.res.getHeader('www-authenticate')).toMatch(/^Basic realm="https:\/\/op.example"/);
  await expect(patches.authenticateClient(contextOf(provider), {})).rejects.toMatchObject({
    error_description: 'no client authentication mechanism provided',
  });
});

test('runAuthentication, authenticationParameters: all of the engine’s authentication endpoint after the client, but the person, who comes before the rest', async () => {
  const { provider, saved } = bareEngine();
  const steps = {
    identify: async () => {},
    ask: async () => 'u1',
  };
  const ask = async (params: Record<string, string>, ours: Partial<typeof steps> = {}) => {
    const ctx = patches.newContext(provider, {
      ...requestOf('POST', post),
      route: 'backchannel_authentication',
      body: params,
    });
    await patches.authenticateClient(ctx, {});
    expect([...patches.authenticationParameters(ctx)]).toEqual(
      expect.arrayContaining([
        'scope',
        'login_hint',
        'login_hint_token',
        'id_token_hint',
        'binding_message',
        'request',
      ]),
    );
    return patches.inContext(ctx, () => patches.runAuthentication(ctx, { ...steps, ...ours }));
  };
  // no hint: whom it is about is our matter alone
  expect(await ask({ scope: 'openid' })).toMatchObject({
    auth_req_id: expect.any(String),
    expires_in: expect.any(Number),
  });
  expect(saved.at(-1)).toMatchObject({ model: 'BackchannelAuthenticationRequest', payload: { accountId: 'u1' } });
  const before = saved.length;
  const unknown = { identify: () => Promise.reject(new errors.UnknownUserId()) };
  await expect(ask({ scope: 'profile' }, unknown)).rejects.toThrow(errors.UnknownUserId);
  const taken: string[] = [];
  const noting = {
    identify: async () => void taken.push('identify'),
    ask: async () => {
      taken.push('ask');
      return 'u1';
    },
  };
  await expect(ask({ scope: 'profile' }, noting)).rejects.toThrow(errors.InvalidRequest);
  expect([taken, saved.length]).toEqual([['identify'], before]);
});

test('runTokenEndpoint: everything of the engine’s token endpoint but reading the body', async () => {
  expect(tokenStack).toContain(parseBody);
  const { provider } = bareEngine();
  const ctx = contextOf(provider, { grant_type: 'refresh_token', refresh_token: 'x', ...credentials });
  await expect(patches.runTokenEndpoint(ctx)).rejects.toMatchObject({ error_detail: 'refresh token not found' });
  const other = contextOf(provider, { grant_type: 'password', ...credentials });
  await expect(patches.runTokenEndpoint(other)).rejects.toMatchObject({ error: 'unsupported_grant_type' });
});

test('inContext, currentContext: the adapter learns which request it works for', async () => {
  const { provider, saved } = bareEngine();
  const ctx = contextOf(provider);
  const save = () => new provider.Grant({ accountId: 'u', clientId: 'a' }).save();
  await patches.inContext(ctx, save);
  await save();
  expect(saved.map(({ during }) => during)).toEqual([ctx, undefined]);
});

test('proveKey: a proof is checked against the issuer’s address, and one that must be there is missed', async () => {
  const { provider } = bareEngine();
  patches.pinUrls(provider);
  const pair = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(pair.publicKey);
  const proof = (htu: string) =>
    new SignJWT({ htm: 'POST', htu, jti: 'j' })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt()
      .sign(pair.privateKey);
  const prove = async (dpop?: string) => {
    const ctx = contextOf(provider, {}, dpop === undefined ? {} : { dpop });
    Object.assign(await patches.authenticateClient(ctx, credentials), { dpopBoundAccessTokens: true });
    return patches.proveKey(provider, ctx);
  };
  expect(await prove(await proof('https://op.example/token'))).toMatchObject({
    thumbprint: expect.any(String),
    dpop: { jti: 'j' },
  });
  await expect(prove(await proof('https://evil.example/token'))).rejects.toThrow(errors.InvalidDpopProof);
  await expect(prove()).rejects.toThrow(errors.InvalidDpopProof);
});

test('issue: tokens through the engine’s models, all saved within the request, none elsewhere', async () => {
  const { provider, saved } = bareEngine();
  const ctx = contextOf(provider);
  await patches.authenticateClient(ctx, credentials);
  const response = await patches.inContext(ctx, async () => {
    const grant = new provider.Grant({ accountId: 'u', clientId: 'a' });
    grant.addOIDCScope('openid offline_access');
    const request = new provider.BackchannelAuthenticationRequest({ accountId: 'u', clientId: 'a' });
    const scope = 'openid offline_access';
    Object.assign(request, { scope, grantId: await grant.save(), acr: 'x', amr: ['swk'], authTime: 7 });
    return patches.issue(provider, ctx, { request, grant, proof: undefined });
  });
  expect(Object.keys(response).sort()).toEqual([
    'access_token',
    'expires_in',
    'id_token',
    'refresh_token',
    'scope',
    'token_type',
  ]);
  expect(saved.map(({ model, during }) => [model, during === ctx])).toEqual([
    ['Grant', true],
    ['AccessToken', true],
    ['RefreshToken', true],
  ]);
  const claims = JSON.parse(Buffer.from(String(response['id_token']).split('.')[1]!, 'base64url').toString());
  expect(claims).toMatchObject({ iss: 'https://op.example', sub: 'u', acr: 'x', amr: ['swk'], auth_time: 7 });
});

test('keepStructuredTokens: an access token that is a JWT is saved as others are, under a name of ours', async () => {
  const { provider, saved, client } = bareEngine();
  patches.keepStructuredTokens(provider, (jwt) => `kept-${jwt.length}`);
  const resource = (accessTokenFormat: string) =>
    new provider.ResourceServer('https://api.example', {
      scope: 'orders',
      accessTokenFormat: accessTokenFormat as 'jwt',
    });
  const make = (format: string) =>
    new provider.AccessToken({
      accountId: 'u1',
      client,
      grantId: 'g1',
      scope: 'orders',
      resourceServer: resource(format),
    } as never).save();
  const jwt = await make('jwt');
  const opaque = await make('opaque');
  expect(saved.map(({ model, id }) => [model, id])).toEqual([
    ['AccessToken', `kept-${jwt.length}`],
    ['AccessToken', opaque],
  ]);
  const { iat, exp } = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString());
  expect(saved[0]!.payload).toMatchObject({
    accountId: 'u1',
    clientId: 'a',
    grantId: 'g1',
    aud: 'https://api.example',
    iat,
    exp,
  });
});

test('setDeliveryModes: push, which the engine refuses in its configuration, is offered and may be registered', async () => {
  const { provider } = bareEngine();
  const pushing = { ...metadata, backchannel_token_delivery_mode: 'push' };
  const endpoint = { backchannel_client_notification_endpoint: 'https://a.example/cb' };
  expect(() => patches.newClient(provider, { ...pushing, ...endpoint })).toThrow(errors.InvalidClientMetadata);
  patches.setDeliveryModes(provider, ['ping', 'push']);
  expect(() => patches.newClient(provider, pushing)).toThrow(errors.InvalidClientMetadata);
  expect(patches.newClient(provider, { ...pushing, ...endpoint }).backchannelTokenDeliveryMode).toBe('push');
  expect(() => patches.newClient(provider, metadata)).toThrow(errors.InvalidClientMetadata);
});

test('serverContext, issuePushed, extendIdTokens: tokens without a request, and an ID token that vouches for them', async () => {
  const { provider, client, saved } = bareEngine();
  patches.extendIdTokens(provider);
  const ctx = patches.serverContext(provider, client);
  const body = await patches.inContext(ctx, async () => {
    const grant = new provider.Grant({ accountId: 'u', clientId: 'a', jti: 'ours' } as never);
    grant.addOIDCScope('openid offline_access');
    const request = new provider.BackchannelAuthenticationRequest({ accountId: 'u', clientId: 'a' } as never);
    Object.assign(request, { scope: 'openid offline_access', grantId: await grant.save() });
    return patches.issuePushed(provider, ctx, { request, grant }, 'the-request');
  });
  const half = (text: unknown) =>
    createHash('sha256').update(String(text)).digest().subarray(0, 16).toString('base64url');
  expect(decodeJwt(body['id_token'] as string)).toMatchObject({
    sub: 'u',
    aud: 'a',
    at_hash: half(body['access_token']),
    'urn:openid:params:jwt:claim:auth_req_id': 'the-request',
    'urn:openid:params:jwt:claim:rt_hash': half(body['refresh_token']),
  });
  expect(saved.map(({ model, id }) => (model === 'Grant' ? `${model} ${id}` : model))).toEqual([
    'Grant ours',
    'AccessToken',
    'RefreshToken',
  ]);
});

test('keysOf, holdBackWithoutKey: a client without a key to encrypt to gets no token, and our error', async () => {
  const { provider } = bareEngine();
  const wanted = { ...metadata, id_token_encrypted_response_alg: 'ECDH-ES' };
  const client = patches.newClient(provider, { ...wanted, jwks: { keys: [] } });
  expect(patches.keysOf(client).selectForEncrypt({ alg: 'ECDH-ES', use: 'enc' })).toEqual([]);
  const { IdToken } = provider as unknown as {
    IdToken: new (...args: object[]) => { issue(of: object): Promise<string> };
  };
  const issue = () => new IdToken({ sub: 'u' }, { client }).issue({ use: 'idtoken' });
  await expect(issue()).rejects.toThrow(errors.InvalidClientMetadata);
  patches.holdBackWithoutKey(provider, (_cause, clientId) => new Error(`not now, ${clientId}`));
  await expect(issue()).rejects.toThrow('not now, a');
});

describe('what we rely on without reaching inside', () => {
  test('the request is saved before the hook that starts it, whose failure nobody cleans up after', async () => {
    const { provider, saved } = bareEngine('https://op.example', { starts: false });
    provider.silent = true;
    const server = createServer(provider.callback());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const body = new URLSearchParams({ scope: 'openid', login_hint: 'u' });
    const { status } = await fetch(`http://127.0.0.1:${port}/backchannel`, { method: 'POST', headers: post, body });
    // why the adapter does not write this model: see src/protocol/README.md
    expect([status, saved.map(({ model }) => model)]).toEqual([500, ['BackchannelAuthenticationRequest']]);
    await new Promise((closed) => server.close(closed).closeAllConnections());
  });

  test('a refusal is told by an event when its answer is written and not yet sent', async () => {
    const { provider } = bareEngine();
    provider.on('backchannel_authentication.error', (ctx) => {
      ctx.status = 418;
    });
    const server = createServer(provider.callback());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const { status } = await fetch(`http://127.0.0.1:${port}/backchannel`, { method: 'POST' });
    expect(status).toBe(418);
    await new Promise((closed) => server.close(closed).closeAllConnections());
  });
});
