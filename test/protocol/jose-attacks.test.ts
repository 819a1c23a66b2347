import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { attacksOn, type Base } from './jose-vectors.ts';
import { aClient, protocolForAll, settings, withAlice } from './scene.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
const hintIssuer = 'https://id.bank.example';
const clients = [
  aClient('helpdesk'),
  aClient('signer', { jwks: { keys: [jwk] }, backchannel_authentication_request_signing_alg: 'ES256' }),
  aClient('asserting', {
    client_secret: undefined,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [jwk] },
  }),
];

describe('TH-15 no JWT gets through that its key did not sign as it stands', () => {
  let calls = 0;
  const trap = createServer((_req, res) => {
    calls++;
    res.end('{"keys":[]}');
  });
  const scene = protocolForAll({
    clients,
    settings: { ...settings, hints: { issuers: [{ issuer: hintIssuer, jwks: { keys: [jwk] } }] } },
    overrides: () => ({
      fetch: async () => {
        calls++;
        return Response.json({ keys: [] });
      },
    }),
  });
  let alice: Awaited<ReturnType<typeof withAlice>>;
  beforeAll(async () => {
    await new Promise<void>((listening) => trap.listen(0, '127.0.0.1', listening));
    alice = await withAlice(scene);
  });
  afterAll(() => new Promise((closed) => trap.close(closed).closeAllConnections()));

  const at = () => Math.floor(scene.clock.now() / 1000);
  const trapUrl = () => `http://127.0.0.1:${(trap.address() as AddressInfo).port}`;
  function baseOf(payload: Record<string, unknown>, kid = 'k1', key: KeyObject = privateKey): Base {
    const iat = at();
    return {
      header: { alg: 'ES256', kid },
      payload: { aud: scene.issuer, iat, nbf: iat, exp: iat + 60, jti: 'vector', ...payload },
      key,
      publicKey: createPublicKey(key),
      known: clients.map(({ client_secret, client_id }) => String(client_secret ?? client_id)),
      trap: trapUrl(),
    };
  }
  const helpdesk = (form: Record<string, string>) =>
    scene.client('helpdesk').post('/bc-authorize', { scope: 'openid', ...form });

  const places = {
    request: {
      base: () => baseOf({ iss: 'signer', scope: 'openid', login_hint: 'alice' }),
      send: (request: string) => scene.client('signer').post('/bc-authorize', { request }),
      refused: [400, 413],
    },
    login_hint_token: {
      base: () => baseOf({ iss: hintIssuer, sub_id: { format: 'email', email: 'alice@example.test' } }),
      send: (login_hint_token: string) => helpdesk({ login_hint_token }),
      refused: [400, 413],
    },
    id_token_hint: {
      base() {
        const { kid, privateJwk } = scene.serverKeys.current('oidc', 'ES256');
        const own = createPrivateKey({ key: privateJwk, format: 'jwk' });
        return baseOf({ iss: scene.issuer, sub: alice.user.id, aud: 'helpdesk' }, kid, own);
      },
      send: (id_token_hint: string) => helpdesk({ id_token_hint }),
      refused: [400, 413],
    },
    client_assertion: {
      base: () => baseOf({ iss: 'asserting', sub: 'asserting' }),
      send: (client_assertion: string) =>
        scene.send('POST', '/bc-authorize', {
          body: new URLSearchParams({
            scope: 'openid',
            login_hint: 'alice',
            client_assertion,
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          }),
        }),
      refused: [400, 401, 413],
    },
  };

  test.each(Object.entries(places))('as %s', async (_name, { base, send, refused }) => {
    const vectors = attacksOn(base());
    expect(vectors.length).toBeGreaterThan(150);
    const accepted: string[] = [];
    for (const [name, jwt] of vectors) {
      const { status, body } = await send(jwt);
      if (!refused.includes(status) || !/^invalid_(request|client)$/.test(body.error))
        accepted.push(`${name}: ${status}`);
    }
    expect(accepted).toEqual([]);
    expect(calls).toBe(0);
    // and the one that is as it should be is taken
    const good = await send(await signedAsIs(base()));
    expect(good.status).toBe(200);
  });

  test('TH-09 a message of the device protocol is none of these, whoever signed it', async () => {
    for (const typ of ['assent-request+jwt', 'assent-proof+jwt', 'assent-evidence+jwt', 'assent-challenge+jwt']) {
      for (const [name, { base, send, refused }] of Object.entries(places)) {
        const { header, ...rest } = base();
        const { status } = await send(await signedAsIs({ ...rest, header: { ...header, typ } }));
        expect([name, typ, refused.includes(status)]).toEqual([name, typ, true]);
      }
    }
  });
});

function signedAsIs({ header, payload, key }: Base): Promise<string> {
  return new SignJWT({ ...payload, jti: crypto.randomUUID() }).setProtectedHeader(header as never).sign(key);
}
