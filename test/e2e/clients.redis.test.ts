import { createPublicKey, type JsonWebKey, randomBytes, verify } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { type Deployment, deploy } from '../support/reliability/deployment.ts';
import { createHistory } from '../support/reliability/history.ts';
import { createPhone, type VirtualPhone } from '../support/reliability/phones.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { requireSystem } from '../support/system.ts';

const ciba = 'urn:openid:params:grant-type:ciba';
const poller = { client_name: 'Kiosk', grant_types: [ciba, 'refresh_token'], backchannel_token_delivery_mode: 'poll' };

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says in its expectation what it expects
  body: any;
}

async function answerOf(reply: Response): Promise<Answer> {
  const text = await reply.text();
  return { status: reply.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** The public listener of one of two processes, as a client calls it. */
function clientAt({ issuer }: TestServer, id: string, secret: string) {
  const authorization = `Basic ${btoa(`${id}:${secret}`)}`;
  const post = async (path: string, params: Record<string, string>) =>
    answerOf(
      await fetch(issuer + path, { method: 'POST', headers: { authorization }, body: new URLSearchParams(params) }),
    );
  return {
    // her phone has no PIN
    start: (binding_message = 'hello') =>
      post('/bc-authorize', { scope: 'openid offline_access', login_hint: 'carol', binding_message, acr_values }),
    poll: (auth_req_id: string) => post('/oauth/token', { grant_type: ciba, auth_req_id }),
    refresh: (refresh_token: string) => post('/oauth/token', { grant_type: 'refresh_token', refresh_token }),
  };
}

async function manage({ management, managementKey }: TestServer, method: string, path: string, body?: object) {
  return answerOf(
    await fetch(`${management}/management/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${managementKey}`, ...(body && { 'content-type': 'application/json' }) },
      body: body ? JSON.stringify(body) : null,
    }),
  );
}

const acr_values = 'urn:assent:acr:possession';

/** Asks until the answer is as it must become; the deadline of the test ends a wait that is too long. */
async function until(ask: () => Promise<Answer>, fits: (answer: Answer) => boolean): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
  }
}

interface KeySet {
  keys: (JsonWebKey & { kid: string })[];
}

/** The key of the set that signed it (ES256). */
function verifiedBy(token: string, { keys }: KeySet): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString());
  const jwk = keys.find((each) => each.kid === kid);
  const key = createPublicKey({ key: jwk!, format: 'jwk' });
  const signed = Buffer.from(`${header}.${payload}`);
  expect(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))).toBe(true);
  return kid;
}

const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());

requireSystem('redis-server')('two processes on one Redis', () => {
  let deployment: Deployment;
  let one: TestServer;
  let other: TestServer;
  let phone: VirtualPhone;
  beforeAll(async () => {
    deployment = await deploy('redis');
    [one, other] = deployment.servers as [TestServer, TestServer];
    phone = await createPhone(deployment, createHistory(), 'carol');
  }, 60_000);
  afterAll(async () => deployment[Symbol.asyncDispose]());

  async function newClient() {
    const { body } = await manage(one, 'POST', '/clients', poller);
    const { client_id: id, client_secret: secret } = body;
    return { id, secret, here: clientAt(one, id, secret), there: clientAt(other, id, secret) };
  }
  let requests = 0;
  /** A request that the person approves. */
  async function approved(client: ReturnType<typeof clientAt>): Promise<string> {
    const name = `request ${requests++}`;
    const { status, body } = await client.start(name);
    expect(status).toBe(200);
    expect(await phone.decide(name, 'approve')).toMatchObject({ outcome: 'acknowledged' });
    return body.auth_req_id;
  }

  test('a client that one process registers is known to the other, and what the one switches off stops at both: start, poll, redemption, refresh', async () => {
    const { id, here, there } = await newClient();
    // an id that nobody has is remembered nowhere, so a new client is there at once
    const tokens = await here.poll(await approved(there));
    expect(tokens.status).toBe(200);
    const pending = (await here.start()).body.auth_req_id;
    await here.poll(pending);
    await there.poll(pending);

    expect((await manage(one, 'POST', `/clients/${id}/deactivate`)).status).toBe(200);
    const isRefused = ({ status, body }: Answer) => status === 401 && body.error === 'invalid_client';
    for (const client of [here, there]) {
      await until(() => client.poll(pending), isRefused);
      expect(isRefused(await client.start())).toBe(true);
      expect(isRefused(await client.refresh(tokens.body.refresh_token))).toBe(true);
    }
    await manage(other, 'POST', `/clients/${id}/activate`);
    for (const client of [here, there])
      await until(
        () => client.start(),
        ({ status }) => status === 200,
      );
  });

  test('a secret that one process makes opens the other, and the former one closes', async () => {
    const { id, here, there } = await newClient();
    expect((await there.start()).status).toBe(200);
    const { body } = await manage(one, 'POST', `/clients/${id}/secret`);
    await until(
      () => clientAt(other, id, body.client_secret).start(),
      ({ status }) => status === 200,
    );
    await until(
      () => there.start(),
      ({ status }) => status === 401,
    );
    await until(
      () => here.start(),
      ({ status }) => status === 401,
    );
  });

  test('keys that one process rotates sign at the other; no sign-in fails, and every ID token verifies with the set that was published by then', async () => {
    const { here, there } = await newClient();
    const set = async (server: TestServer) =>
      (await answerOf(await fetch(`${server.issuer}/.well-known/jwks.json`))).body as KeySet;
    const before = await set(other);
    const rotated = await manage(one, 'POST', '/keys/rotate', { alg: 'ES256', immediate: true });
    const { kid } = rotated.body.items.find(
      (key: { alg: string; state: string }) => key.alg === 'ES256' && key.state === 'current',
    );
    expect(before.keys.map((key) => key.kid)).not.toContain(kid);

    let signedBy: unknown;
    do {
      const tokens = await there.poll(await approved(here));
      expect(tokens.status).toBe(200);
      signedBy = verifiedBy(tokens.body.id_token, await set(one));
    } while (signedBy !== kid);
    // what was signed before is published still
    const after = (await set(other)).keys.map((key) => key.kid);
    expect(after).toEqual(expect.arrayContaining(before.keys.map((key) => key.kid)));
  });

  test('TH-29 the master key is replaced under load: no request fails, people and subjects stay, and the former key opens nothing', async () => {
    const { here, there } = await newClient();
    const sides = [
      { server: one, client: here, isUp: true },
      { server: other, client: there, isUp: true },
    ];
    const subjects = new Set<string>();
    let answered = 0;
    /** Begins at one process and ends at the next, as far as both are there. */
    async function signIn(): Promise<void> {
      const up = sides.filter(({ isUp }) => isUp).map(({ client }) => client);
      const id = await approved(up[answered % up.length]!);
      const { status, body } = await sides
        .filter(({ isUp }) => isUp)
        .at(-1)!
        .client.poll(id);
      expect(status).toBe(200);
      subjects.add(payloadOf(body.id_token).sub);
      answered += 1;
    }
    let isRunning = true;
    const load = (async () => {
      while (isRunning) await signIn();
    })();
    const master = async (server: TestServer) => (await manage(server, 'GET', '/keys/master')).body;
    const { in_use: former } = await master(one);

    // one process after the other, as a balancer and an operator do it
    const settings = JSON.parse(readFileSync(one.configFile, 'utf8'));
    const masterKey = randomBytes(32).toString('base64url');
    for (const side of sides) {
      side.isUp = false;
      await signIn();
      await side.server.stop();
      const of = JSON.parse(readFileSync(side.server.configFile, 'utf8'));
      const changed = { ...of, masterKey, masterKeyPrevious: settings.masterKey };
      writeFileSync(side.server.configFile, JSON.stringify(changed));
      await side.server.restart();
      side.isUp = true;
      await signIn();
    }
    expect((await manage(one, 'DELETE', `/keys/master/slots/${former}`)).status).toBe(200);
    const { generations } = (await manage(other, 'POST', '/keys/master/rotate')).body;
    expect(generations).toHaveLength(2);
    isRunning = false;
    await load;
    while (Date.now() < Date.parse(generations[1].seals_from)) await signIn();
    for (let i = 0; i < 4; i++) await signIn();

    // what one process seals now is under the new root, and the other opens it
    expect((await manage(one, 'POST', '/users', { username: 'dora' })).status).toBe(201);
    expect((await manage(other, 'GET', '/users?username=dora')).body.items).toHaveLength(1);
    expect(subjects.size).toBe(1);
    expect((await master(other)).slots.map(({ id }: { id: string }) => id)).toEqual([(await master(one)).in_use]);
    process.stdout.write(`master key replaced during ${answered} sign-ins\n`);

    await using refused = await startServer({ store: deployment.redis!.url, expectReady: false });
    expect(await refused.ended()).toBe(78);
    expect(refused.output()).toMatch(/^assent: .*masterKey: is not the master key of this store/m);
  }, 60_000);
});
