/** A policy of the integrator: the example of docs/requests.md, loaded like the server loads it, and answers that are none. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadPlugin } from '../../src/plugins.ts';
import type { Policy, PolicyRequest } from '../../src/protocol/policy.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { ACR, aClient, openProtocol, type ProtocolScene, type Reply, settings, withAlice } from './scene.ts';

const example = readFileSync(join(import.meta.dirname, '../../docs/requests.md'), 'utf8').match(
  /```js\n(.*?)```/s,
)![1]!;
const clients = [
  aClient('helpdesk'),
  aClient('demo-agent'),
  aClient('payer', { authorization_details_types: ['payment'] }),
  aClient('device-only', { authorization_details_types: ['payment'], assent_method: 'device' }),
  aClient('careful', { assent_unknown_user: 'decoy' }),
];
const payment = JSON.stringify([{ type: 'payment' }]);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let scene: ProtocolScene;
let policy: Policy;
const seen: PolicyRequest[] = [];

beforeAll(async () => {
  folder = await temporaryFolder('policy');
  scene = await openProtocol({
    clients,
    settings: { ...settings, authorizationDetails: [{ type: 'payment', schema: {}, display: { en: 'Pay' } }] },
    cap: { perClient: 0, policy: 'replace', perUser: 0 },
    overrides: () => ({
      policy: (request) => {
        seen.push(request);
        return policy(request);
      },
    }),
  });
  await withAlice(scene);
});
beforeEach(async () => {
  policy = await module('example.mjs', example);
});
afterAll(async () => {
  await scene.close();
  await folder.remove();
});

async function module(name: string, text: string): Promise<Policy> {
  const file = join(folder.path, name);
  await writeFile(file, text);
  return (await loadPlugin<Policy>('plugins.policy', file))!;
}

const ask = (client: string, params: Record<string, string> = {}) => scene.client(client).authenticate(params);
const error = ({ status, body }: Reply) => [status, body.error];
const operationOf = ({ body }: Reply) => scene.operations.get(scene.operationIdOf(body.auth_req_id));

describe('the example of the documentation', () => {
  test('sees who asks, whom, how and for what, and allows', async () => {
    expect((await ask('helpdesk', { acr_values: ACR.possession, binding_message: 'W4SCT' })).status).toBe(200);
    const { id: userId } = (await scene.users.find('username', 'alice'))!;
    expect(seen.at(-1)).toEqual({
      clientId: 'helpdesk',
      userId,
      hint: 'login_hint',
      scope: 'openid',
      acr: [ACR.possession],
      bindingMessage: 'W4SCT',
    });
  });

  test('refuses with 403, or with the error and the words that it chose', async () => {
    const risky = { request_context: '{"risk":"high"}' };
    expect(error(await ask('demo-agent', risky))).toEqual([403, 'access_denied']);
    expect((await ask('helpdesk', risky)).status).toBe(200);
    expect(await ask('helpdesk', { scope: 'openid offline_access' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope', error_description: 'Only payments may go on without the person.' },
    });
  });

  test('asks for two factors where possession would have done; a client that cannot reach them is refused', async () => {
    const weak = { acr_values: ACR.possession };
    expect((await operationOf(await ask('payer', weak))).methods).toEqual(['pin', 'device']);
    const strong = await ask('payer', { ...weak, authorization_details: payment });
    expect((await operationOf(strong)).methods).toEqual(['pin']);
    expect(error(await ask('device-only', { authorization_details: payment }))).toEqual([403, 'access_denied']);
  });
});

test('a client that must not learn who exists is not told of a refusal: nobody is asked', async () => {
  policy = ({ userId }) => (userId === undefined ? 'allow' : { deny: 'unknown_user_id' });
  const { id: userId } = (await scene.users.find('username', 'alice'))!;
  for (const login_hint of ['alice', 'nobody']) {
    const reply = await ask('careful', { login_hint });
    expect(reply.status).toBe(200);
    expect(await operationOf(reply)).toMatchObject({ state: 'pending', userId: expect.not.stringMatching(userId) });
  }
});

describe('a policy that does not answer starts nothing: 503, try again', () => {
  const unavailable = { status: 503, body: { error: 'server_error' } };

  test.each([
    ['throws', 'export default () => { throw new Error("no"); };'],
    ['rejects', 'export default async () => { throw new Error("no"); };'],
    ['answers nothing', 'export default () => {};'],
    ['answers true', 'export default () => true;'],
    ['answers an error that is none of CIBA', 'export default () => ({ deny: "slow_down" });'],
    ['answers a member of every object', 'export default () => ({ deny: "constructor" });'],
    ['answers a level that nobody knows', 'export default () => ({ acr: "urn:moon" });'],
  ])('it %s', async (title, text) => {
    policy = await module(`${title}.mjs`, text);
    const reply = await ask('helpdesk');
    expect(reply).toMatchObject(unavailable);
    expect(reply.headers.get('retry-after')).toBe('2');
  });

  test('it takes more than five seconds', async () => {
    let isAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    policy = () => {
      isAsked();
      return new Promise(() => {});
    };
    const reply = ask('helpdesk');
    await asked;
    scene.timers.advance(5);
    expect(await reply).toMatchObject(unavailable);
  });
});

test('what it does to the request changes nothing of what is asked', async () => {
  policy = (request) => {
    Object.assign(request.authorizationDetails![0]!, { creditor: 'somebody else' });
    return 'allow';
  };
  const reply = await ask('payer', { authorization_details: payment });
  expect(JSON.stringify(await operationOf(reply))).not.toContain('somebody else');
});

describe('a module that cannot be obeyed stops the start', () => {
  test.each([
    ['is not there', undefined, /^plugins\.policy: cannot be loaded: /],
    ['is not JavaScript', 'export default (', /^plugins\.policy: cannot be loaded: /],
    ['throws at once', 'throw new Error("no licence")', /^plugins\.policy: cannot be loaded: no licence$/],
    ['exports no function', 'export default { policy() {} }', /default export is a function$/],
    ['exports nothing by default', 'export const policy = () => "allow"', /default export is a function$/],
  ])('it %s', async (title, text, message) => {
    const file = text === undefined ? './no/such/module.js' : join(folder.path, `${title}.mjs`);
    if (text !== undefined) await writeFile(file, text);
    await expect(loadPlugin('plugins.policy', file)).rejects.toThrow(message);
  });

  test('a package by its name is one that is installed; no module named, none is loaded', async () => {
    await expect(loadPlugin('plugins.policy', '@assent-test/not-installed')).rejects.toThrow(
      /^plugins\.policy: cannot be/,
    );
    expect(typeof (await loadPlugin('plugins.policy', 'koa'))).toBe('function');
    expect(await loadPlugin('plugins.policy', undefined)).toBeUndefined();
  });
});
