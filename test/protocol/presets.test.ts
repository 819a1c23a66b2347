import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { loadConfig } from '../../src/config.ts';
import { asserting, assertingClient, type Keys, newKeys } from './assertion-client.ts';
import { ACR, aClient, answer, openProtocol, type ProtocolScene, withAlice } from './scene.ts';

/** The settings as the server would have them, from the one word in the configuration. */
const settingsOf = (preset: string, more: object = {}) =>
  loadConfig({
    file: 'assent.json',
    env: {},
    readFile: () => JSON.stringify({ environment: 'development', preset, ...more }),
  });

const details = {
  authorizationDetails: [
    {
      type: 'payment',
      schema: { properties: { amount: { type: 'string' } }, required: ['amount'] },
      display: { en: 'Pay {amount}' },
    },
  ],
};
const refused = { status: 400, body: { error: 'invalid_request' } };

async function signedBy(keys: Keys, scene: ProtocolScene, clientId: string, claims: Record<string, unknown>) {
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: clientId, aud: scene.issuer, iat: now, nbf: now, exp: now + 60, jti: randomUUID(), ...claims };
  return new SignJWT(all).setProtectedHeader({ alg: keys.alg, kid: keys.publicJwk.kid! }).sign(keys.privateKey);
}

describe('B10 fapi-ciba', () => {
  let scene: ProtocolScene;
  let keys: Keys;
  let rsa: Keys;
  const client = (id: string, more: Record<string, unknown> = {}) =>
    assertingClient(id, keys, {
      dpop_bound_access_tokens: true,
      backchannel_authentication_request_signing_alg: 'ES256',
      jwks: { keys: [keys.publicJwk, rsa.publicJwk] },
      ...more,
    });
  beforeAll(async () => {
    [keys, rsa] = await Promise.all([newKeys(), newKeys('RS256')]);
    scene = await openProtocol({ clients: [client('bank')], settings: settingsOf('fapi-ciba') });
    await withAlice(scene);
  });
  afterAll(() => scene.close());

  const inside = { scope: 'openid', login_hint: 'alice', binding_message: '1234' };
  const ask = async (claims: Record<string, unknown>) =>
    asserting(scene, 'bank', keys).post('/bc-authorize', { request: await signedBy(keys, scene, 'bank', claims) });

  test('R-15 a signed request with a binding message is taken', async () => {
    expect((await ask(inside)).status).toBe(200);
  });

  test('J-18 an unsigned one is invalid_request, before anybody is looked for', async () => {
    const post = (login_hint: string) =>
      asserting(scene, 'bank', keys).post('/bc-authorize', { ...inside, login_hint });
    expect(await post('alice')).toMatchObject(refused);
    expect(await post('nobody')).toMatchObject(refused);
  });

  test('R-15 one about nothing is invalid_request', async () => {
    expect(await ask({ ...inside, binding_message: undefined })).toMatchObject(refused);
  });

  test('J-19 one in RS256 is invalid_request, though the key is registered', async () => {
    const request = await signedBy(rsa, scene, 'bank', inside);
    expect(await asserting(scene, 'bank', keys).post('/bc-authorize', { request })).toMatchObject(refused);
  });

  test('H-09 an intent’s id is nobody; what is to be approved goes into the context or the details', async () => {
    const intent = { ...inside, login_hint: 'urn:bank:intent:58923' };
    expect(await ask(intent)).toMatchObject({ status: 400, body: { error: 'unknown_user_id' } });
    const about = { ...inside, request_context: { intent: 'urn:bank:intent:58923' } };
    expect((await ask(about)).status).toBe(200);
  });

  test('A-08 an assertion in RS256 is invalid_client', async () => {
    const request = await signedBy(keys, scene, 'bank', inside);
    expect(await asserting(scene, 'bank', rsa).post('/bc-authorize', { request })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
  });

  test.each([
    ['a shared secret', () => aClient('x')],
    [
      'push',
      () =>
        client('x', {
          backchannel_token_delivery_mode: 'push',
          backchannel_client_notification_endpoint: 'https://c.example/cb',
        }),
    ],
    ['tokens for whoever finds them', () => client('x', { dpop_bound_access_tokens: false })],
    [
      'tokens bound to certificates that it cannot show here',
      () => client('x', { dpop_bound_access_tokens: false, tls_client_certificate_bound_access_tokens: true }),
    ],
    ['unsigned requests', () => client('x', { backchannel_authentication_request_signing_alg: undefined })],
    ['requests in RS256', () => client('x', { backchannel_authentication_request_signing_alg: 'RS256' })],
    ['assertions in RS256', () => client('x', { token_endpoint_auth_signing_alg: 'RS256' })],
    ['ID tokens in RS256', () => client('x', { id_token_signed_response_alg: 'RS256' })],
    ['no authentication', () => client('x', { token_endpoint_auth_method: 'none' })],
  ])('a client with %s is refused as invalid client metadata', async (_what, metadata) => {
    const { client_secret, ...rest } = metadata();
    await expect(scene.protocol.checkClient(rest)).rejects.toMatchObject({ code: 'client_metadata_invalid' });
  });

  test('discovery says what is left', async () => {
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    expect(body).toMatchObject({
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['PS256', 'ES256'],
      backchannel_authentication_request_signing_alg_values_supported: ['PS256', 'ES256'],
    });
    expect([...body.backchannel_token_delivery_modes_supported].sort()).toEqual(['ping', 'poll']);
  });
});

describe('B10 psd2', () => {
  let scene: ProtocolScene;
  let keys: Keys;
  beforeAll(async () => {
    keys = await newKeys();
    scene = await openProtocol({
      clients: [
        assertingClient('bank', keys, {
          dpop_bound_access_tokens: true,
          backchannel_authentication_request_signing_alg: 'ES256',
          authorization_details_types: ['payment'],
        }),
      ],
      settings: settingsOf('psd2', details),
    });
    await withAlice(scene);
  });
  afterAll(() => scene.close());

  const payment = [{ type: 'payment', amount: '12.50' }];
  const ask = async (claims: Record<string, unknown>) => {
    const request = await signedBy(keys, scene, 'bank', { scope: 'openid', login_hint: 'alice', ...claims });
    return asserting(scene, 'bank', keys).post('/bc-authorize', { request });
  };

  test('a payment with its details is taken; without them, or with possession alone, it is invalid_request', async () => {
    expect(await ask({ authorization_details: payment })).toMatchObject({ status: 200 });
    expect(await ask({ binding_message: 'Pay 12.50' })).toMatchObject(refused);
    expect(await ask({ authorization_details: payment, acr_values: ACR.possession })).toMatchObject(refused);
  });

  test('nobody has longer than five minutes', async () => {
    const { body } = await ask({ authorization_details: payment, requested_expiry: 600 });
    expect(body.expires_in).toBe(300);
  });
});

describe('B10 agent', () => {
  test('a request about nothing is invalid_request; a second one while the first waits is 429; a refresh token lives a day', async () => {
    const settings = settingsOf('agent');
    const { pendingPerClient: perClient, pendingPolicy: policy, pendingPerUser: perUser } = settings.ciba;
    const scene = await openProtocol({ settings, cap: { perClient, policy, perUser } });
    try {
      const alice = await withAlice(scene);
      const agent = scene.client('helpdesk');
      expect(await agent.authenticate()).toMatchObject(refused);
      const asked = { binding_message: 'Send the draft', scope: 'openid offline_access' };
      const first = await agent.authenticate(asked);
      expect(first.status).toBe(200);
      expect(await agent.authenticate(asked)).toMatchObject({ status: 429, body: { error: 'access_denied' } });
      await answer(scene, alice, first.body.auth_req_id);
      const { body } = await agent.poll(first.body.auth_req_id);
      expect(body.expires_in).toBe(900);
      expect((await agent.introspect(body.refresh_token)).body).toMatchObject({ active: true });
      scene.clock.advance(86_400);
      expect((await agent.refresh(body.refresh_token)).body.error).toBe('invalid_grant');
    } finally {
      await scene.close();
    }
  });
});

describe('B10 callcenter', () => {
  test('a client without number matching is refused, a request about nothing too, and nobody waits long', async () => {
    const settings = settingsOf('callcenter');
    const scene = await openProtocol({ clients: [aClient('desk', { assent_match: 'choose' })], settings });
    try {
      await withAlice(scene);
      await expect(
        scene.protocol.checkClient({
          grant_types: ['urn:openid:params:grant-type:ciba'],
          backchannel_token_delivery_mode: 'poll',
          client_id: 'x',
        }),
      ).rejects.toMatchObject({ code: 'client_metadata_invalid' });
      const desk = scene.client('desk');
      expect(await desk.authenticate()).toMatchObject(refused);
      const { body } = await desk.authenticate({ binding_message: 'Call 4711' });
      expect(body).toMatchObject({ match_code: expect.any(String), expires_in: 120 });
    } finally {
      await scene.close();
    }
  });
});
