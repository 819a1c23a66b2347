import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { aClient, openProtocol, protocolForEach, withAlice } from './scene.ts';

const pair = await generateKeyPair('ES256', { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' }] };
const clients = [
  aClient('helpdesk'),
  aClient('other'),
  aClient('asserting', { client_secret: undefined, token_endpoint_auth_method: 'private_key_jwt', jwks }),
  aClient('signer', { jwks, backchannel_authentication_request_signing_alg: 'ES256' }),
];
const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];

describe('a start with an Idempotency-Key', () => {
  const scene = protocolForEach({ clients, cap: { perClient: 0, policy: 'replace', perUser: 0 } });
  beforeEach(async () => void (await withAlice(scene)));
  const ask = (key: string, params: Record<string, string> = {}, client = 'helpdesk') =>
    scene.client(client).authenticate(params, { 'idempotency-key': key });

  test('is one start, however often it is sent', async () => {
    const first = await ask('k-1');
    scene.clock.advance(20);
    const again = await ask('k-1');
    expect([again.status, again.body]).toEqual([200, { ...first.body, expires_in: 280 }]);
    expect((await ask('k-2')).body.auth_req_id).not.toBe(first.body.auth_req_id);
    expect((await scene.client('helpdesk').authenticate()).body.auth_req_id).not.toBe(first.body.auth_req_id);
  });

  test('of ten at the same time one starts, and the others get its answer or are told to wait', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => ask('k-1')));
    const ids = new Set(replies.filter(({ status }) => status === 200).map(({ body }) => body.auth_req_id));
    expect(ids.size).toBe(1);
    for (const reply of replies.filter(({ status }) => status !== 200)) {
      expect(error(reply)).toEqual([409, 'invalid_request']);
    }
  });

  test('belongs to its client, and to what was asked', async () => {
    const { body } = await ask('k-1', { binding_message: 'one' });
    expect(error(await ask('k-1', { binding_message: 'two' }))).toEqual([422, 'invalid_request']);
    expect((await ask('k-1', { binding_message: 'one' }, 'other')).body.auth_req_id).not.toBe(body.auth_req_id);
    expect((await ask('k-1', { binding_message: 'one' })).body).toEqual(body);
  });

  test('that was refused may be tried again with what was wrong set right', async () => {
    expect(error(await ask('k-1', { login_hint: 'nobody' }))).toEqual([400, 'unknown_user_id']);
    expect((await ask('k-1')).status).toBe(200);
  });

  test('needs the client’s authentication every time, and not the same assertion', async () => {
    const now = Math.floor(scene.clock.now() / 1000);
    const send = async () => {
      const claims = { iss: 'asserting', sub: 'asserting', aud: scene.issuer, iat: now, exp: now + 60 };
      const client_assertion = await new SignJWT({ ...claims, jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .sign(pair.privateKey);
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      const body = { scope: 'openid', login_hint: 'alice', client_assertion, client_assertion_type };
      const headers = { 'idempotency-key': 'k-1' };
      return scene.send('POST', '/bc-authorize', { headers, body: new URLSearchParams(body) });
    };
    const [first, again] = [await send(), await send()];
    expect(again.body).toEqual(first.body);
    const nobody = await scene.send('POST', '/bc-authorize', {
      headers: { 'idempotency-key': 'k-1', authorization: 'Basic eDp5' },
      body: new URLSearchParams({ scope: 'openid', login_hint: 'alice' }),
    });
    expect(error(nobody)).toEqual([401, 'invalid_client']);
  });

  test('may be a signed request, which is used up once', async () => {
    const now = Math.floor(scene.clock.now() / 1000);
    const claims = { iss: 'signer', aud: scene.issuer, iat: now, nbf: now, exp: now + 60, jti: 'j' };
    const request = await new SignJWT({ ...claims, scope: 'openid', login_hint: 'alice' })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(pair.privateKey);
    const send = (key: string) => scene.client('signer').post('/bc-authorize', { request }, { 'idempotency-key': key });
    const first = await send('k-1');
    expect((await send('k-1')).body).toEqual(first.body);
    expect(error(await send('k-2'))).toEqual([400, 'invalid_request']);
  });

  test('K-03 a repeat says how much time is left; after the end it is told so, and nobody is asked', async () => {
    const first = await ask('k-1', { requested_expiry: '10' });
    scene.clock.advance(9);
    expect((await ask('k-1', { requested_expiry: '10' })).body).toEqual({ ...first.body, expires_in: 1 });
    scene.clock.advance(1);
    expect(error(await ask('k-1', { requested_expiry: '10' }))).toEqual([400, 'expired_token']);
    expect((await ask('k-2', { requested_expiry: '10' })).body.auth_req_id).not.toBe(first.body.auth_req_id);
  });

  describe('that is signed', () => {
    const sign = (more: Record<string, unknown> = {}, key = pair.privateKey) => {
      const iat = Math.floor(scene.clock.now() / 1000);
      const claims = { iss: 'signer', aud: scene.issuer, iat, nbf: iat, exp: iat + 60, jti: crypto.randomUUID() };
      return new SignJWT({ ...claims, scope: 'openid', login_hint: 'alice', ...more })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .sign(key);
    };
    const send = (request: string, key = 'k-1') =>
      scene.client('signer').post('/bc-authorize', { request }, { 'idempotency-key': key });

    test('J-10 once more is the same request, whatever changes by that; with another content it is another one', async () => {
      const authorization = { claims: { id_token: { email: null, acr: null } } };
      const first = await send(await sign(authorization));
      scene.clock.advance(20);
      const other = { claims: { id_token: { acr: null, email: null } } };
      expect((await send(await sign(other))).body).toEqual({ ...first.body, expires_in: 280 });
      expect(error(await send(await sign({ ...authorization, binding_message: 'x' })))).toEqual([
        422,
        'invalid_request',
      ]);
    });

    test('J-03 is answered again to nobody who cannot sign it; the very text that was answered needs no second look', async () => {
      const request = await sign();
      const { body } = await send(request);
      const stranger = await generateKeyPair('ES256');
      expect(error(await send(await sign({}, stranger.privateKey)))).toEqual([400, 'invalid_request']);
      expect(error(await send(await sign({ exp: 1 })))).toEqual([400, 'invalid_request']);
      expect(error(await send(`${request.slice(0, -8)}AAAAAAAA`))).toEqual([400, 'invalid_request']);
      // it has run out meanwhile, and what was asked has not
      scene.clock.advance(100);
      expect((await send(request)).body).toEqual({ ...body, expires_in: 200 });
    });
  });

  test('must be a key', async () => {
    for (const key of ['with space', 'x'.repeat(256)]) expect(error(await ask(key))).toEqual([400, 'invalid_request']);
  });
});

test('J-10 K-06 a start that the store was away for is signed anew, and asked once under its key', async () => {
  let isAway = true;
  const scene = await openProtocol({
    clients,
    overrides: ({ operations }) => ({
      operations: {
        ...operations,
        start: (start) => (isAway ? Promise.reject(new StoreUnavailable('away')) : operations.start(start)),
      },
    }),
  });
  await withAlice(scene);
  const iat = Math.floor(scene.clock.now() / 1000);
  const signed = (jti: string) =>
    new SignJWT({
      iss: 'signer',
      aud: scene.issuer,
      iat,
      nbf: iat,
      exp: iat + 60,
      jti,
      scope: 'openid',
      login_hint: 'alice',
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(pair.privateKey);
  const send = async (request: string) =>
    scene.client('signer').post('/bc-authorize', { request }, { 'idempotency-key': 'k-1' });
  const first = await signed('j-1');
  const { status, headers } = await send(first);
  expect([status, headers.get('retry-after')]).toEqual([503, expect.any(String)]);
  isAway = false;
  expect(error(await send(first))).toEqual([400, 'invalid_request']);
  const again = await send(await signed('j-2'));
  expect(again.status).toBe(200);
  expect((await send(await signed('j-3'))).body.auth_req_id).toBe(again.body.auth_req_id);
  await scene.close();
});

test('J-10 a signed request that could not be judged may be sent again as it is; what was started is not asked again', async () => {
  let isDown = true;
  const scene = await openProtocol({
    clients,
    cap: { perClient: 0, policy: 'replace', perUser: 0 },
    overrides: () => ({
      policy() {
        if (isDown) throw new Error('the policy is away');
        return 'allow';
      },
    }),
  });
  await withAlice(scene);
  const iat = Math.floor(scene.clock.now() / 1000);
  const claims = { iss: 'signer', aud: scene.issuer, iat, nbf: iat, exp: iat + 60, jti: 'j' };
  const request = await new SignJWT({ ...claims, scope: 'openid', login_hint: 'alice' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .sign(pair.privateKey);
  const send = (headers: Record<string, string>) => scene.client('signer').post('/bc-authorize', { request }, headers);
  for (const headers of [{ 'idempotency-key': 'k-1' }, {}] as Record<string, string>[]) {
    expect((await send(headers)).status).toBe(503);
  }
  isDown = false;
  const replies = await Promise.all(
    [{ 'idempotency-key': 'k-1' }, { 'idempotency-key': 'k-2' }, {}, {}].map(send as never),
  );
  expect((replies as { status: number }[]).map(({ status }) => status).sort()).toEqual([200, 400, 400, 400]);
  await scene.close();
});

test('a start whose process died frees its key after half a minute', async () => {
  const scene = await openProtocol({
    clients,
    overrides: ({ store }) => ({
      idempotency: { ...store.idempotency, finish: () => Promise.reject(new Error('gone')) },
    }),
  });
  await withAlice(scene);
  const ask = () => scene.client('helpdesk').authenticate({}, { 'idempotency-key': 'k' });
  const first = await ask();
  expect(first.status).toBe(200);
  expect(error(await ask())).toEqual([409, 'invalid_request']);
  scene.clock.advance(31);
  expect((await ask()).status).toBe(200);
  await scene.close();
});
