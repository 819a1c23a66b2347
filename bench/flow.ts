/** One whole flow, start, decision with PIN and redemption, against the cryptography that it cannot do without. */
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { operationIdOf } from '../src/support/ids.ts';
import { type BenchAssent, startAssent } from './assent.ts';
import { type BenchDevice, enrollDevice } from './bench-device.ts';
import { inParallel, paths, post, start, tokenForm } from './client.ts';
import type { Options } from './options.ts';
import { flags, startOnServerCore } from './processes.ts';
import { startRedis } from './redis.ts';
import { most, type Report, ratio } from './report.ts';
import { median, percentile } from './statistics.ts';

type Primitive = 'sign' | 'verify' | 'agreeAsSender' | 'agreeAsReceiver' | 'encrypt' | 'decrypt' | 'hmac' | 'hash';

/** How often one flow needs each, and for what: README.md lists them one by one. */
const perFlow: Record<Primitive, number> = {
  sign: 3,
  verify: 2,
  agreeAsSender: 1,
  agreeAsReceiver: 1,
  encrypt: 12,
  decrypt: 11,
  hmac: 6,
  hash: 14,
};
const asymmetric: Primitive[] = ['sign', 'verify', 'agreeAsSender', 'agreeAsReceiver'];

const devices = 8;

/** Microseconds for one flow. */
interface Round {
  spent: number;
  unavoidable: number;
  asymmetric: number;
  costs: Record<Primitive, number>;
  times: number[];
}

export async function measureFlow({ size, profile }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  await using assent = await startAssent({ store: `redis://127.0.0.1:${redis.port}`, profile });
  const enrolled = await inParallel(
    Array.from({ length: devices }, (_, i) => `phone-${i}`),
    2,
    (name) => enrollDevice(assent, name),
  );
  await runFlows(assent, enrolled, size.flowsPerRound); // warm
  const rounds: Round[] = [];
  for (let round = 0; round < size.rounds; round++) {
    const costs = await measurePrimitives();
    const before = assent.process.cpuMicroseconds();
    const times = await runFlows(assent, enrolled, size.flowsPerRound);
    const spent = (assent.process.cpuMicroseconds() - before) / times.length;
    const sumOf = (names: Primitive[]) => names.reduce((sum, name) => sum + perFlow[name] * costs[name], 0);
    const unavoidable = sumOf(Object.keys(perFlow) as Primitive[]);
    rounds.push({ spent, unavoidable, asymmetric: sumOf(asymmetric), costs, times });
  }
  const each = (pick: (round: Round) => number) => median(rounds.map(pick));
  report({
    section: 'flow',
    what: 'flow: server CPU against its cryptography',
    ...ratio(rounds.map(({ spent, unavoidable }) => spent / unavoidable)),
    budget: most(3, ' ×'),
    details: { perFlow, rounds: rounds.map(({ times, ...round }) => round) },
  });
  const spent = each((round) => round.spent);
  const sums = `${Math.round(each((r) => r.unavoidable))} µs cryptography (${Math.round(each((r) => r.asymmetric))} µs of it asymmetric)`;
  report({ section: 'flow', what: 'flow: server CPU', value: spent, text: `${Math.round(spent)} µs, ${sums}` });
  const times = rounds.flatMap((round) => round.times);
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
  const latency = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${devices} at a time, the devices’ own work included`;
  report({ section: 'flow', what: 'flow: from start to tokens', value: p50, text: latency, details: { p50, p99 } });
}

/** @returns milliseconds of each */
async function runFlows(assent: BenchAssent, enrolled: BenchDevice[], count: number): Promise<number[]> {
  const share = Math.ceil(count / enrolled.length);
  const times: number[] = [];
  await Promise.all(
    enrolled.map(async (device) => {
      for (let i = 0; i < share; i++) {
        const startedAt = performance.now();
        await runFlow(assent, device);
        times.push(performance.now() - startedAt);
      }
    }),
  );
  return times;
}

async function runFlow(assent: BenchAssent, device: BenchDevice): Promise<void> {
  const authReqId = await start(assent, device.user);
  await device.approve(await device.present(operationIdOf(authReqId)));
  const { status, body } = await post(assent, paths.token, tokenForm(authReqId));
  if (status !== 200) throw new Error(`tokens were answered ${status}: ${JSON.stringify(body)}`);
}

async function measurePrimitives(): Promise<Record<Primitive, number>> {
  const script = join(import.meta.dirname, 'primitives.ts');
  const { child } = startOnServerCore(process.execPath, [...flags, script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout!), once(child, 'exit')]);
  return JSON.parse(output);
}
