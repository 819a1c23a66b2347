/** What the person reads of what a client gets by their approval, and whom the `claims` parameter may name. */
import { openOperationContext } from '../../src/domain/context.ts';
import { pairwiseSubject } from '../../src/protocol/subjects.ts';
import { partitionOf } from '../../src/support/ids.ts';
import { enroll, newUser } from '../domain/scene.ts';
import { asserting, assertingClient, newKeys } from './assertion-client.ts';
import { countRoundTrips } from './round-trips.ts';
import { type Alice, aClient, answer, claimsOf, protocolForAll, type Reply, settings, withAlice } from './scene.ts';

const payment = { type: 'payment', schema: { properties: {} }, display: { en: 'Pay.', nl: 'Betaal.' } };
const withTypes = {
  ...settings,
  authorizationDetails: [payment],
  resources: [{ indicator: 'https://api.bank.example', audience: 'bank-api', scopes: ['accounts'], format: 'opaque' }],
} as const;
const keys = await newKeys();
const clients = [
  aClient('helpdesk', { authorization_details_types: ['payment'] }),
  aClient('narrow', { scope: 'openid phone' }),
  aClient('blind', { assent_unknown_user: 'decoy' }),
  assertingClient('pairwise', keys, {
    subject_type: 'pairwise',
    jwks: undefined,
    jwks_uri: 'https://pairwise.example/jwks',
  }),
];

const scene = protocolForAll({
  clients,
  settings: withTypes,
  cap: { perClient: 0, policy: 'replace', perUser: 0 },
  overrides: () => ({ fetch: async () => Response.json({ keys: [keys.publicJwk] }) }),
});
let alice: Alice;
beforeAll(async () => {
  alice = await withAlice(scene);
});

async function operationOf({ body }: Reply) {
  return (await scene.store.operations.get(scene.operationIdOf(body.auth_req_id)))!;
}

async function shownFor(params: Record<string, string>, client = 'helpdesk') {
  const reply = await scene.client(client).authenticate(params);
  return JSON.parse(openOperationContext(scene.secrets, await operationOf(reply))!);
}
const textFor = async (params: Record<string, string>, client?: string) =>
  (await shownFor(params, client)).context?.text;

const wanted = (claims: object) => JSON.stringify({ id_token: claims });

describe('S-03 the signed context names what the client gets', () => {
  test('S-03 scopes, in the person’s language', async () => {
    expect(await textFor({ scope: 'openid email offline_access' })).toBe(
      'Met uw goedkeuring krijgt The helpdesk: uw e-mailadres, toegang terwijl u er niet bent, tot u die intrekt.',
    );
    const user = await newUser(scene.scene, { username: 'kim' });
    await enroll(scene.scene, user);
    expect(await textFor({ scope: 'openid profile phone', login_hint: 'kim' })).toBe(
      'Approving gives The helpdesk: your name, user name and language, your phone number.',
    );
  });

  test('S-03 single claims, beside the scopes that do not bring them already, and none that the client may not have', async () => {
    const claims = JSON.stringify({
      id_token: { email: null, phone_number: { essential: true }, acr: null, shoe_size: null },
      userinfo: { locale: null, email: null },
    });
    expect(await textFor({ claims })).toBe(
      'Met uw goedkeuring krijgt The helpdesk: uw taal, uw e-mailadres, uw telefoonnummer.',
    );
    expect(await textFor({ scope: 'openid email', claims })).toBe(
      'Met uw goedkeuring krijgt The helpdesk: uw e-mailadres, uw taal, uw telefoonnummer.',
    );
    expect(await textFor({ claims }, 'narrow')).toBe('Met uw goedkeuring krijgt The narrow: uw telefoonnummer.');
  });

  test('S-03 a resource and its scopes, however it is named', async () => {
    const text =
      'Met uw goedkeuring krijgt The helpdesk: toegang met de naam “accounts”, toegang tot https://api.bank.example.';
    expect(await textFor({ scope: 'openid accounts', resource: 'https://api.bank.example' })).toBe(text);
    expect(await textFor({ scope: 'openid accounts', audience: 'bank-api' })).toBe(text);
    // without the resource it is not granted
    expect(await textFor({ scope: 'openid accounts' })).toBeUndefined();
  });

  test('S-03 nothing where there is nothing but that it is them, and what a detail says is not said twice', async () => {
    const nothing: Record<string, string>[] = [{}, { claims: wanted({ acr: null, sub: null, email_verified: null }) }];
    for (const params of nothing) {
      expect(await shownFor(params)).not.toHaveProperty('context');
    }
    const authorization_details = '[{"type":"payment"}]';
    const paying = await shownFor({ authorization_details });
    expect(paying).toMatchObject({ transaction: { texts: ['Betaal.'] } });
    expect(paying).not.toHaveProperty('context');
    expect((await shownFor({ authorization_details, scope: 'openid email' })).context).toEqual({
      text: 'Met uw goedkeuring krijgt The helpdesk: uw e-mailadres.',
    });
  });

  test('S-03 TH-04 for nobody it is written as well, with the same work', async () => {
    const trips = countRoundTrips(scene.store);
    const ask = async (login_hint: string) => {
      trips.taken();
      const reply = await scene.client('blind').authenticate({ login_hint, scope: 'openid email' });
      // looking for them is a matter of its own (who-is-meant)
      const calls = trips.taken().filter((call) => !call.startsWith('users.'));
      const context = openOperationContext(scene.secrets, await operationOf(reply))!;
      return { calls, members: Object.keys(reply.body), text: JSON.parse(context).context.text };
    };
    const known = await ask('alice');
    const unknown = await ask('nobody');
    expect(unknown.text).toBe('Approving gives The blind: your e-mail address.');
    expect(unknown).toEqual({ ...known, text: unknown.text });
  });
});

describe('OIDC Core 5.5.1 a sub that claims asks for', () => {
  const somebodyElse = wanted({ sub: { value: `${'0'.repeat(2)}${'x'.repeat(22)}` } });
  const error = ({ status, body }: Reply) => [status, body.error];

  test('is the person of the hint, or the request is refused', async () => {
    const { body } = await scene
      .client('helpdesk')
      .authenticate({ claims: wanted({ sub: { value: alice.user.id, essential: true } }) });
    await answer(scene, alice, body.auth_req_id);
    const tokens = await scene.client('helpdesk').poll(body.auth_req_id);
    expect(claimsOf(tokens.body.id_token)['sub']).toBe(alice.user.id);

    const userinfo = JSON.stringify({ userinfo: { sub: { values: ['x', 'y'] } } });
    for (const claims of [somebodyElse, userinfo, wanted({ sub: { value: 7 } }), wanted({ sub: { value: null } })]) {
      expect([claims, ...error(await scene.client('helpdesk').authenticate({ claims }))]).toEqual([
        claims,
        400,
        'invalid_request',
      ]);
    }
    const oneOf = wanted({ sub: { values: ['x', alice.user.id] } });
    expect((await scene.client('helpdesk').authenticate({ claims: oneOf })).status).toBe(200);
  });

  test('is the sub that this client knows', async () => {
    const client = asserting(scene, 'pairwise', keys);
    const ask = (value: string) => client.authenticate({}, { claims: wanted({ sub: { value } }) });
    const sub = pairwiseSubject(scene.secrets, 'pairwise.example', alice.user.id);
    expect((await ask(sub)).status).toBe(200);
    expect(error(await ask(alice.user.id))).toEqual([400, 'invalid_request']);
    expect(error(await ask(pairwiseSubject(scene.secrets, 'elsewhere.example', alice.user.id)))).toEqual([
      400,
      'invalid_request',
    ]);
  });

  test('TH-04 that is somebody else is asked of nobody where the client must not know who exists', async () => {
    const ask = (login_hint: string) => scene.client('blind').authenticate({ login_hint, claims: somebodyElse });
    const [known, unknown] = [await ask('alice'), await ask('nobody')];
    for (const reply of [known, unknown]) {
      expect(reply.status).toBe(200);
      expect((await operationOf(reply)).userId).not.toBe(alice.user.id);
    }
    expect(partitionOf((await operationOf(known)).userId)).toBe(partitionOf(alice.user.id));
  });
});
