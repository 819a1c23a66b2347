import { openOperationContext } from '../../src/domain/context.ts';
import { by } from '../domain/scene.ts';
import { type Alice, aClient, answer, CIBA, claimsOf, headerOf, protocolForAll, settings, withAlice } from './scene.ts';

const payment = {
  type: 'payment_initiation',
  schema: {
    properties: {
      instructedAmount: {
        type: 'object',
        additionalProperties: false,
        required: ['amount', 'currency'],
        properties: {
          amount: { type: 'string', pattern: '^[0-9]+\\.[0-9]{2}$' },
          currency: { type: 'string', pattern: '^[A-Z]{3}$' },
        },
      },
      creditorName: { type: 'string', maxLength: 70 },
      remittance: { type: 'string' },
    },
    required: ['instructedAmount', 'creditorName'],
  },
  display: {
    en: 'Pay {instructedAmount.amount} {instructedAmount.currency} to {creditorName}',
    nl: 'Betaal {instructedAmount.amount} {instructedAmount.currency} aan {creditorName}',
  },
  amount: '{instructedAmount.amount}',
  currency: '{instructedAmount.currency}',
  payee: '{creditorName}',
};
const access = {
  type: 'account_access',
  schema: { properties: { accounts: { type: 'array', items: { type: 'string' } }, days: { type: 'integer' } } },
  display: { en: 'Read account {accounts.0} for {days} days' },
};
const withTypes = {
  ...settings,
  authorizationDetails: [payment, access],
  resources: [
    { indicator: 'https://api.bank.example', audience: 'bank-api', scopes: ['payments', 'accounts'], format: 'opaque' },
    { indicator: 'https://jwt.bank.example', scopes: ['payments'], format: 'jwt', accessSeconds: 60 },
  ],
} as const;

const types = { authorization_details_types: ['payment_initiation', 'account_access'] };
const clients = [
  aClient('agent', types),
  aClient('payer', { authorization_details_types: ['payment_initiation'] }),
  aClient('plain'),
  // resource servers: they introspect, and nothing else
  aClient('bank-api', { grant_types: [], backchannel_token_delivery_mode: undefined }),
  aClient('jwt-api', { grant_types: [], backchannel_token_delivery_mode: undefined }),
  aClient('gateway', { grant_types: [], backchannel_token_delivery_mode: undefined, assent_introspect: 'any' }),
  aClient('narrow', { scope: 'openid accounts', ...types }),
];

const coffee = {
  type: 'payment_initiation',
  instructedAmount: { amount: '12.50', currency: 'EUR' },
  creditorName: 'Flower shop 花屋',
};
const reading = { type: 'account_access', accounts: ['NL01'], days: 30 };

const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];
const invalid = [400, 'invalid_authorization_details'];

describe('authorization details', () => {
  const scene = protocolForAll({
    clients,
    settings: withTypes,
    cap: { perClient: 0, policy: 'replace', perUser: 0 },
  });
  let alice: Alice;
  beforeAll(async () => {
    alice = await withAlice(scene);
  });

  const ask = (details: unknown, client = 'agent', more: Record<string, string> = {}) =>
    scene.client(client).authenticate({
      authorization_details: typeof details === 'string' ? details : JSON.stringify(details),
      ...more,
    });
  async function tokensFor(details: unknown, more: Record<string, string> = {}) {
    const { body } = await ask(details, 'agent', more);
    await answer(scene, alice, body.auth_req_id);
    return (await scene.client('agent').poll(body.auth_req_id)).body;
  }
  async function shownFor(details: unknown) {
    const { body } = await ask(details);
    const operation = (await scene.store.operations.get(scene.operationIdOf(body.auth_req_id)))!;
    return JSON.parse(openOperationContext(scene.secrets, operation)!);
  }

  test('M-13 the types are published, and nothing where there are none', async () => {
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    expect(body.authorization_details_types_supported).toEqual(['payment_initiation', 'account_access']);
  });

  test('I-09 each detail has a registered type and fits its schema; what is unknown in it is refused', async () => {
    expect((await ask([coffee])).status).toBe(200);
    for (const details of [
      'no json',
      '{}',
      coffee,
      ['payment_initiation'],
      [{}],
      [{ ...coffee, type: 'moon' }],
      [{ ...coffee, type: '__proto__' }],
      [{ ...coffee, type: 7 }],
      [{ ...coffee, tip: '1.00' }],
      [{ ...coffee, creditorName: undefined }],
      [{ ...coffee, instructedAmount: { amount: '12.50', currency: 'EUR', more: 1 } }],
      [{ ...coffee, instructedAmount: { amount: 12.5, currency: 'EUR' } }],
      [coffee, { ...coffee, instructedAmount: { amount: '-1.00', currency: 'EUR' } }],
    ]) {
      expect([details, ...error(await ask(details))]).toEqual([details, ...invalid]);
    }
    expect((await ask('[]')).status).toBe(200);
  });

  test('I-11 a client uses the types that it registered', async () => {
    expect((await ask([coffee], 'payer')).status).toBe(200);
    expect(error(await ask([reading], 'payer'))).toEqual(invalid);
    expect(error(await ask([coffee], 'plain'))).toEqual(invalid);
  });

  test('B12 S-03 the person reads the sentence of the type in their language, and the amount and payee by themselves', async () => {
    const ctx = await shownFor([coffee]);
    expect(ctx).toMatchObject({ kind: 'authorization', purpose: 'authorization' });
    expect(ctx.transaction).toEqual({
      amount: '12.50',
      currency: 'EUR',
      payee: 'Flower shop 花屋',
      texts: ['Betaal 12.50 EUR aan Flower shop 花屋'],
      authorization_details: JSON.stringify([coffee]),
    });
    await scene.users.update(alice.user.id, { language: 'de-AT' }, by);
    expect((await shownFor([coffee, reading])).transaction).toEqual({
      texts: ['Pay 12.50 EUR to Flower shop 花屋', 'Read account NL01 for 30 days'],
      authorization_details: JSON.stringify([coffee, reading]),
    });
    await scene.users.update(alice.user.id, { language: 'nl-BE' }, by);
    expect((await shownFor([coffee])).transaction.texts).toEqual(['Betaal 12.50 EUR aan Flower shop 花屋']);
  });

  test('what belongs on the screen and is not there, or cannot be read, is refused', async () => {
    for (const details of [
      [{ type: 'account_access', days: 30 }],
      [{ type: 'account_access', accounts: [], days: 30 }],
      [{ ...coffee, creditorName: '' }],
      [{ ...coffee, creditorName: 'Flower\nshop' }],
      [{ ...coffee, creditorName: 'Flower \u202e pohs' }],
      Array(17).fill(reading),
      [{ type: 'account_access', accounts: ['x'.repeat(5000)], days: 1 }],
    ]) {
      expect(error(await ask(details))).toEqual(invalid);
    }
  });

  test('B12 I-10 what was shown is what was granted: in the response, the access token and its introspection', async () => {
    const tokens = await tokensFor([coffee]);
    expect(tokens.authorization_details).toEqual([coffee]);
    const client = scene.client('agent');
    expect((await client.introspect(tokens.access_token)).body).toMatchObject({
      active: true,
      authorization_details: [coffee],
    });
    // no resource was named: it is also good for userinfo
    expect((await client.userinfo(tokens.access_token)).status).toBe(200);
    expect(await tokensFor('[]')).not.toHaveProperty('authorization_details');
  });

  test('I-10 the token call may ask for less, and for nothing else', async () => {
    const client = scene.client('agent');
    const { body } = await ask([coffee, reading], 'agent');
    await answer(scene, alice, body.auth_req_id);
    const grant = { grant_type: CIBA, auth_req_id: body.auth_req_id };
    const poll = (details: string) => client.post('/oauth/token', { ...grant, authorization_details: details });
    const more = { ...coffee, instructedAmount: { amount: '99.00', currency: 'EUR' } };
    // what was approved once is not granted twice
    const twice = JSON.stringify([coffee, reading, coffee]);
    for (const wrong of [JSON.stringify([more]), twice, '{', '"x"']) expect(error(await poll(wrong))).toEqual(invalid);
    const tokens = (await poll(JSON.stringify([reading]))).body;
    expect(tokens.authorization_details).toEqual([reading]);
    expect((await client.introspect(tokens.access_token)).body.authorization_details).toEqual([reading]);
  });

  test('I-10 a refresh may ask for less, and for nothing else', async () => {
    const { refresh_token } = await tokensFor([coffee, reading], { scope: 'openid offline_access' });
    const client = scene.client('agent');
    const refresh = (token: string, details?: unknown) =>
      client.refresh(token, details ? { authorization_details: JSON.stringify(details) } : {});
    const less = (await refresh(refresh_token, [reading])).body;
    expect(less.authorization_details).toEqual([reading]);
    expect((await client.introspect(less.access_token)).body.authorization_details).toEqual([reading]);
    const all = (await refresh(less.refresh_token)).body;
    expect(all.authorization_details).toEqual([coffee, reading]);
    const more = { ...coffee, instructedAmount: { amount: '99.00', currency: 'EUR' } };
    for (const wrong of [[more], [coffee, coffee]])
      expect(error(await refresh(all.refresh_token, wrong))).toEqual(invalid);
  });

  test('R-21 B11 a resource server is named by resource or audience, and the token is for it', async () => {
    const client = scene.client('plain');
    for (const target of [
      { resource: 'https://api.bank.example' },
      { audience: 'bank-api' },
      { audience: 'https://api.bank.example' },
    ]) {
      const { body } = await client.authenticate({ scope: 'openid payments moon', ...target } as never);
      await answer(scene, alice, body.auth_req_id);
      const tokens = (await client.poll(body.auth_req_id)).body;
      expect(tokens.scope).toBe('payments');
      expect((await client.introspect(tokens.access_token)).body).toMatchObject({ aud: 'bank-api', scope: 'payments' });
      expect((await client.userinfo(tokens.access_token)).status).toBe(403);
    }
  });

  test('RFC 7662 a token is the business of its client, of its resource server, and of who may see all; to others it is inactive', async () => {
    const client = scene.client('plain');
    const { body } = await client.authenticate({
      scope: 'openid offline_access payments',
      audience: 'bank-api',
    } as never);
    await answer(scene, alice, body.auth_req_id);
    const tokens = (await client.poll(body.auth_req_id)).body;
    const seen = async (token: string) => {
      const names = ['plain', 'bank-api', 'gateway', 'payer', 'jwt-api'];
      const answers = await Promise.all(names.map((name) => scene.client(name).introspect(token)));
      for (const { status, body } of answers)
        expect([status, body.active ? 200 : body]).toEqual([200, body.active ? 200 : { active: false }]);
      return names.filter((_, i) => answers[i]!.body.active);
    };
    expect(await seen(tokens.access_token)).toEqual(['plain', 'bank-api', 'gateway']);
    expect(await seen(tokens.refresh_token)).toEqual(['plain', 'gateway']);
    expect(await seen('nobody-has-this')).toEqual([]);
  });

  test('R-21 targets that nobody knows, and several at once, are refused', async () => {
    const client = scene.client('plain');
    for (const target of [
      { resource: 'https://x.example' },
      { resource: 'not a uri' },
      { resource: 'https://api.bank.example#x' },
      { audience: 'somebody' },
    ]) {
      expect([target, ...error(await client.authenticate(target as never))]).toEqual([target, 400, 'invalid_target']);
    }
    const two: [string, string][] = [
      ['scope', 'openid'],
      ['login_hint', 'alice'],
      ['resource', 'https://api.bank.example'],
      ['resource', 'https://jwt.bank.example'],
    ];
    expect(error(await client.post('/bc-authorize', two))).toEqual([400, 'invalid_target']);
    const narrow = scene.client('narrow');
    const resource = 'https://api.bank.example';
    expect((await narrow.authenticate({ scope: 'openid accounts', resource })).status).toBe(200);
    expect(error(await narrow.authenticate({ scope: 'openid payments', resource }))).toEqual([400, 'invalid_scope']);
  });

  test('TH-09 an access token in the form of a JWT says so, and carries the details; it is no ID token', async () => {
    const tokens = await tokensFor([coffee], { scope: 'openid payments', resource: 'https://jwt.bank.example' });
    expect(headerOf(tokens.access_token)).toMatchObject({ typ: 'at+jwt' });
    expect(claimsOf(tokens.access_token)).toMatchObject({
      aud: 'https://jwt.bank.example',
      authorization_details: [coffee],
      scope: 'payments',
    });
    expect(tokens.expires_in).toBe(60);
    const hint = { scope: 'openid', id_token_hint: tokens.access_token };
    const client = scene.client('agent');
    expect(error(await client.post('/bc-authorize', hint))).toEqual([400, 'invalid_request']);
    expect((await client.userinfo(tokens.id_token)).status).toBe(401);
    const introspected = await client.introspect(tokens.id_token);
    expect(introspected.body.active ?? false).toBe(false);
  });

  test('T-22 B12 one in the form of a JWT is introspected and taken back as others are, by those who may', async () => {
    const { access_token: jwt } = await tokensFor([coffee], {
      scope: 'openid payments',
      resource: 'https://jwt.bank.example',
    });
    const client = scene.client('agent');
    const { jti, iat, exp, sub } = claimsOf(jwt);
    for (const asking of ['agent', 'gateway']) {
      expect((await scene.client(asking).introspect(jwt)).body).toEqual({
        active: true,
        ...{ jti, iat, exp, sub, iss: scene.issuer, aud: 'https://jwt.bank.example' },
        ...{ client_id: 'agent', scope: 'payments', token_type: 'Bearer', authorization_details: [coffee] },
      });
    }
    const inactive = { status: 200, body: { active: false } };
    const other = `${jwt.slice(0, -4)}AAAA`;
    expect(await client.introspect(other)).toMatchObject(inactive);
    expect(await scene.client('plain').introspect(jwt)).toMatchObject(inactive);
    await scene.users.lock(alice.user.id, by);
    expect(await client.introspect(jwt)).toMatchObject(inactive);
    await scene.users.unlock(alice.user.id, by);
    expect((await client.userinfo(jwt)).status).toBe(401);

    expect(error(await scene.client('plain').revoke(jwt))).toEqual([400, 'invalid_request']);
    expect((await client.introspect(jwt)).body.active).toBe(true);
    // RFC 7009 2.2: what is no token of ours has been taken back already
    for (const each of [jwt, jwt, other]) expect((await client.revoke(each)).status).toBe(200);
    expect(await client.introspect(jwt)).toMatchObject(inactive);
  });
});

describe('what the ID token says', () => {
  const scene = protocolForAll({ clients, settings: withTypes });
  let alice: Alice;
  beforeAll(async () => {
    alice = await withAlice(scene);
  });
  async function claims(params: Record<string, string>, client = 'plain') {
    const { status, body } = await scene.client(client).authenticate(params);
    if (status !== 200) return body;
    await answer(scene, alice, body.auth_req_id);
    return claimsOf((await scene.client(client).poll(body.auth_req_id)).body.id_token);
  }
  const possession = 'urn:assent:acr:possession';
  const twoFactor = 'urn:assent:acr:two-factor';

  test('R-12 acr is one of those that were asked for', async () => {
    expect((await claims({ acr_values: twoFactor }))['acr']).toBe(twoFactor);
    expect((await claims({ acr_values: `${possession} ${twoFactor}` }))['acr']).toBe(twoFactor);
    // two factors were proved, possession is what was asked for and proved as well
    expect((await claims({ acr_values: `urn:moon ${possession}` }))['acr']).toBe(possession);
    const acr = { id_token: { acr: { essential: true, values: [possession] } } };
    expect((await claims({ claims: JSON.stringify(acr) }))['acr']).toBe(possession);
    const moon = { id_token: { acr: { essential: true, value: 'urn:moon' } } };
    expect((await claims({ claims: JSON.stringify(moon) }))['error']).toBe('invalid_request');
  });

  test('the claims parameter brings single claims, within the scopes that the client may have', async () => {
    const wanted = JSON.stringify({ id_token: { email: null, phone_number: { essential: true } } });
    expect(await claims({ claims: wanted })).toMatchObject({
      email: 'alice@example.test',
      phone_number: '+31612345678',
    });
    const narrow = await claims({ claims: wanted }, 'narrow');
    expect(narrow).not.toHaveProperty('email');
    for (const bad of ['no json', '[]', '{}', '{"id_token":7}']) {
      expect((await claims({ claims: bad }))['error']).toBe('invalid_request');
    }
  });
});
