import { buildEngine } from '../../src/protocol/provider.ts';
import type { QuickAssertions } from '../../src/protocol/quick-assertions.ts';
import {
  type AssertionOptions,
  assertingClient,
  assertion,
  assertionType,
  type Keys,
  newKeys,
} from './assertion-client.ts';
import { aClient, openProtocol, type ProtocolScene, settings } from './scene.ts';

const algs = ['ES256', 'PS256', 'RS256', 'EdDSA'] as const;
const nobody = { headers: {} };

let scene: ProtocolScene;
let quick: QuickAssertions;
let keys: Record<(typeof algs)[number], Keys>;

beforeAll(async () => {
  keys = Object.fromEntries(await Promise.all(algs.map(async (alg) => [alg, await newKeys(alg)])));
  scene = await openProtocol({
    clients: [
      ...algs.map((alg) => assertingClient(alg, keys[alg])),
      assertingClient('PS256-only', keys.ES256, { token_endpoint_auth_signing_alg: 'PS256' }),
      assertingClient('strict', keys.ES256, { assent_assertion_audience: 'rfc10070' }),
      aClient('secretive', { jwks: { keys: [keys.ES256.publicJwk] } }),
    ],
    settings: { ...settings, clientAuthentication: { ...settings.clientAuthentication, signingAlgs: [...algs] } },
  });
  quick = buildEngine(scene.deps, new WeakMap()).quickAssertions;
});
afterAll(() => scene.close());

const form = (client_assertion: string, more: Record<string, string> = {}) => ({
  client_assertion,
  client_assertion_type: assertionType,
  ...more,
});
const right = (client: string, own = keys.ES256, options: AssertionOptions = {}) =>
  assertion(client, own, scene.issuer, options);

test.each(algs)('%s: what is right is seen at once, and once only', async (alg) => {
  const presented = form(await right(alg, keys[alg]), { client_id: alg });
  expect((await quick.clientOf(nobody, presented))?.clientId).toBe(alg);
  await expect(quick.clientOf(nobody, presented)).rejects.toMatchObject({ error: 'invalid_client' });
});

test('of twenty at the same time one is right', async () => {
  const presented = form(await right('ES256'));
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => quick.clientOf(nobody, presented)));
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

describe('what is not right, or not plain, is left to the engine, and its jti is still good', () => {
  const now = () => Math.floor(scene.clock.now() / 1000);
  const jti = 'still-good';
  const claimed = (claims: Record<string, unknown>) => right('ES256', keys.ES256, { claims: { jti, ...claims } });
  const headed = (header: Record<string, unknown>, client = 'ES256') =>
    right(client, keys.ES256, { header, claims: { jti } });
  const parts = async () => (await claimed({})).split('.') as [string, string, string];
  const text = (part: string) => Buffer.from(part, 'base64url').toString();
  const part = (value: string) => Buffer.from(value).toString('base64url');

  const cases: Record<string, () => Promise<string> | string> = {
    'signed by another key': async () =>
      right('ES256', keys.ES256, { signer: await newKeys('ES256'), claims: { jti } }),
    'a flipped bit in the signature': async () => {
      const [head, body, tail] = await parts();
      const bytes = Buffer.from(tail, 'base64url');
      bytes[9]! ^= 1;
      return `${head}.${body}.${bytes.toString('base64url')}`;
    },
    'a signature of zeros': async () =>
      (await parts())
        .slice(0, 2)
        .join('.')
        .concat(`.${part('\0'.repeat(64))}`),
    'a signature that is cut short': async () => (await claimed({})).slice(0, -4),
    'another payload under the signature': async () => {
      const [head, body, tail] = await parts();
      return `${head}.${part(text(body).replace('"exp":', '"EXP":1,"exp":'))}.${tail}`;
    },
    'alg none': async () => {
      const [, body] = await parts();
      return `${part('{"alg":"none"}')}.${body}.`;
    },
    'an algorithm of another kind of key': () => headed({ alg: 'ES256' }, 'RS256'),
    'an algorithm that the client is not registered for': () => headed({}, 'PS256-only'),
    'critical headers': async () => {
      const [head, body, tail] = await parts();
      return `${part(text(head).replace('{', '{"crit":["x"],"x":1,'))}.${body}.${tail}`;
    },
    'a kid that nobody has': () => headed({ kid: 'another' }),
    'a type for something else': () => headed({ typ: 'oauth-authz-req+jwt' }),
    'no exp': () => claimed({ exp: undefined }),
    'an exp that is a text': () => claimed({ exp: String(now() + 60) }),
    over: () => claimed({ exp: now() - 10 }),
    'good for too long': () => claimed({ exp: now() + 90_000 }),
    'not yet': () => claimed({ nbf: now() + 11 }),
    'no jti': () => claimed({ jti: undefined }),
    'a jti that is a number': () => claimed({ jti: 5 }),
    'another issuer': () => claimed({ iss: 'PS256' }),
    'nobody as subject': () => claimed({ sub: undefined }),
    'a subject that is nobody': () => claimed({ sub: 'stranger', iss: 'stranger' }),
    'for somebody else': () => claimed({ aud: 'https://else.example' }),
    'for somebody who is no text': () => claimed({ aud: [scene.issuer, 1] }),
    'for nobody': () => claimed({ aud: [] }),
    'a list, where the issuer alone is wanted': () =>
      right('strict', keys.ES256, {
        claims: { jti, aud: [scene.issuer] },
        header: { typ: 'client-authentication+jwt' },
      }),
    'a member twice': async () => {
      const [head, body, tail] = await parts();
      return `${head}.${part(text(body).replace('{', '{"iss":"PS256",'))}.${tail}`;
    },
    padding: async () => `${await claimed({})}=`,
    'four parts': async () => `${await claimed({})}.x`,
    'no JWT': () => 'abc',
    'of a client with a secret': () => right('secretive', keys.ES256, { claims: { jti } }),
  };

  test.each(Object.entries(cases))('%s', async (_what, make) => {
    expect(await quick.clientOf(nobody, form(await make()))).toBeUndefined();
  });

  test('a second way to say who calls, another kind of assertion, another client_id', async () => {
    const token = await claimed({});
    const others = [
      [{ headers: { authorization: 'Basic eDp5' } }, form(token)],
      [{ headers: { 'oauth-client-attestation': 'x' } }, form(token)],
      [nobody, form(token, { client_secret: 'x' })],
      [nobody, form(token, { client_id: 'RS256' })],
      [nobody, { ...form(token), client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' }],
    ] as const;
    for (const [request, presented] of others) expect(await quick.clientOf(request, presented)).toBeUndefined();
  });

  test('after all that the jti can be used', async () => {
    expect((await quick.clientOf(nobody, form(await claimed({}))))?.clientId).toBe('ES256');
  });
});
