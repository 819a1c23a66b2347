/** A B A B …: both sides under the same conditions as nearly as a machine with other work allows. */
import type { Target } from './client.ts';
import { type Driven, type Load, prepare } from './load.ts';
import type { Measured } from './processes.ts';
import { type Line, least, type Report, ratio } from './report.ts';
import { median } from './statistics.ts';

export interface Side extends Target {
  process: Measured;
}

export interface Comparison<S extends Side> {
  rounds: number;
  /** In the order in which they come, in every round. */
  sides: readonly S[];
  redis: Measured;
  /** Asked before each run of a side, which is not timed. */
  load(side: S, isWarmUp: boolean): Promise<Omit<Load, 'target'>>;
}

export interface Sample extends Driven {
  serverMicroseconds: number;
  redisMicroseconds: number;
  /** Of this process, which sends the requests: with Redis it has the other core. */
  loadMicroseconds: number;
  /** Of the server's core, by the server. Well below 1, the load was too little or others were on the core. */
  busy: number;
}

/** @returns of each side the samples of all rounds */
export async function compare<S extends Side>(comparison: Comparison<S>): Promise<Sample[][]> {
  const { rounds, sides } = comparison;
  const samples: Sample[][] = sides.map(() => []);
  for (const side of sides) await measure(comparison, side, true);
  for (let round = 0; round < rounds; round++)
    for (const [index, side] of sides.entries()) samples[index]!.push(await measure(comparison, side, false));
  return samples;
}

async function measure<S extends Side>({ load, redis }: Comparison<S>, side: S, isWarmUp: boolean): Promise<Sample> {
  const given = await load(side, isWarmUp);
  const send = prepare({ target: side, ...given });
  const [server, store, at] = [side.process.cpuMicroseconds(), redis.cpuMicroseconds(), performance.now()];
  const own = process.cpuUsage();
  const driven = await send();
  const { user, system } = process.cpuUsage(own);
  const wall = (performance.now() - at) * 1000;
  const [serverSpent, storeSpent] = [side.process.cpuMicroseconds() - server, redis.cpuMicroseconds() - store];
  return {
    ...driven,
    serverMicroseconds: serverSpent / given.amount,
    redisMicroseconds: storeSpent / given.amount,
    loadMicroseconds: (user + system) / given.amount,
    busy: serverSpent / wall,
  };
}

/** Assent against the peer. @param samples of Assent, then of the peer */
export function reportComparison(report: Report, section: string, samples: Sample[][], goal?: number): void {
  const [assent = [], peer = []] = samples;
  const budget = goal === undefined ? {} : { budget: least(goal, ' ×') };
  const ratios = (of: (a: Sample, p: Sample) => number) => ratio(assent.map((sample, i) => of(sample, peer[i]!)));
  const line = (what: string, figure: Pick<Line, 'value' | 'text'>, more: Partial<Line> = {}) =>
    report({ section, what: `${section}: ${what}`, ...figure, ...more });

  line(
    'requests per second, Assent : peer',
    ratios((a, p) => a.perSecond / p.perSecond),
    {
      ...budget,
      details: { assent, peer },
    },
  );
  line(
    'server CPU per request, peer : Assent',
    ratios((a, p) => p.serverMicroseconds / a.serverMicroseconds),
    budget,
  );
  for (const [name, side] of Object.entries({ Assent: assent, peer })) {
    const { value, text } = inWords(side);
    line(name, { value, text });
  }
}

/** One server in several ways. @param what of each; the first is what the others are held against */
export function reportVariants(report: Report, section: string, what: readonly string[], samples: Sample[][]): void {
  const [plain = []] = samples;
  for (const [index, name] of what.entries()) {
    const of = samples[index]!;
    const figure = ratio(of.map((sample, i) => sample.serverMicroseconds / plain[i]!.serverMicroseconds));
    if (index > 0) {
      const details = { plain, of };
      report({ section, what: `${section}: CPU, ${name} : ${what[0]}`, ...figure, details });
    }
    report({ section, what: `${section}: ${name}`, ...inWords(of) });
  }
}

function inWords(samples: Sample[]): { value: number; text: string } {
  const of = (pick: (sample: Sample) => number) => median(samples.map(pick));
  const cpu = of((sample) => sample.serverMicroseconds);
  const [redis, load] = [of((sample) => sample.redisMicroseconds), of((sample) => sample.loadMicroseconds)];
  const beside = `Redis ${Math.round(redis)} µs, load ${Math.round(load)} µs`;
  const text = [
    `${Math.round(cpu)} µs CPU (${beside})`,
    `${Math.round(of((sample) => sample.perSecond))}/s`,
    `p50 ${of((sample) => sample.p50Ms).toFixed(1)} ms`,
    `p99 ${of((sample) => sample.p99Ms).toFixed(1)} ms`,
    `core ${Math.round(of((sample) => sample.busy) * 100)} % busy`,
  ].join(', ');
  return { value: cpu, text };
}
