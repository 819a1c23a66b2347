/**
 * The SDKs that agents are built with, as npm publishes them: they know `/bc-authorize` and `/oauth/token` by heart, and get
 * nothing from us but a domain. Their programs are in `sdk/`.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createAuthority } from '../support/certificates.ts';
import { freePorts } from '../support/ports.ts';
import { inherited, repository, startServer, type TestServer } from '../support/server.ts';
import { temporaryFolder } from '../support/tmp.ts';

const audience = 'https://payments.example.test';
const authority = createAuthority();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: TestServer;
let domain: string;
let userId: string;

beforeAll(async () => {
  folder = await temporaryFolder('assent-sdk');
  const at = (name: string) => join(folder.path, name);
  const issued = authority.issue({ name: 'localhost' });
  writeFileSync(at('cert.pem'), issued.cert);
  writeFileSync(at('key.pem'), issued.key);
  writeFileSync(at('ca.pem'), authority.cert);
  const [port = 0] = await freePorts(1);
  domain = `localhost:${port}`;
  server = await startServer({
    config: {
      issuer: `https://${domain}`,
      tls: { port, certificate: at('cert.pem'), key: at('key.pem') },
      ciba: { intervalSeconds: 2 },
      resources: [{ indicator: audience, scopes: ['payments:write'], format: 'jwt' }],
    },
  });
  userId = await aliceWithPhone();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder.remove();
});

/** The simulator's management calls are its own; here it is the person. */
async function aliceWithPhone(): Promise<string> {
  const headers = { authorization: `Bearer ${server.managementKey}` };
  const answer = await fetch(`${server.management}/management/v1/users?username=alice`, { headers });
  const { items } = (await answer.json()) as { items: { id: string }[] };
  const added = await fetch(`${server.issuer}/simulator/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'alice', methods: ['pin'] }),
  });
  expect(added.status).toBe(201);
  return items[0]!.id;
}

/** A process of its own, which trusts our authority as any program would be told to. */
async function run(program: string): Promise<Record<string, Record<string, unknown>>> {
  const env = {
    ...inherited(),
    DOMAIN: domain,
    CLIENT_ID: 'demo-agent',
    CLIENT_SECRET: server.secretOf('demo-agent'),
    USER_ID: userId,
    NODE_EXTRA_CA_CERTS: join(folder.path, 'ca.pem'),
  };
  const { stdout } = await promisify(execFile)(process.execPath, [join(repository, 'test/e2e/sdk', program)], { env });
  const lines = stdout.trim().split('\n');
  return Object.assign({}, ...lines.map((line) => JSON.parse(line)));
}

const claimsOf = (jwt: unknown) => JSON.parse(Buffer.from(String(jwt).split('.')[1]!, 'base64url').toString());

const payment = (amount: string, creditorName: string) => [
  { type: 'payment_initiation', instructedAmount: { amount, currency: 'EUR' }, creditorName },
];

test('B11 auth0: the backchannel methods ask, poll and get tokens, with user, audience and details as they send them', async () => {
  const said = await run('backchannel.mjs');
  expect(said['started']).toEqual({ auth_req_id: expect.any(String), expires_in: 120, interval: 2 });
  expect(said['first']).toMatchObject({ error: 'authorization_pending', status: 400 });
  expect(said['tooFast']).toMatchObject({ error: 'slow_down', status: 400, retryAfter: '7' });
  expect(said['tokens']).toMatchObject({
    token_type: 'Bearer',
    expires_in: expect.any(Number),
    authorization_details: payment('12.50', 'Merchant A'),
  });
  expect(claimsOf(said['tokens']!['id_token'])).toMatchObject({
    iss: `https://${domain}`,
    sub: userId,
    aud: 'demo-agent',
  });
  expect(claimsOf(said['tokens']!['access_token'])).toMatchObject({
    aud: audience,
    sub: userId,
    scope: 'payments:write',
    authorization_details: payment('12.50', 'Merchant A'),
  });
  expect(said['again']).toMatchObject({ error: 'invalid_grant', status: 400 });
  expect(said['denied']).toMatchObject({ error: 'access_denied', status: 400 });
  expect(said['unknown']).toMatchObject({ error: 'unknown_user_id', status: 400 });
});

test('B11 @auth0/auth0-auth-js: asks and gets tokens, which it validates with our discovery and keys', async () => {
  const said = await run('auth-client.mjs');
  expect(said['started']).toEqual({ authReqId: expect.any(String), expiresIn: 120, interval: 2 });
  expect(said['pending']).toMatchObject({ error: 'authorization_pending' });
  expect(said['tokens']).toMatchObject({
    claims: { iss: `https://${domain}`, sub: userId },
    authorizationDetails: payment('12.50', 'Merchant A'),
  });
  expect(claimsOf(said['tokens']!['accessToken'])).toMatchObject({ aud: audience, scope: 'payments:write' });
  expect(said['denied']).toMatchObject({ error: 'access_denied' });
});

test('B11 @auth0/ai: a tool waits, is interrupted and resumed, or is refused, as the person decides', async () => {
  const said = await run('agent.cjs');
  expect(said['request']).toMatchObject({ id: expect.any(String), expiresIn: 120, interval: 2 });
  expect(said['blocking']).toMatchObject({ ordered: 7 });
  expect(claimsOf(said['blocking']!['token'])).toMatchObject({
    aud: audience,
    sub: userId,
    authorization_details: payment('7.00', 'Broker'),
  });
  expect(said['interrupt']).toEqual({ code: 'ASYNC_AUTHORIZATION_AUTHORIZATION_PENDING', isPending: true });
  expect(said['resumed']).toMatchObject({ ordered: 8, token: expect.any(String) });
  expect(said['refused']).toEqual({ code: 'ASYNC_AUTHORIZATION_ACCESS_DENIED', isDenial: true });
});
