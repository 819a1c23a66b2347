/** Documents that come with a request: who may send them, what they must be, and that nobody approves them unasked. */
import { SignJWT } from 'jose';
import { openDocument, openOperationContext } from '../../src/domain/context.ts';
import { newKeys } from './assertion-client.ts';
import { type Alice, aClient, answer, protocolForAll, type Reply, withAlice } from './scene.ts';

const keys = await newKeys();
const seen: unknown[] = [];
const clients = [
  aClient('helpdesk', { assent_documents: true }),
  aClient('plain'),
  aClient('blind', { assent_documents: true, assent_unknown_user: 'decoy' }),
  aClient('signer', {
    assent_documents: true,
    jwks: { keys: [keys.publicJwk] },
    backchannel_authentication_request_signing_alg: 'ES256',
  }),
];
const scene = protocolForAll({
  clients,
  cap: { perClient: 0, policy: 'replace', perUser: 0 },
  overrides: () => ({
    policy: ({ document }) => {
      seen.push(document);
      return 'allow';
    },
  }),
});
let alice: Alice;
beforeAll(async () => {
  alice = await withAlice(scene);
});

const terms = { title: 'Terms', mime: 'text/plain', content: 'The rate is 4,10 %.\n' };
const ask = (document: unknown, client = 'helpdesk', more: Record<string, string> = {}) =>
  scene.client(client).authenticate({ document: JSON.stringify(document), ...more });

async function contextOf({ body }: Reply) {
  const operation = (await scene.store.operations.get(scene.operationIdOf(body.auth_req_id)))!;
  const sealed = await scene.store.operations.document(operation.id);
  const { context } = operation;
  return {
    operation,
    shown: JSON.parse(openOperationContext(scene.secrets, operation)!),
    content: sealed && openDocument(scene.secrets, { id: operation.id, context: context! }, sealed).toString(),
  };
}

test('a document becomes part of what is signed; its content lies apart, sealed', async () => {
  const reply = await ask(terms);
  expect(reply.status).toBe(200);
  const { operation, shown, content } = await contextOf(reply);
  const document = { title: 'Terms', mime: 'text/plain', size: 20, display: 'text', sha256: expect.any(String) };
  expect(shown).toMatchObject({ kind: 'authorization', purpose: 'authorization', document });
  expect(JSON.stringify(shown)).not.toContain('4,10');
  expect(content).toBe(terms.content);
  expect(JSON.stringify(operation)).not.toContain('Terms');
  expect(await scene.store.operations.document(operation.id)).not.toContain('4,10');
  // the policy learns what it is, not what it says
  expect(seen.at(-1)).toEqual(shown.document);

  await answer(scene, alice, reply.body.auth_req_id);
  expect((await scene.client('helpdesk').poll(reply.body.auth_req_id)).body).toHaveProperty('id_token');
});

test('of a bare hash nothing is kept but the hash', async () => {
  const hash = '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU';
  const { shown, content } = await contextOf(
    await ask({ title: 'Deed', mime: 'application/pdf', content_sha256: hash }),
  );
  expect(shown.document).toEqual({ title: 'Deed', mime: 'application/pdf', sha256: hash, display: 'external' });
  expect(content).toBeUndefined();
});

test('a signed request brings it as an object, under the signature', async () => {
  const iat = Math.floor(scene.clock.now() / 1000);
  const always = {
    iss: 'signer',
    aud: scene.issuer,
    iat,
    nbf: iat,
    exp: iat + 300,
    scope: 'openid',
    login_hint: 'alice',
  };
  const sign = (claims: object) =>
    new SignJWT({ ...always, jti: crypto.randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: keys.publicJwk.kid! })
      .sign(keys.privateKey);
  const post = (params: Record<string, string>) => scene.client('signer').post('/bc-authorize', params);
  expect((await contextOf(await post({ request: await sign({ document: terms }) }))).content).toBe(terms.content);
  const wrong: Record<string, string>[] = [
    { request: await sign({}), document: JSON.stringify(terms) },
    { request: await sign({ document: [terms] }) },
  ];
  for (const params of wrong) {
    expect(await post(params)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  }
});

test('TH-04 where there is nobody to ask, the same is kept of it', async () => {
  const { shown, content } = await contextOf(await ask(terms, 'blind', { login_hint: 'nobody' }));
  expect([shown.document.title, content]).toEqual(['Terms', terms.content]);
});

test.each([
  ['of a client that is not registered to', terms, 'plain', /not registered to send documents/],
  ['that is no object', [terms], 'helpdesk', /document must be a JSON object/],
  ['with a member twice', undefined, 'helpdesk', /document must be a JSON object/],
  ['that would run', { ...terms, mime: 'text/html' }, 'helpdesk', /document\.mime must be one of text\/plain/],
  ['that is too long', { ...terms, content: 'a'.repeat(40_961) }, 'helpdesk', /document\.content must have at most/],
])('a document %s is refused, and nothing starts', async (_name, document, client, text) => {
  const before = (await scene.store.operations.pendingOf(alice.user.id, scene.clock.now())).length;
  const given = document === undefined ? '{"title":"a","title":"b","mime":"text/plain","content":"x"}' : undefined;
  const reply = await ask(document, client, given === undefined ? {} : { document: given });
  expect(reply).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  expect(reply.body.error_description).toMatch(text);
  expect(await scene.store.operations.pendingOf(alice.user.id, scene.clock.now())).toHaveLength(before);
});
