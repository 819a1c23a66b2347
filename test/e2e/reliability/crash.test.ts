import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkHistory } from '../../support/reliability/checker.ts';
import { createVirtualClient } from '../../support/reliability/clients.ts';
import { type Deployment, deploy } from '../../support/reliability/deployment.ts';
import { createHistory } from '../../support/reliability/history.ts';
import { storeProblems } from '../../support/reliability/integrity.ts';
import { type Pair, settle, startLoad } from '../../support/reliability/load.ts';
import { createPhones } from '../../support/reliability/phones.ts';
import { seededRandom } from '../../support/reliability/random.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const CYCLES = Number(process.env['ASSENT_TEST_KILL_CYCLES'] ?? 10);
const PAIRS = 8;

test(`RL-01 IV-14 kill -9 of the server mid-load, ${CYCLES} times: nothing acknowledged is lost, flips or yields twice`, async () => {
  const random = seededRandom();
  await using folder = await temporaryFolder('assent-history');
  const history = createHistory(join(folder.path, 'history.jsonl'));
  await using deployment = await deploy('embedded', { history });
  const pairs = await pairsOf(deployment, history);

  const load = startLoad(pairs, random);
  const gaps: number[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    // each cycle meets work, however slow the machine is: otherwise nothing would be proved
    const before = load.started.length;
    while (load.started.length < before + PAIRS) await sleep(10);
    await sleep(random.below(600));
    const from = performance.now();
    await deployment.crash();
    gaps.push(Math.round(performance.now() - from));
  }
  await sleep(300);
  await load.stop();
  await settle(load, pairs);
  const [server] = deployment.servers;
  expect(await server!.stop()).toBe(0);
  history.close();

  const calls = history.events.filter(({ kind }) => kind === 'call').length;
  const tokens = history.events.filter((event) => event.kind === 'polled' && event.answer === 'tokens').length;
  console.log(
    `seed ${random.seed}: ${CYCLES} kills, ${load.started.length} requests, ${calls} calls, ${tokens} token sets, back after ${gaps.join(', ')} ms`,
  );
  expect({ seed: random.seed, violations: checkHistory(history.events) }).toEqual({
    seed: random.seed,
    violations: [],
  });
  expect(storeProblems(join(server!.folder, 'assent.db'))).toEqual([]);
}, 180_000);

async function pairsOf(deployment: Deployment, history: ReturnType<typeof createHistory>): Promise<Pair[]> {
  const names = Array.from({ length: PAIRS }, (_, i) => `person-${i}`);
  const phones = await createPhones(deployment, history, names);
  const client = createVirtualClient(deployment, history, 'shop');
  const stranger = createVirtualClient(deployment, history, 'bank');
  return phones.map((phone) => ({ phone, client, stranger }));
}
