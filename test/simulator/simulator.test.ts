import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as client from 'openid-client';
import { createSimulator } from '../../src/simulator/index.ts';
import { createManagementClient, type ManagementDevice } from '../../src/support/management-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => server?.[Symbol.asyncDispose]());

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says by its expectation what it looks like
  body: any;
}

async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

const asClient = (client: string) => ({
  authorization: `Basic ${Buffer.from(`${client}:${server.secretOf(client)}`).toString('base64')}`,
});

const start = (client: string, user = 'alice') =>
  call(`${server.issuer}/bc-authorize`, {
    method: 'POST',
    headers: asClient(client),
    body: new URLSearchParams({ scope: 'openid', login_hint: user }),
  });

const token = (client: string, authReqId: string) =>
  call(`${server.issuer}/oauth/token`, {
    method: 'POST',
    headers: asClient(client),
    body: new URLSearchParams({ grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId }),
  });

/** What an ordinary client gets that waits for it. */
async function outcome(clientId: string, acknowledgement: client.BackchannelAuthenticationResponse) {
  const secret = client.ClientSecretBasic(server.secretOf(clientId));
  const options = { execute: [client.allowInsecureRequests] };
  const config = await client.discovery(new URL(server.issuer), clientId, undefined, secret, options);
  return client.pollBackchannelAuthenticationGrant(config, acknowledgement);
}

const decide = (authReqId: string, action: string) =>
  call(`${server.issuer}/simulator/decide?auth_req_id=${authReqId}&action=${action}`, { method: 'POST' });

const post = (url: string, body: string) => call(url, { method: 'POST', body });
const addDevice = (device: object) => post(`${server.issuer}/simulator/devices`, JSON.stringify(device));

const management = () => createManagementClient({ url: server.management, key: server.managementKey });

const devicesOf = async (user: string) => {
  const { id } = (await management().findUser(user))!;
  return (await management().call<{ items: ManagementDevice[] }>(`/users/${id}/devices`)).items;
};

describe('decide', () => {
  // `decide` takes the devices that the start of an operation asks for; a user without any cannot be asked
  beforeAll(async () => void (await addDevice({ user: 'alice' })));

  test('an approval brings tokens, a number to match included', async () => {
    const { match_code: number, auth_req_id: authReqId } = (await start('demo-helpdesk')).body;
    expect(number).toMatch(/^\d\d$/);
    expect(await token('demo-helpdesk', authReqId)).toMatchObject({ body: { error: 'authorization_pending' } });
    expect(await decide(authReqId, 'allow')).toEqual({ status: 204, body: undefined });
    expect(await token('demo-helpdesk', authReqId)).toMatchObject({ status: 200 });
  });

  test('a denial is one at the token endpoint', async () => {
    const { auth_req_id: authReqId } = (await start('demo-tv')).body;
    expect(await decide(authReqId, 'deny')).toMatchObject({ status: 204 });
    expect(await token('demo-tv', authReqId)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
  });

  test('takes the device that is there, and enrolls one where there is none', async () => {
    const before = await devicesOf('alice');
    const { auth_req_id: first } = (await start('demo-agent')).body;
    await decide(first, 'allow');
    expect(await devicesOf('alice')).toHaveLength(before.length);

    await server.restart(); // its devices are gone with it; the operation is not
    const { auth_req_id: second } = (await start('demo-agent')).body;
    expect(await decide(second, 'allow')).toMatchObject({ status: 204 });
    expect(await token('demo-agent', second)).toMatchObject({ status: 200 });
    expect(await devicesOf('alice')).toHaveLength(before.length + 1);
  });

  test('of many at once and in contradiction one counts', async () => {
    const { auth_req_id: authReqId } = (await start('demo-agent')).body;
    const answers = await Promise.all(['allow', 'deny', 'allow', 'deny'].map((action) => decide(authReqId, action)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409, 409, 409]);
    expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'operation_decided' });
  });

  test('what was withdrawn is refused, and leaves no device behind', async () => {
    const { auth_req_id: authReqId } = (await start('demo-agent')).body;
    const withdrawn = `${server.issuer}/bc-authorize?auth_req_id=${authReqId}`;
    await call(withdrawn, { method: 'DELETE', headers: asClient('demo-agent') });
    const before = await devicesOf('alice');
    expect(await decide(authReqId, 'allow')).toMatchObject({ status: 409, body: { code: 'operation_cancelled' } });
    expect(await devicesOf('alice')).toEqual(before);
  });

  test.each([
    ['an unknown operation', `auth_req_id=00${'A'.repeat(43)}&action=allow`, 404, 'operation_not_found'],
    ['one that cannot be', 'auth_req_id=%00%22&action=allow', 404, 'operation_not_found'],
    ['no operation', 'action=allow', 400, 'invalid_request'],
    ['another action', 'auth_req_id=x&action=maybe', 400, 'invalid_request'],
    ['two actions', 'auth_req_id=x&action=allow&action=deny', 400, 'invalid_request'],
  ])('%s', async (_title, query, status, code) => {
    const answer = await post(`${server.issuer}/simulator/decide?${query}`, '');
    expect(answer).toMatchObject({ status, body: { status, code, trace_id: expect.any(String) } });
  });

  test('only by POST: nothing that a link or an image could do', async () => {
    const answer = await call(`${server.issuer}/simulator/decide?auth_req_id=x&action=allow`);
    expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
  });
});

describe('devices', () => {
  test('one that allows answers by itself, with its PIN and the number', async () => {
    const behaviour = { decide: 'allow', after_ms: 10, pin: '493817' };
    const added = await addDevice({ user: 'bob', methods: ['device', 'pin'], behaviour });
    expect(added).toMatchObject({ status: 201, body: { pin: '493817', device_id: (await devicesOf('bob'))[0]!.id } });
    const { body: acknowledgement } = await start('demo-helpdesk', 'bob');
    const tokens = await outcome('demo-helpdesk', acknowledgement);
    expect(tokens.claims()).toMatchObject({ amr: ['swk', 'pin', 'mfa'] });
  });

  test('one that denies does so; the user is named as people are', async () => {
    const body = { username: 'carol', email: 'carol@example.test' };
    const carol = await management().call<{ id: string }>('/users', { body });
    const added = await addDevice({ user: 'carol@example.test', methods: ['pin'], behaviour: { decide: 'deny' } });
    expect(added.body.user_id).toBe(carol.id);
    const { body: acknowledgement } = await start('demo-agent', 'carol');
    await expect(outcome('demo-agent', acknowledgement)).rejects.toMatchObject({ error: 'access_denied' });
  });

  test.each([
    ['nobody', { user: 'nobody', methods: ['pin'] }, 404, 'user_not_found'],
    ['no user', { methods: ['pin'] }, 400, 'invalid_request'],
    ['half a character', { user: '\ud800' }, 400, 'invalid_request'],
    ['a method that is none', { user: 'alice', methods: ['telepathy'] }, 400, 'invalid_request'],
    ['no method', { user: 'alice', methods: [] }, 400, 'invalid_request'],
    ['a decision that is none', { user: 'alice', behaviour: { decide: 'maybe' } }, 400, 'invalid_request'],
    ['a time that is none', { user: 'alice', behaviour: { after_ms: -1 } }, 400, 'invalid_request'],
    ['a weak PIN', { user: 'alice', behaviour: { pin: '111111' } }, 400, 'invalid_request'],
    [
      'a PIN without the method',
      { user: 'alice', methods: ['device'], behaviour: { pin: '1' } },
      400,
      'invalid_request',
    ],
    ['a member too many', { user: 'alice', more: 1 }, 400, 'invalid_request'],
  ])('%s', async (_title, device, status, code) => {
    const before = (await devicesOf('alice')).filter(({ state }) => state === 'active');
    expect(await addDevice(device)).toMatchObject({ status, body: { code } });
    expect((await devicesOf('alice')).filter(({ state }) => state === 'active')).toEqual(before);
  });

  test('what is no JSON, and what is too long', async () => {
    const devices = `${server.issuer}/simulator/devices`;
    expect(await post(devices, '{"user"')).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await post(devices, `{"user": "${'a'.repeat(20_000)}"}`)).toMatchObject({ status: 413 });
  });

  test('other paths', async () => {
    expect(await call(`${server.issuer}/simulator`)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });
});

test('a device answers when its time has come, not before, and not at all once the simulator has stopped', async () => {
  const set: { ms: number; run: () => void; givenUp: boolean }[] = [];
  let wake = () => {};
  const timers = {
    after(ms: number, run: () => void) {
      const timer = { ms, run, givenUp: false };
      set.push(timer);
      wake();
      return () => void (timer.givenUp = true);
    },
  };
  const timerIsSet = () => new Promise<void>((resolve) => void (wake = resolve));
  const simulator = createSimulator({
    authenticator: server.authenticator,
    management: { url: server.management, key: server.managementKey },
    operationOf: async () => undefined,
    matchCodeOf: async () => undefined,
    timers,
  });
  const listener = createServer((req, res) => void simulator.handle(req, res)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  await management().call('/users', { body: { username: 'dave' } });
  const behaviour = { decide: 'allow', after_ms: 60_000 };
  const added = await post(`http://127.0.0.1:${port}/simulator/devices`, JSON.stringify({ user: 'dave', behaviour }));
  expect(added.status).toBe(201);

  const first = timerIsSet();
  const { body: acknowledgement } = await start('demo-agent', 'dave');
  await first;
  expect(await token('demo-agent', acknowledgement.auth_req_id)).toMatchObject({
    body: { error: 'authorization_pending' },
  });
  expect(set).toMatchObject([{ ms: 60_000 }]);
  set[0]!.run();
  expect(await outcome('demo-agent', acknowledgement)).toHaveProperty('id_token');

  const second = timerIsSet();
  await start('demo-agent', 'dave');
  await second;
  simulator.stop();
  listener.close();
  expect(set[1]).toMatchObject({ givenUp: true });
});

test('while its devices cannot reach the server, the caller is told when to come back', async () => {
  const simulator = createSimulator({
    authenticator: 'http://127.0.0.1:1',
    management: { url: server.management, key: server.managementKey },
    operationOf: async () => undefined,
    matchCodeOf: async () => undefined,
  });
  const listener = createServer((req, res) => void simulator.handle(req, res)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const body = JSON.stringify({ user: 'alice', behaviour: { decide: 'ignore' } });
  const answer = await fetch(`http://127.0.0.1:${port}/simulator/devices`, { method: 'POST', body });
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  await answer.body?.cancel();
  listener.close().closeAllConnections();
});

test('production refuses to start with it', async () => {
  await using refused = await startServer({ config: { environment: 'production' }, expectReady: false });
  expect(await refused.ended()).toBe(78);
  expect(refused.output()).toContain('simulator.enabled: is not allowed in production');
});
