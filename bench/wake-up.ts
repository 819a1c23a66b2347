/**
 * From a decision to the answer of the token request that waits for it: the device sends its message at one process, and the
 * client waits there too, or at the other process of the same store. One after the other, the two ways in turn.
 */
import { type BenchAssent, startAssent } from './assent.ts';
import { type BenchDevice, enrollDevice } from './bench-device.ts';
import { paths, post, start, type Target, tokenForm } from './client.ts';
import { createGate, type Gate } from './gate.ts';
import { type OperationIds, operationIds } from './operation-ids.ts';
import type { Options } from './options.ts';
import { until } from './processes.ts';
import { startRedis } from './redis.ts';
import { most, type Report } from './report.ts';
import { percentile } from './statistics.ts';

const warmUp = 20;

interface Taken {
  /** Since the device sent its decision; its verification and its way into the store are a part of it. */
  sinceSent: number;
  /** Since the device was told that it counts. The client may have its answer before that. */
  sinceTold: number;
}

export async function measureWakeUp({ size }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  await using deciding = await startAssent({ store });
  await using other = await startAssent({ store, shared: deciding.shared });
  const operationIdOf = await operationIds(store, deciding);
  const gate = createGate();
  const device = await enrollDevice(deciding, 'somebody', { fetch: gate.fetch });
  await device.begin();
  const ways = { 'one process': deciding, 'two processes': other };
  const taken = new Map<string, Taken[]>(Object.keys(ways).map((way) => [way, []]));
  for (let i = -warmUp; i < size.wakeUps; i++) {
    for (const [way, waiting] of Object.entries(ways)) {
      const each = await wakeUp({ deciding, waiting, device, gate, operationIdOf });
      if (i >= 0) taken.get(way)!.push(each);
    }
  }
  for (const [way, all] of taken) {
    const of = (pick: (each: Taken) => number, percent: number) => percentile(all.map(pick), percent);
    const span = (pick: (each: Taken) => number) =>
      [50, 99].map((percent) => `p${percent} ${of(pick, percent).toFixed(1)} ms`).join(', ');
    const text = `${span(({ sinceSent }) => sinceSent)} since the decision was sent; ${span(({ sinceTold }) => sinceTold)} since it was acknowledged (n = ${all.length})`;
    report({
      section: 'wake-up',
      what: `wake-up: p99, ${way}`,
      value: of(({ sinceSent }) => sinceSent, 99),
      text,
      budget: most(50, ' ms'),
      details: { all },
    });
  }
}

interface Scene {
  deciding: BenchAssent;
  waiting: Target & Pick<BenchAssent, 'metric'>;
  device: BenchDevice;
  gate: Gate;
  operationIdOf: OperationIds;
}

async function wakeUp({ deciding, waiting, device, gate, operationIdOf }: Scene): Promise<Taken> {
  const authReqId = await start(deciding, device.user);
  const shown = await device.present(operationIdOf(authReqId));
  const answered = post(waiting, paths.token, tokenForm(authReqId), { more: { prefer: 'wait=25' } }).then((reply) => {
    if (reply.status !== 200) throw new Error(`the held request was answered ${JSON.stringify(reply)}`);
    return performance.now();
  });
  // signed and encrypted beforehand; what the phone takes for that is not the server's
  gate.close();
  const decided = device.approve(shown);
  await gate.gathered(1);
  await until('the request to be held', async () => (await waiting.metric('assent_holds')) === 1);
  const sentAt = performance.now();
  await gate.send(1, []);
  const toldAt = performance.now();
  gate.open();
  const [at] = await Promise.all([answered, decided]);
  return { sinceSent: at - sentAt, sinceTold: at - toldAt };
}
