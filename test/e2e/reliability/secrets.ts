/** Promise 9: what the store and the log hold is useless to whoever reads it. Called once for each store. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beginEnrollment, codeOf, memoryStorage } from '../../../src/device-sdk/index.ts';
import { createVirtualClient } from '../../support/reliability/clients.ts';
import { type Deployment, deploy, type StoreKind } from '../../support/reliability/deployment.ts';
import { createHistory } from '../../support/reliability/history.ts';
import { createPhone, manage } from '../../support/reliability/phones.ts';

const canary = {
  bindingMessage: 'canary-binding-message',
  pin: '70316482',
  wrongPin: '58203917',
  phone: '+31687654321',
  email: 'canary-mail@example.test',
  externalRef: 'canary-external-ref',
  name: 'Canary Person',
  attribute: 'canary-attribute',
  afterEnrollment: 'canary-after-enrollment',
  wrongCode: '86420975',
  wrongSecret: 'canary-wrong-secret-0123456789-0123456789',
};

export function secretsAtRest(kind: StoreKind): void {
  let deployment: Deployment;
  /** name → what must not be found anywhere */
  let secrets: Record<string, string>;

  beforeAll(async () => {
    // with everything on that keeps a secret
    const device = { pin: { proofRetention: 'sealed' } };
    deployment = await deploy(kind, { config: { log: { level: 'debug' }, device } });
    secrets = { ...canary, ...(await wholeFlow(deployment)) };
  }, 60_000);
  afterAll(async () => deployment?.[Symbol.asyncDispose]());

  describe('promise 9: secrets at rest are useless if read', () => {
    test('S-12 nothing in the files of the store is a secret, the auth_req_id among them, or tells whom it is about', () => {
      const files = storeFiles(deployment);
      expect(files.length).toBeGreaterThan(0);
      expect(
        found(
          secrets,
          files.map((file) => readFileSync(file)),
        ),
      ).toEqual([]);
    });

    test('the search itself finds what is there: the name of a client lies open', () => {
      const files = storeFiles(deployment).map((file) => readFileSync(file));
      expect(found({ client: 'shop' }, files)).toEqual(['client']);
    });
  });

  test('nothing in the log at debug level is a secret, and neither is a command line', () => {
    const output = deployment.servers.map((server) => Buffer.from(server.output()));
    expect(output.join('')).toContain('ciba.redeemed');
    expect(found(secrets, output)).toEqual([]);
    const commands = deployment.servers.map((server) => readFileSync(`/proc/${server.pid()}/cmdline`));
    expect(found({ ...secrets, managementKey: deployment.servers[0]!.managementKey }, commands)).toEqual([]);
    for (const line of deployment.servers.flatMap((server) =>
      server
        .output()
        .trim()
        .split('\n')
        .filter((text) => text.startsWith('{')),
    ))
      expect(() => JSON.parse(line)).not.toThrow();
  });
}

/** Everything that has a secret in it, once; also what is refused. @returns the secrets that were made on the way */
async function wholeFlow(deployment: Deployment): Promise<Record<string, string>> {
  const history = createHistory();
  const client = createVirtualClient(deployment, history, 'shop');
  const { id } = await manage(deployment, 'POST', '/users', {
    username: 'canary-user',
    email: canary.email,
    phone: canary.phone,
    external_ref: canary.externalRef,
    name: canary.name,
    attributes: { desk: canary.attribute },
  });
  const ticket = await manage(deployment, 'POST', `/users/${id}/enrollment-tickets`);
  const fragment = new URLSearchParams(new URL(String(ticket['ticket_uri'])).hash.slice(1));
  await guessCode(deployment, canary.wrongCode);
  const postContext = { title: canary.afterEnrollment, text: canary.afterEnrollment };
  const options = { userId: String(id), pin: canary.pin, postContext };
  const phone = await createPhone(deployment, history, 'canary-user', options);
  expect(phone.told).toEqual([postContext]);

  const params = { acr_values: 'urn:assent:acr:two-factor', scope: 'openid profile email phone offline_access' };
  const request = (await client.start(canary.phone, { ...params, binding_message: canary.bindingMessage }))!;
  const view = (await phone.view(canary.bindingMessage))!;
  const wrong = await phone.device.decide(view, { decision: 'approve', pin: canary.wrongPin }).catch(codeOf);
  expect(wrong).toBe('attempt_failed');
  await phone.device.decide(view, { decision: 'approve', pin: canary.pin });
  const opened = await manage(deployment, 'POST', `/operations/${view.op}/pin-proof`, { reason: 'canary-reason' });
  const [, , proofSignature = ''] = String(opened['pin_proof']).split('.');
  const { body } = await client.poll(request);
  expect(body).toHaveProperty('refresh_token');
  const { body: refreshed } = await client.call('/oauth/token', {
    grant_type: 'refresh_token',
    refresh_token: String(body['refresh_token']),
  });
  expect(refreshed).toHaveProperty('access_token');
  const { issuer } = deployment.next();
  const bearer = { headers: { authorization: `Bearer ${refreshed['access_token']}` } };
  expect(await (await fetch(`${issuer}/userinfo`, bearer)).json()).toMatchObject({ email: canary.email });
  await client.call('/oauth/introspect', { token: String(body['access_token']) });
  await fetchWith(issuer, canary.wrongSecret);
  await client.call(`/bc-authorize?auth_req_id=${request.authReqId}`, {}, { method: 'DELETE' });

  return {
    authReqId: request.authReqId,
    ticket: String(fragment.get('t')),
    activationCode: String(ticket['activation_code']).replaceAll(/\W/g, ''),
    activationCodeAsShown: String(ticket['activation_code']),
    accessToken: String(body['access_token']),
    refreshToken: String(body['refresh_token']),
    idToken: String(body['id_token']),
    secondAccessToken: String(refreshed['access_token']),
    secondRefreshToken: String(refreshed['refresh_token']),
    pinProof: String(opened['pin_proof']),
    pinProofSignature: proofSignature,
    pinKey: (opened['pin_key'] as { x: string }).x,
    clientSecret: deployment.servers[0]!.secretOf('shop'),
    basic: Buffer.from(`shop:${deployment.servers[0]!.secretOf('shop')}`).toString('base64'),
  };
}

async function guessCode(deployment: Deployment, activationCode: string): Promise<void> {
  const { issuer, authenticator } = deployment.servers[0]!;
  const source = { authenticatorUrl: authenticator, user: 'canary-user', activationCode };
  const viaPublic: typeof fetch = (input, init) => fetch(`${issuer}${new URL(String(input)).pathname}`, init);
  await expect(beginEnrollment(memoryStorage(), source, { fetch: viaPublic })).rejects.toThrow();
}

async function fetchWith(issuer: string, secret: string): Promise<void> {
  const authorization = `Basic ${Buffer.from(`shop:${secret}`).toString('base64')}`;
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'canary' });
  expect((await fetch(`${issuer}/oauth/token`, { method: 'POST', headers: { authorization }, body })).status).toBe(401);
}

function storeFiles({ kind, servers, redis }: Deployment): string[] {
  if (kind === 'redis') return filesBelow(redis!.folder);
  return filesBelow(servers[0]!.folder).filter((file) => /assent\.db(-wal|-shm)?$/.test(file));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** As it is, and as base64 and hexadecimal would show it. */
function found(secrets: Record<string, string>, haystacks: Buffer[]): string[] {
  const forms = (secret: string) => {
    const bytes = Buffer.from(secret);
    // without the last characters: they depend on what follows
    const base64 = bytes.toString('base64').slice(0, Math.floor(bytes.length / 3) * 4);
    return [secret, bytes.toString('hex'), ...(base64.length >= 12 ? [base64] : [])];
  };
  return Object.entries(secrets)
    .filter(([, secret]) => forms(secret).some((form) => haystacks.some((haystack) => haystack.includes(form))))
    .map(([name]) => name);
}
