import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { storeProblems } from '../../support/reliability/integrity.ts';
import { seededRandom } from '../../support/reliability/random.ts';
import type { TestServer } from '../../support/server.ts';
import {
  expectCleanLog,
  finishKept,
  keep,
  regressions,
  type Snapshot,
  sentences,
  snapshotOf,
  told,
} from './aftermath.ts';
import { goodClient } from './bystander.ts';
import type { Case } from './case.ts';
import { corpus } from './families/index.ts';
import { documentedIn, routes } from './routes.ts';
import { runCases } from './run.ts';
import { createWorld, type World } from './world.ts';

const { log } = console;

let world: World;
let before: Snapshot;
let startedAs: number;
beforeAll(async () => {
  world = await createWorld();
  startedAs = world.servers[0]!.pid();
  before = await snapshotOf(world);
});
afterAll(async () => world?.[Symbol.asyncDispose]());

test('the list of endpoints is whole: whatever the OpenAPI documents or discovery tell of is in it', async () => {
  const documented = world.documents.flatMap(([prefix, document]) => documentedIn(prefix, document));
  expect(documented.length).toBeGreaterThan(50);
  expect(documented.filter(({ rows }) => rows.length === 0).map(({ name }) => name)).toEqual([]);

  const { servers, values } = world;
  const issuer = values['issuer']!;
  const discovery = await fetch(`${servers[0]!.issuer}/.well-known/openid-configuration`);
  const told = Object.values((await discovery.json()) as Record<string, unknown>)
    .filter((value): value is string => typeof value === 'string' && value.startsWith(`${issuer}/`))
    .map((value) => value.slice(issuer.length));
  expect(told.length).toBeGreaterThan(8);
  const listed = new Set([...routes.values()].map(({ path }) => path));
  expect(told.filter((path) => !listed.has(path))).toEqual([]);
  expect(Object.keys(values)).toEqual(
    expect.arrayContaining([...listed].flatMap((path) => [...path.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name))),
  );
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

test('nothing has changed: the request that waited is approved and redeemed, everybody is who they were', async () => {
  expect(await snapshotOf(world)).toEqual(before);
  await finishKept(world);
});

test('the process is the one that was started, heard of no fault that nobody expected, and leaves a sound store', async () => {
  const [server] = world.servers as [TestServer];
  const pid = server.pid();
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  log(`the server holds ${Math.round(kilobytes / 1024)} MiB`);
  expect(pid).toBe(startedAs);
  expect(await server.stop()).toBe(0);
  expectCleanLog(server.output(), world);
  expect(storeProblems(join(server.folder, 'assent.db'))).toEqual([]);
});
