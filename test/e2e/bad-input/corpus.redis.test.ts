import { seededRandom } from '../../support/reliability/random.ts';
import { expectCleanLog, finishKept, keep, sentences, snapshotOf, told } from './aftermath.ts';
import { goodClient } from './bystander.ts';
import { corpus } from './families/index.ts';
import { runCases } from './run.ts';
import { createWorld } from './world.ts';

const { log } = console;

// the demo pages and the simulator know one address only, and behind a balancer there is none of this process
const isForMany = ({ path }: { path: string }) => !path.startsWith('/demo') && !path.startsWith('/simulator');

test('two processes on one Redis: each refuses what the other would, and what waited is finished by either', async () => {
  await using world = await createWorld('redis');
  const before = await snapshotOf(world);
  const pids = world.servers.map((server) => server.pid());
  const random = seededRandom();
  const cases = corpus(random).filter(isForMany).slice(0, 800);
  const bystander = await goodClient(world);
  const report = await runCases(cases, world);
  const flows = await bystander.stop();

  log(`bad input: seed ${random.seed} (ASSENT_TEST_SEED), ${told(report)}; beside it ${flows.done} sign-ins`);
  await keep(report.failures);
  expect(sentences(report.failures)).toEqual([]);
  expect(flows.errors).toEqual([]);
  expect(await snapshotOf(world)).toEqual(before);
  await finishKept(world);
  expect(world.trap.visits()).toBe(0);
  expect(world.servers.map((server) => server.pid())).toEqual(pids);
  for (const server of world.servers) {
    expect(await server.stop()).toBe(0);
    expectCleanLog(server.output(), world);
  }
}, 60_000);
