import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { type Deployment, deploy } from '../support/reliability/deployment.ts';
import { createHistory } from '../support/reliability/history.ts';
import { createPhone, type VirtualPhone } from '../support/reliability/phones.ts';
import type { TestServer } from '../support/server.ts';
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
});
