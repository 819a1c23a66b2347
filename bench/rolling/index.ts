/**
 * RL-20: two processes on one Redis, each stopped and started again in turn, round after round, while people sign in at a rate that the
 * clock sets. With `--old` each restart brings the other version, or the same again, so that both run side by side either way
 * round: the store was made by the old one, the new one joins and raises it, the old one starts on what the new one raised.
 */
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchAssent, startAssent } from '../assent.ts';
import { enrollDevice } from '../bench-device.ts';
import { inParallel } from '../client.ts';
import { operationIds } from '../operation-ids.ts';
import type { Options } from '../options.ts';
import { type BenchRedis, startRedis } from '../redis.ts';
import { most, type Report } from '../report.ts';
import { percentile } from '../statistics.ts';
import { type Flows, startFlows } from './flows.ts';
import { type Phone, phoneOf } from './phone.ts';
import { type Program, programAt, thisProgram } from './program.ts';
import { createSender, type Sender } from './sender.ts';

const people = 200;
/** Between a process that is ready and the stop of the next one, at least: as an operator waits until the new one has caught up. */
const bothMs = 3_000;

interface Restart {
  /** From the signal to the end, and from the start to ready. */
  stopMs: number;
  readyMs: number;
  exitCode: number | null;
  /** What ran before, what runs now, and what ran beside it. */
  from: string;
  to: string;
  beside: string;
}

interface Running {
  assent: BenchAssent;
  program: Program;
}

interface Scene {
  store: string;
  redis: BenchRedis;
  processes: Running[];
  /** Of those that have ended. */
  cpuMicroseconds: number;
  programs: { now: Program; old: Program };
  /** Lines of the logs that say `error`. */
  faults: string[];
  /** Others that use the same cores, at each restart. */
  loads: number[];
}

export async function measureRolling({ size, old: revision }: Options, report: Report): Promise<void> {
  await using now = thisProgram();
  await using old = revision === undefined ? thisProgram() : await programAt(revision);
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  const scene: Scene = {
    store,
    redis,
    processes: [],
    programs: { now, old },
    faults: [],
    loads: [],
    cpuMicroseconds: 0,
  };
  try {
    const first = await startProgram(scene, old);
    scene.processes.push(first);
    scene.processes.push(await startProgram(scene, old, { shared: first.assent.shared }));
    const sender = createSender(scene.processes.map(({ assent }) => assent.ports[0]!));
    const phones = await enrollAll(first.assent, sender);
    await roll({ scene, sender, phones, size, report, isMixed: revision !== undefined });
    sender.close();
  } finally {
    for (const { assent } of scene.processes) await assent[Symbol.asyncDispose]();
  }
}

const enrollAll = (assent: BenchAssent, sender: Sender): Promise<Phone[]> =>
  inParallel(
    Array.from({ length: people }, (_, i) => `person-${i}`),
    4,
    async (name) => phoneOf(await enrollDevice(assent, name, { withPin: false, exportable: true }), sender),
  );

interface Rolling {
  scene: Scene;
  sender: Sender;
  phones: Phone[];
  size: Options['size'];
  report: Report;
  isMixed: boolean;
}

async function roll({ scene, sender, phones, size, report, isMixed }: Rolling): Promise<void> {
  const { rollingRounds: rounds, rollingPerSecond: perSecond } = size;
  const { issuer } = scene.processes[0]!.assent.shared;
  const operationIdOf = await operationIds(scene.store, scene.processes[0]!.assent);
  const flows = startFlows({ sender, url: issuer, phones, perSecond, operationIdOf });
  const spentBefore = spent(scene);
  const restarts: Restart[] = [];
  await sleep(bothMs);
  await flows.caughtUp();
  for (let round = 0; round < rounds; round++) {
    for (const index of [0, 1]) {
      restarts.push(await restart(scene, index, nextProgram(scene, round, index)));
      await sleep(bothMs);
      await flows.caughtUp();
    }
  }
  const { seconds } = await flows.stop();
  for (const { assent } of scene.processes) scene.faults.push(...faultsIn(assent));
  const spentAfter = spent(scene);
  const shares = Object.entries(spentAfter).map(
    ([who, micros]) => `${who} ${Math.round((micros - spentBefore[who as 'load']) / seconds / 10_000)} %`,
  );
  reportAll({ report, flows, sender, restarts, seconds, scene, shares, perSecond, isMixed });
}

/** CPU time, microseconds. */
function spent({ processes, redis, cpuMicroseconds }: Scene) {
  const { user, system } = process.cpuUsage();
  const servers = processes.reduce((sum, { assent }) => sum + assent.process.cpuMicroseconds(), cpuMicroseconds);
  return { servers, load: user + system, Redis: redis.process.cpuMicroseconds() };
}

/** In even rounds the first becomes new and the second old; in odd ones the other way round: each is replaced by each, beside each. */
const nextProgram = ({ programs: { now, old } }: Scene, round: number, index: number): Program =>
  (round + index) % 2 === 0 ? now : old;

async function startProgram(
  { store }: Scene,
  program: Program,
  { shared, ports }: Partial<BenchAssent> = {},
): Promise<Running> {
  const assent = await startAssent({
    store,
    program,
    isAnywhere: true,
    ...(shared && { shared }),
    ...(ports && { ports }),
  });
  return { assent, program };
}

/** As an operator does it: SIGTERM, the end, a start, ready. */
async function restart(scene: Scene, index: number, program: Program): Promise<Restart> {
  const { assent, program: before } = scene.processes[index]!;
  const { child } = assent.process;
  scene.loads.push(loadavg()[0]!);
  const signaledAt = performance.now();
  const exited = once(child, 'exit');
  scene.cpuMicroseconds += assent.process.cpuMicroseconds();
  child.kill('SIGTERM');
  await exited;
  const stopMs = performance.now() - signaledAt;
  scene.faults.push(...faultsIn(assent));
  scene.processes[index] = await startProgram(scene, program, assent);
  await assent[Symbol.asyncDispose]();
  const { readyMs } = scene.processes[index].assent;
  const beside = scene.processes[1 - index]!.program.name;
  return { stopMs, readyMs, exitCode: child.exitCode, from: before.name, to: program.name, beside };
}

const faultsIn = (assent: BenchAssent): string[] =>
  assent
    .output()
    .split('\n')
    .filter((line) => line.includes('"level":"error"'));

interface Rolled extends Pick<Rolling, 'report' | 'scene' | 'sender' | 'isMixed'> {
  flows: Flows;
  restarts: Restart[];
  seconds: number;
  shares: string[];
  perSecond: number;
}

function reportAll({ report, flows, sender, restarts, seconds, scene, shares, perSecond, isMixed }: Rolled): void {
  const section = 'rolling';
  const { seen } = flows;
  const { programs, faults } = scene;
  const versions = isMixed
    ? `${programs.old.name} and ${programs.now.name} side by side`
    : 'one version (--old names another)';
  const count = (what: string, found: string[], of: string) => {
    const text = `${found.length} of ${of}${found.length > 0 ? `; ${commonest(found)}` : ''}`;
    report({ section, what: `rolling: ${what}`, value: found.length, text, budget: most(0), details: { found } });
  };
  const [offered, reached] = [seen.begun / seconds, seen.done / seconds];
  report({
    section,
    what: 'rolling: sign-ins a second',
    value: reached,
    text: `${reached.toFixed(1)}/s of ${offered.toFixed(1)}/s offered (${perSecond}/s asked) for ${Math.round(seconds)} s, ${restarts.length} restarts, ${versions}; load average ${Math.min(...scene.loads).toFixed(1)}–${Math.max(...scene.loads).toFixed(1)}`,
    details: { restarts },
  });
  const all = `${seen.begun} sign-ins`;
  const more = `${sender.retries()} retries, ${sender.passedOver()} connections passed over`;
  count('errors after one retry', sender.errors, `${all}; ${more}`);
  count('sign-ins lost', seen.lost, all);
  count('second token sets', seen.twice, all);
  count('answers that contradict', seen.contradicted, all);
  const failed = restarts.filter(({ exitCode }) => exitCode !== 0).map(({ exitCode }) => `exit ${exitCode}`);
  count('bad ends, errors in logs', [...failed, ...faults], `${restarts.length} restarts`);
  const of = (all: number[]) =>
    `p50 ${Math.round(percentile(all, 50))} ms, p99 ${Math.round(percentile(all, 99))} ms, slowest ${Math.round(Math.max(...all))} ms`;
  const late = percentile(seen.lateMs, 99);
  report({
    section,
    what: 'rolling: a sign-in, since it was due',
    value: percentile(seen.flowMs, 99),
    text: `${of(seen.flowMs)}; of a core ${shares.join(', ')}; the load was late by ${Math.round(late)} ms (p99)`,
  });
  report({
    section,
    what: 'rolling: a process ends, and is ready again',
    value: percentile(
      restarts.map(({ readyMs }) => readyMs),
      50,
    ),
    text: `${of(restarts.map(({ stopMs }) => stopMs))}; ${of(restarts.map(({ readyMs }) => readyMs))}`,
  });
}

function commonest(texts: string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  const [text, times] = [...counts].sort(([, a], [, b]) => b - a)[0]!;
  return `${times} × ${text.slice(0, 200)}`;
}
