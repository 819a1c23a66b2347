import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storeProblems } from '../../support/reliability/integrity.ts';
import { seededRandom } from '../../support/reliability/random.ts';
import { goodClient } from './bystander.ts';
import type { Case } from './case.ts';
import { corpus } from './families/index.ts';
import { joseCase, readers, vectors } from './families/jose.ts';
import { routes } from './routes.ts';
import { type Failure, type Report, runCases } from './run.ts';
import { createWorld, type World } from './world.ts';

const regressions = join(import.meta.dirname, 'regressions');
const { log } = console;

let world: World;
let before: Snapshot;
beforeAll(async () => {
  world = await createWorld();
  before = await snapshotOf(world);
});
afterAll(async () => {
  world?.trap.close();
  await world?.server[Symbol.asyncDispose]();
});

test('every bad input that once got through is refused', async () => {
  const kept = readdirSync(regressions).filter((name) => name.endsWith('.json'));
  const cases = kept.map((name) => JSON.parse(readFileSync(join(regressions, name), 'utf8')) as Case);
  expect(sentences((await runCases(cases, world)).failures)).toEqual([]);
});

test('TH-23 the corpus: documented refusals only, no inside shown, no answer missing, and a good client beside it notices nothing', async () => {
  const random = seededRandom();
  const cases = corpus(random);
  const bystander = await goodClient(world);
  const report = await runCases(cases, world);
  const flows = await bystander.stop();

  log(
    `bad input: seed ${random.seed} (ASSENT_TEST_SEED), ${cases.length} cases, ${told(report)}; beside it ${flows.done} sign-ins`,
  );
  await keep(report.failures);
  expect(sentences(report.failures)).toEqual([]);
  expect(flows.errors).toEqual([]);
  expect(flows.done).toBeGreaterThan(0);
  expect(cases.length).toBeGreaterThanOrEqual(2_000);
  expect(Object.keys(report.byRoute)).toEqual(expect.arrayContaining([...routes.keys()]));
}, 60_000);

test(`TH-15 ${vectors.length} vectors at each of ${readers.length} readers of a JWT: none is believed, nobody is called`, async () => {
  expect(vectors.length).toBeGreaterThanOrEqual(600);
  const report = await runCases(
    readers.flatMap((reader) => vectors.map((vector) => joseCase(reader, vector))),
    world,
  );
  log(`bad JWTs: ${told(report)}`);
  await keep(report.failures);
  expect(sentences(report.failures)).toEqual([]);
  expect(world.trap.visits()).toBe(0);
}, 60_000);

test('nothing has changed: the request that waited is approved and redeemed, everybody is who they were', async () => {
  const { kept, oauth, values } = world;
  expect(await snapshotOf(world)).toEqual(before);
  const poll = () =>
    oauth('/oauth/token', { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: kept.authReqId });
  expect(await poll()).toMatchObject({
    status: 400,
    body: { error: expect.stringMatching(/authorization_pending|slow_down/) },
  });
  expect((await kept.device.status(kept.op)).device).toMatchObject({ id: values['device_id'], state: 'active' });
  await kept.device.decide(await kept.device.present(kept.op), { decision: 'approve', pin: '493817' });
  expect(await poll()).toMatchObject({ status: 200, body: { token_type: 'Bearer' } });
  const { body } = await oauth('/oauth/introspect', { token: values['access_token']! });
  expect(body).toMatchObject({ active: true, sub: values['target_id'] });
});

test('the process is the one that was started, heard of no fault that nobody expected, and leaves a sound store', async () => {
  const { server } = world;
  const pid = server.pid();
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  log(`the server holds ${Math.round(kilobytes / 1024)} MiB`);
  process.kill(pid, 0); // the same process, still there
  expect(await server.stop()).toBe(0);
  // the welcome shows the key of the development configuration; everything after it is the log
  const lines = server
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{"time"'));
  expect(lines.filter((line) => /http\.fault|unhandled|uncaught|"level":"error"/i.test(line))).toEqual([]);
  expect(
    lines.filter((line) =>
      world.secrets.some(([name, secret]) => name !== 'an activation code' && line.includes(secret)),
    ),
  ).toEqual([]);
  expect(lines.filter((line) => !isJson(line))).toEqual([]);
  expect(storeProblems(join(server.folder, 'assent.db'))).toEqual([]);
});

interface Snapshot {
  people: unknown[];
  devices: unknown[];
}

/** People and devices that the bad input had no leave to change; it may have made new people, with the key. */
async function snapshotOf({ api, values }: World): Promise<Snapshot> {
  const ids = [values['target_id']!, values['locked_id']!];
  const named = ['alice', 'bob', 'target', 'locked'];
  const people = await Promise.all(
    named.map(async (name) => (await api('GET', `/users?username=${name}`)).body['items'][0]),
  );
  // whoever holds the key may rename this one, and nobody may lock it by accident
  const { id, state } = (await api('GET', `/users/${values['scratch_id']}`)).body;
  const devices = await Promise.all(ids.map(async (id) => (await api('GET', `/users/${id}/devices`)).body['items']));
  return {
    people: [...people, { id, state }],
    devices: devices.flat().map(({ last_used_at: _, ...device }) => device),
  };
}

function told({ sent, statuses }: Report): string {
  return `${sent} sent: ${Object.entries(statuses)
    .map(([status, count]) => `${status} × ${count}`)
    .join(', ')}`;
}

const sentences = (failures: readonly Failure[]) =>
  failures.map(({ case: each, wrong }) => `${each.family}, ${each.name.slice(0, 120)}: ${wrong.join('; ')}`);

/** For `regressions/`: whoever mends it moves the file there. */
async function keep(failures: readonly Failure[]): Promise<void> {
  if (failures.length === 0) return;
  const folder = join(import.meta.dirname, 'regressions');
  await mkdir(folder, { recursive: true });
  for (const { case: each } of failures.slice(0, 20)) {
    const name = `${each.family}-${each.name}`.replaceAll(/[^\w]+/g, '-').slice(0, 80);
    await writeFile(join(folder, `${name}.json`), `${JSON.stringify(each, null, 2)}\n`);
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
