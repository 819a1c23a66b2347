/** The documentation's signer, loaded as the server loads it, with a signer in another thread behind a socket. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { createExternalSigners, type ExternalSigner, type ExternalSigners } from '../../src/domain/external-signers.ts';
import { createServerKeys, type ServerKeys } from '../../src/domain/server-keys.ts';
import { checkedSigners, loadPlugin } from '../../src/plugins.ts';
import { createProtocol } from '../../src/protocol/protocol.ts';
import { DAY, HOUR, SECOND } from '../../src/support/clock.ts';
import { createTimers } from '../support/timers.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';
import { startVault, type Vault } from '../support/vault.ts';
import {
  type Alice,
  aClient,
  answer,
  CIBA,
  headerOf,
  openProtocol,
  type ProtocolScene,
  settings,
  withAlice,
} from './scene.ts';

const by = { actor: 'management:test' };
const example = readFileSync(join(import.meta.dirname, '../../docs/keys.md'), 'utf8').match(/```js\n(.*?)```/s)![1]!;

let vault: Vault;
let folder: TemporaryFolder;
let scene: ProtocolScene;
let alice: Alice;
let server: ReturnType<typeof createServer>;
let origin: string;
let keys: ServerKeys;
let signers: ExternalSigners;
let timers: ReturnType<typeof createTimers>;
const changes: { kid: string; isDown: boolean }[] = [];

beforeEach(async () => {
  [vault, folder] = [await startVault(), await temporaryFolder('signer')];
  Object.assign(process.env, { VAULT_ADDR: vault.address, VAULT_TOKEN: vault.token });
  const clients = [aClient('helpdesk'), aClient('rsa', { id_token_signed_response_alg: 'RS256' })];
  const resources = [{ indicator: 'https://api.example', scopes: ['orders'], format: 'jwt' as const }];
  scene = await openProtocol({
    clients,
    settings: { ...settings, resources },
    cap: { perClient: 0, policy: 'replace', perUser: 0 },
  });
  timers = createTimers(scene.clock);
  alice = await withAlice(scene);
  await startProcess();
});
afterEach(async () => {
  await stopProcess();
  await scene.close();
  await folder.remove();
  await vault[Symbol.asyncDispose]();
});

let starts = 0;
/** What the module lists, each time it is loaded anew. */
async function listed(): Promise<ExternalSigner[]> {
  const file = join(folder.path, `signer-${starts++}.mjs`);
  await writeFile(file, example);
  const list = await loadPlugin<() => Promise<unknown>>('plugins.signer', file);
  return checkedSigners(await list!(), ['ES256', 'RS256']);
}

async function startProcess(given?: ExternalSigner[]): Promise<void> {
  const onChange = ({ kid, isDown }: { kid: string; isDown: boolean }) => void changes.push({ kid, isDown });
  signers = createExternalSigners({ signers: given ?? (await listed()), timers, onChange });
  const options = { signingPublishMinutes: 60, signingRetireDays: 14, signingRotationDays: 30 };
  const { store, secrets } = scene.scene;
  keys = await createServerKeys({ store, clock: scene.clock.now, secrets, signers, options });
  const protocol = createProtocol({ ...scene.deps, serverKeys: keys });
  keys.onChange(() => void protocol.reload());
  server = createServer((req, res) => void protocol.handle(req, res)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const stopProcess = () => new Promise((closed) => server.close(closed).closeAllConnections());

async function restart(given?: ExternalSigner[]): Promise<void> {
  await stopProcess();
  await startProcess(given);
}

async function pass(ms: number): Promise<void> {
  scene.clock.advance(ms / SECOND);
  await keys.maintain();
}

async function post(path: string, params: Record<string, string>, client = 'helpdesk') {
  const { headers } = scene.client(client);
  const reply = await fetch(origin + path, { method: 'POST', headers, body: new URLSearchParams(params) });
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Record<string, string> };
}
async function approved(client = 'helpdesk', more: Record<string, string> = {}): Promise<string> {
  const asked = { scope: 'openid offline_access', login_hint: 'alice', ...more };
  const { body } = await post('/bc-authorize', asked, client);
  await answer(scene, alice, body['auth_req_id']!);
  return body['auth_req_id']!;
}
const poll = (id: string, client = 'helpdesk') => post('/oauth/token', { grant_type: CIBA, auth_req_id: id }, client);
const idToken = async (client = 'helpdesk') => (await poll(await approved(client), client)).body['id_token']!;
const jwks = async () => (await (await fetch(`${origin}/.well-known/jwks.json`)).json()) as JSONWebKeySet;
const kids = async () => (await jwks()).keys.map(({ kid }) => kid);
const kidOf = (token: string) => headerOf(token)['kid'];
const verify = async (token: string) =>
  jwtVerify(token, createLocalJWKSet(await jwks()), { currentDate: new Date(scene.clock.now()) });

test('a key outside is published first, then signs in the place of ours, and only for its algorithm', async () => {
  const ours = await idToken();
  expect(await kids()).toContain('assent-1');
  expect(kidOf(ours)).not.toBe('assent-1');
  await pass(HOUR);
  const before = await vault.signed();
  const theirs = await idToken();
  expect(kidOf(theirs)).toBe('assent-1');
  expect(await vault.signed()).toBe(before + 1);
  await verify(theirs);
  await jwtVerify(ours, createLocalJWKSet(await jwks()), { currentDate: new Date(scene.clock.now() - HOUR) });
  expect(headerOf(await idToken('rsa'))).toMatchObject({ alg: 'RS256' });
  // a token that its resource server verifies by itself is signed by it, too
  const id = await approved('helpdesk', { scope: 'openid orders', resource: 'https://api.example' });
  const { access_token } = (await poll(id)).body;
  expect(headerOf(access_token!)).toMatchObject({ typ: 'at+jwt', kid: 'assent-1' });
  await verify(access_token!);
  // nothing private of it is here
  const stored = (await scene.scene.store.keys.list()).find(({ kid }) => kid === 'assent-1');
  expect(stored).toMatchObject({ external: true, state: 'current' });
  expect(stored).not.toHaveProperty('sealed');
});

test('RL-17 rotated outside, the successor is published, signs, and the former stays published for as long as its tokens live', async () => {
  await pass(HOUR);
  const former = await idToken();
  await vault.rotate();
  await restart();
  expect(await kids()).toEqual(expect.arrayContaining(['assent-1', 'assent-2']));
  expect(kidOf(await idToken())).toBe('assent-1');
  await pass(HOUR);
  expect(kidOf(await idToken())).toBe('assent-2');
  // the KMS may have forgotten it: it is published all the same
  await restart((await listed()).slice(0, 1));
  await jwtVerify(former, createLocalJWKSet(await jwks()), { currentDate: new Date(scene.clock.now() - HOUR) });
  await pass(14 * DAY);
  expect(await kids()).not.toContain('assent-1');
  expect(kidOf(await idToken())).toBe('assent-2');
});

test.each(['away', 'wrong'] as const)(
  'a signer that is %s: 503 with Retry-After, and the approval is not lost: the next poll gets the tokens',
  async (mode) => {
    await pass(HOUR);
    changes.length = 0;
    const id = await approved();
    await vault.mode(mode);
    for (let i = 0; i < 2; i++) {
      const { status, headers, body } = await poll(id);
      expect([status, body['error'], Number(headers.get('retry-after'))]).toEqual([503, 'server_error', 2]);
    }
    expect(signers.state()).toBe('down');
    expect(await scene.operations.get(scene.operationIdOf(id))).toMatchObject({ state: 'approved' });
    // another algorithm is not touched
    await verify(await idToken('rsa'));
    await vault.mode('well');
    const { status, body } = await poll(id);
    expect(status).toBe(200);
    await verify(body['id_token']!);
    expect(signers.state()).toBe('ok');
    expect(changes).toEqual([
      { kid: 'assent-1', isDown: true },
      { kid: 'assent-1', isDown: false },
    ]);
  },
);

test('a signer that does not answer is given up', async () => {
  await vault.mode('silent');
  const signing = signers.sign('assent-1', Buffer.from('header.payload'));
  timers.advance(3);
  await expect(signing).rejects.toThrow('did not sign');
});

test('with a signer that is away a refresh token is not used up', async () => {
  await pass(HOUR);
  const { status: redeemed, body: tokens } = await poll(await approved());
  expect([redeemed, tokens]).toEqual([200, expect.objectContaining({ refresh_token: expect.any(String) })]);
  const { refresh_token } = tokens;
  const refresh = () => post('/oauth/token', { grant_type: 'refresh_token', refresh_token: refresh_token! });
  await vault.mode('away');
  await pass(HOUR);
  for (let i = 0; i < 2; i++) expect(await refresh()).toMatchObject({ status: 503 });
  await vault.mode('well');
  const { status, body } = await refresh();
  expect(status).toBe(200);
  expect(kidOf(body['id_token']!)).toBe('assent-1');
});

test('another key under a name that is published stops the start', async () => {
  const [good] = await listed();
  await vault.rotate();
  const [other] = await listed();
  await expect(restart([{ ...other!, kid: good!.kid }])).rejects.toThrow('Give it a name of its own');
  await startProcess();
});

test('a process that was started without the module does not replace the key by one of ours until it is told to', async () => {
  await pass(HOUR);
  const id = await approved();
  await restart([]);
  expect((await poll(id)).status).toBe(503);
  await pass(DAY);
  expect(await kids()).toContain('assent-1');
  // nor by the schedule, nor by a rotation that does not name it
  await pass(31 * DAY);
  await keys.rotateSigning({}, by);
  expect(keys.publicKeys('oidc').filter(({ alg, state }) => alg === 'ES256' && state === 'next')).toEqual([]);
  await keys.rotateSigning({ alg: 'ES256', immediate: true }, by);
  const token = await idToken();
  expect(kidOf(token)).not.toBe('assent-1');
  await verify(token);
});

test('a key of the module that cannot sign ID tokens here stops the start, with its name', async () => {
  const [good] = await listed();
  const { publicJwk } = good!;
  const check =
    (change: object, algs = ['ES256']) =>
    () =>
      checkedSigners([{ ...good, ...change }], algs);
  expect(check({})()).toHaveLength(1);
  expect(() => checkedSigners([], ['ES256'])).toThrow('plugins.signer: must give a list of keys');
  expect(() => checkedSigners([good, good], ['ES256'])).toThrow('key assent-1 is there twice');
  expect(check({ kid: '' })).toThrow('key 0 has no kid');
  expect(check({ sign: undefined })).toThrow('key assent-1 has no function sign');
  expect(check({ alg: 'ES512' })).toThrow('is for ES512, which is not among keys.idTokenAlgs');
  expect(check({ alg: 'RS256' }, ['RS256'])).toThrow('has no publicJwk that fits RS256');
  expect(check({ publicJwk: { ...publicJwk, d: 'AAAA' } })).toThrow('has no publicJwk that fits ES256');
});
