import { openProtocol, protocolForAll, settings } from './scene.ts';
import { openSignIn } from './sign-in-scene.ts';

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
    for (const what of ['auth_methods_supported', 'auth_signing_alg_values_supported']) {
      // RFC 8414 has defaults of its own for these two
      expect(all[`introspection_endpoint_${what}`]).toEqual(all[`token_endpoint_${what}`]);
      expect(all[`revocation_endpoint_${what}`]).toEqual(all[`token_endpoint_${what}`]);
    }
  });

  test('what is the same for everybody may be kept for a minute; nothing else may', async () => {
    const paths = ['openid-configuration', 'oauth-authorization-server', 'jwks.json'];
    const replies = await Promise.all(paths.map((path) => scene.send('GET', `/.well-known/${path}`)));
    for (const { headers } of replies) expect(headers.get('cache-control')).toBe('public, max-age=60');
    expect((await scene.send('GET', '/userinfo')).headers.get('cache-control')).not.toContain('public');
    expect((await scene.send('PUT', '/.well-known/jwks.json')).headers.get('cache-control')).toBe('no-store');
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

/** IANA's registry of authorization server metadata, as far as it concerns a server of this kind. */
const registered = [
  'issuer',
  'jwks_uri',
  // OpenID Connect Discovery 1.0, section 3
  'authorization_endpoint',
  'token_endpoint',
  'userinfo_endpoint',
  'registration_endpoint',
  'scopes_supported',
  'response_types_supported',
  'response_modes_supported',
  'grant_types_supported',
  'acr_values_supported',
  'subject_types_supported',
  'id_token_signing_alg_values_supported',
  'id_token_encryption_alg_values_supported',
  'id_token_encryption_enc_values_supported',
  'userinfo_signing_alg_values_supported',
  'request_object_signing_alg_values_supported',
  'token_endpoint_auth_methods_supported',
  'token_endpoint_auth_signing_alg_values_supported',
  'claim_types_supported',
  'claims_supported',
  'claims_parameter_supported',
  'request_parameter_supported',
  'request_uri_parameter_supported',
  // RFC 8414, 7009, 7662, 9207, 9126, 8705, 9449, 9396, 7636
  'revocation_endpoint',
  'revocation_endpoint_auth_methods_supported',
  'revocation_endpoint_auth_signing_alg_values_supported',
  'introspection_endpoint',
  'introspection_endpoint_auth_methods_supported',
  'introspection_endpoint_auth_signing_alg_values_supported',
  'authorization_response_iss_parameter_supported',
  'pushed_authorization_request_endpoint',
  'mtls_endpoint_aliases',
  'tls_client_certificate_bound_access_tokens',
  'dpop_signing_alg_values_supported',
  'authorization_details_types_supported',
  'code_challenge_methods_supported',
  // RP-Initiated Logout 1.0, section 2.1
  'end_session_endpoint',
  // CIBA Core 1.0, section 4
  'backchannel_authentication_endpoint',
  'backchannel_token_delivery_modes_supported',
  'backchannel_authentication_request_signing_alg_values_supported',
  'backchannel_user_code_parameter_supported',
];

test('M-16 with everything switched on nothing is said that is not registered; M-14 nothing of types of login_hint_token, whoever may issue them', async () => {
  const type = { type: 'payment', schema: { properties: { amount: { type: 'string' } } }, display: { en: 'Pay' } };
  const scene = await openSignIn({
    settings: {
      ...settings,
      ciba: { ...settings.ciba, userCode: { enabled: true } },
      hints: { issuers: [{ issuer: 'https://hints.example', jwks_uri: 'https://hints.example/jwks' } as never] },
      authorizationDetails: [type as never],
    },
    wrap: () => ({
      exampleResource: true,
      mtls: { origin: 'https://mtls.op.example', peerCertificateOf: () => undefined },
      registration: { clients: {} as never, initialAccessToken: 'an-initial-access-token' },
    }),
  });
  const { body } = await scene.send('GET', '/.well-known/openid-configuration');
  await scene.close();
  expect(body).toHaveProperty('authorization_endpoint');
  expect(body).toHaveProperty('registration_endpoint');
  expect(body).toHaveProperty('mtls_endpoint_aliases');
  expect(Object.keys(body).filter((member) => !registered.includes(member))).toEqual([]);
});
