import { openProtocol, protocolForAll } from './scene.ts';

describe('what the server says of itself', () => {
  const scene = protocolForAll();
  const metadata = async (path = '/.well-known/openid-configuration') => (await scene.send('GET', path)).body;

  test('M-01 the backchannel authentication endpoint is published below the issuer', async () => {
    expect(await metadata()).toMatchObject({ backchannel_authentication_endpoint: `${scene.issuer}/bc-authorize` });
  });

  test('M-02 the delivery modes are published, and are those that work', async () => {
    expect(await metadata()).toMatchObject({ backchannel_token_delivery_modes_supported: ['poll', 'ping', 'push'] });
  });

  test('M-03 the CIBA grant is among the grant types, and no grant that has no endpoint', async () => {
    const { grant_types_supported } = await metadata();
    expect(grant_types_supported.sort()).toEqual(['refresh_token', 'urn:openid:params:grant-type:ciba']);
  });

  test('M-05 user codes are said to be unsupported, which they are', async () => {
    expect(await metadata()).toMatchObject({ backchannel_user_code_parameter_supported: false });
  });

  test('M-06 the ways to authenticate are published once, for both endpoints, and `none` is not among them', async () => {
    const all = await metadata();
    expect(all.token_endpoint_auth_methods_supported).toEqual([
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
    ]);
    expect(all.token_endpoint_auth_signing_alg_values_supported).toContain('ES256');
    expect(all).not.toHaveProperty('backchannel_authentication_endpoint_auth_methods_supported');
  });

  test('M-07 the issuer is the address of the document without its suffix, whatever `Host` says', async () => {
    const reply = await scene.send('GET', '/.well-known/openid-configuration', { headers: { host: 'evil.example' } });
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toContain('application/json');
    expect(reply.body.issuer).toBe(scene.issuer);
    expect(JSON.stringify(reply.body)).not.toContain('evil.example');
  });

  test('M-08 the RFC 8414 address serves the same document', async () => {
    expect(await metadata('/.well-known/oauth-authorization-server')).toEqual(await metadata());
  });

  test('M-09 the keys have ids and nothing private in them', async () => {
    const { jwks_uri } = await metadata();
    expect(jwks_uri).toBe(`${scene.issuer}/.well-known/jwks.json`);
    const { body } = await scene.send('GET', '/.well-known/jwks.json');
    expect(body.keys.map(({ alg }: { alg: string }) => alg).sort()).toEqual(['ES256', 'RS256']);
    for (const key of body.keys) {
      expect(key).toMatchObject({ kid: expect.any(String), use: 'sig', kty: expect.stringMatching(/^(EC|RSA)$/) });
      expect(Object.keys(key).filter((member) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].includes(member))).toEqual([]);
      if (key.kty === 'RSA') expect(Buffer.from(key.n, 'base64url').length).toBeGreaterThanOrEqual(256);
    }
  });

  test('nothing is said of flows that are not there', async () => {
    const all = await metadata();
    expect(all.response_types_supported).toEqual([]);
    for (const member of [
      'authorization_endpoint',
      'end_session_endpoint',
      'registration_endpoint',
      'pushed_authorization_request_endpoint',
      'code_challenge_methods_supported',
    ]) {
      expect(all).not.toHaveProperty(member);
    }
  });

  test('authentication contexts are published, strongest first', async () => {
    expect((await metadata()).acr_values_supported).toEqual(['urn:assent:acr:two-factor', 'urn:assent:acr:possession']);
  });

  test('what this version does not bring is not found', async () => {
    for (const path of ['/authorize', '/logout', '/oauth/register', '/session/end', '/me', '/bc-authorize/x']) {
      const reply = await scene.send('GET', path);
      expect([path, reply.status]).toEqual([path, 404]);
      expect(reply.body.error).toBe('invalid_request');
    }
  });

  test('a wrong method is 405 and the right ones are named', async () => {
    const allow = async (method: string, path: string) => {
      const { status, headers } = await scene.send(method, path);
      return [status, headers.get('allow')];
    };
    expect(await allow('GET', '/bc-authorize')).toEqual([405, 'POST, DELETE']);
    expect(await allow('GET', '/bc-authorize/deliveries')).toEqual([405, 'POST']);
    expect(await allow('PUT', '/oauth/token')).toEqual([405, 'POST']);
    expect(await allow('GET', '/oauth/introspect')).toEqual([405, 'POST']);
    expect(await allow('GET', '/oauth/revoke')).toEqual([405, 'POST']);
    expect(await allow('DELETE', '/userinfo')).toEqual([405, 'GET, HEAD, OPTIONS, POST']);
    expect(await allow('POST', '/.well-known/jwks.json')).toEqual([405, 'GET, HEAD, OPTIONS']);
  });

  test('OPTIONS that is no preflight tells the methods, it is not an unknown page', async () => {
    for (const path of ['/userinfo', '/.well-known/jwks.json', '/.well-known/openid-configuration']) {
      const { status, headers } = await scene.send('OPTIONS', path);
      expect([path, status, headers.get('allow')]).toEqual([path, 200, expect.stringContaining('GET, HEAD, OPTIONS')]);
      const preflight = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
      expect((await scene.send('OPTIONS', path, { headers: preflight })).status).toBe(204);
    }
  });
});

test('M-08 an issuer with a path has everything below it, and its RFC 8414 document before it', async () => {
  const scene = await openProtocol({ issuerPath: '/tenant' });
  const openid = await scene.send('GET', '/tenant/.well-known/openid-configuration');
  const oauth = await scene.send('GET', '/.well-known/oauth-authorization-server/tenant');
  expect(openid.body).toMatchObject({
    issuer: `${scene.origin}/tenant`,
    token_endpoint: `${scene.origin}/tenant/oauth/token`,
    jwks_uri: `${scene.origin}/tenant/.well-known/jwks.json`,
  });
  expect(oauth.body).toEqual(openid.body);
  const { status } = await scene.client('helpdesk').post('/tenant/bc-authorize', { scope: 'openid', login_hint: 'x' });
  expect(status).toBe(400);
  expect(scene.protocol.paths).toContain('/tenant/oauth/token');
  await scene.close();
});
