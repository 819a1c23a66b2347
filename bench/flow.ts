/**
 * One whole flow, start, decision with PIN and redemption, against the cryptography that it cannot do without. Each of its
 * four calls is measured by itself: the devices make their messages beforehand, then all are sent as fast as they are answered.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type BenchAssent, startAssent } from './assent.ts';
import { type BenchDevice, enrollDevice } from './bench-device.ts';
import { inParallel, paths, post, start, tokenForm } from './client.ts';
import { createGate, type Gate } from './gate.ts';
import { type OperationIds, operationIds } from './operation-ids.ts';
import type { Options } from './options.ts';
import { flags, startOnServerCore } from './processes.ts';
import { startRedis } from './redis.ts';
import { most, type Report, ratio } from './report.ts';
import { median, percentile } from './statistics.ts';

type Primitive = 'sign' | 'verify' | 'agreeAsSender' | 'agreeAsReceiver' | 'encrypt' | 'decrypt' | 'hmac' | 'hash';

/** How often one flow needs each, and for what: README.md lists them one by one. */
const perFlow: Record<Primitive, number> = {
  sign: 4,
  verify: 2,
  agreeAsSender: 1,
  agreeAsReceiver: 1,
  encrypt: 11,
  decrypt: 11,
  hmac: 4,
  hash: 13,
};
const asymmetric: Primitive[] = ['sign', 'verify', 'agreeAsSender', 'agreeAsReceiver'];

/** Also how many calls are under way: tries are reserved before a PIN is looked at, so one device sends one at a time. */
const devices = 12;
const steps = ['start', 'present', 'decide', 'redeem'] as const;
type Step = (typeof steps)[number];

/** CPU of the server, microseconds for each flow. */
type Spent = Record<Step, number>;

interface Round {
  spent: Spent;
  total: number;
  unavoidable: number;
  asymmetric: number;
  costs: Record<Primitive, number>;
}

interface Scene {
  assent: BenchAssent;
  gate: Gate;
  enrolled: BenchDevice[];
  operationIdOf: OperationIds;
}

export async function measureFlow({ size, profile }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  await using assent = await startAssent({ store, profile });
  const gate = createGate();
  const names = Array.from({ length: devices }, (_, i) => `phone-${i}`);
  const enrolled = await inParallel(names, 2, (name) => enrollDevice(assent, name, { fetch: gate.fetch }));
  const scene = { assent, gate, enrolled, operationIdOf: await operationIds(store, assent) };
  const times: number[] = [];
  for (let i = 0; i < size.flowWarmUps; i++) await runFlows(scene, size.flowsPerRound, []);
  const rounds: Round[] = [];
  for (let round = 0; round < size.rounds; round++) {
    const costs = await measurePrimitives();
    const spent = await runFlows(scene, size.flowsPerRound, times);
    const sumOf = (names: Primitive[]) => names.reduce((sum, name) => sum + perFlow[name] * costs[name], 0);
    rounds.push({
      spent,
      total: steps.reduce((sum, step) => sum + spent[step], 0),
      unavoidable: sumOf(Object.keys(perFlow) as Primitive[]),
      asymmetric: sumOf(asymmetric),
      costs,
    });
  }
  const each = (pick: (round: Round) => number) => median(rounds.map(pick));
  const micro = (pick: (round: Round) => number) => `${Math.round(each(pick))} µs`;
  report({
    section: 'flow',
    what: 'flow: server CPU against its cryptography',
    ...ratio(rounds.map(({ total, unavoidable }) => total / unavoidable)),
    budget: most(3, ' ×'),
    details: { perFlow, rounds },
  });
  const parts = steps.map((step) => `${step} ${micro(({ spent }) => spent[step])}`).join(', ');
  const total = each((round) => round.total);
  report({ section: 'flow', what: 'flow: server CPU', value: total, text: `${Math.round(total)} µs (${parts})` });
  const unavoidable = each((round) => round.unavoidable);
  const sums = `${Math.round(unavoidable)} µs (${micro((round) => round.asymmetric)} of it asymmetric)`;
  report({ section: 'flow', what: 'flow: its cryptography', value: unavoidable, text: sums });
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
  const latency = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${devices} at a time`;
  report({
    section: 'flow',
    what: 'flow: decide, as the device waits',
    value: p50,
    text: latency,
    details: { p50, p99 },
  });
}

async function runFlows(
  { assent, gate, enrolled, operationIdOf }: Scene,
  count: number,
  times: number[],
): Promise<Spent> {
  const all = Array.from({ length: count }, (_, i) => enrolled[i % enrolled.length]!);
  const cpuOf = async (work: () => Promise<unknown>) => {
    const before = assent.process.cpuMicroseconds();
    await work();
    return (assent.process.cpuMicroseconds() - before) / count;
  };
  /** Messages of the devices are made, then sent, then read. */
  const throughGate = async <T>(calls: () => Promise<T>[], taken: number[]) => {
    gate.close();
    const answers = Promise.all(calls());
    await Promise.race([gate.gathered(count), answers]);
    const cpu = await cpuOf(() => gate.send(devices, taken));
    gate.open();
    return { cpu, results: await answers };
  };

  await Promise.all(enrolled.map((device) => device.begin()));
  let ids: string[] = [];
  const started = await cpuOf(async () => {
    ids = await inParallel(all, devices, (device) => start(assent, device.user));
  });
  const presented = await throughGate(() => all.map((device, i) => device.present(operationIdOf(ids[i]!))), []);
  const decided = await throughGate(() => all.map((device, i) => device.approve(presented.results[i]!)), times);
  const redeemed = await cpuOf(() => inParallel(ids, devices, (id) => redeem(assent, id)));
  return { start: started, present: presented.cpu, decide: decided.cpu, redeem: redeemed };
}

async function redeem(assent: BenchAssent, authReqId: string): Promise<void> {
  const { status, body } = await post(assent, paths.token, tokenForm(authReqId));
  if (status !== 200) throw new Error(`tokens were answered ${status}: ${JSON.stringify(body)}`);
}

async function measurePrimitives(): Promise<Record<Primitive, number>> {
  const script = join(import.meta.dirname, 'primitives.ts');
  const { child } = startOnServerCore(process.execPath, [...flags, script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout!), once(child, 'exit')]);
  return JSON.parse(output);
}
