/** A B A B …: both sides under the same conditions as nearly as a machine with other work allows. */
import type { Target } from './client.ts';
import type { Driven } from './load.ts';
import type { Measured } from './processes.ts';
import { type Line, least, type Report, ratio } from './report.ts';
import { median } from './statistics.ts';

export interface Side extends Target {
  process: Measured;
}

export interface Comparison<S extends Side> {
  rounds: number;
  assent: S;
  peer: S;
  redis: Measured;
  /** Untimed, before each run of a side. */
  prepare(side: S, isWarmUp: boolean): Promise<string[]>;
  /** The run itself. @returns how many requests it was */
  run(side: S, forms: string[]): Promise<Driven>;
  requestsOf(forms: string[]): number;
}

interface Sample extends Driven {
  serverMicroseconds: number;
  redisMicroseconds: number;
  /** Of the server's core, by the server. Well below 1, the load was too little or others were on the core. */
  busy: number;
}

export interface Compared {
  assent: Sample[];
  peer: Sample[];
}

export async function compare<S extends Side>(comparison: Comparison<S>): Promise<Compared> {
  const { rounds, assent, peer } = comparison;
  const samples: Compared = { assent: [], peer: [] };
  for (const side of [assent, peer]) await measure(comparison, side, true);
  for (let round = 0; round < rounds; round++) {
    samples.assent.push(await measure(comparison, assent, false));
    samples.peer.push(await measure(comparison, peer, false));
  }
  return samples;
}

async function measure<S extends Side>(
  { prepare, run, requestsOf, redis }: Comparison<S>,
  side: S,
  isWarmUp: boolean,
): Promise<Sample> {
  const forms = await prepare(side, isWarmUp);
  const [server, store, at] = [side.process.cpuMicroseconds(), redis.cpuMicroseconds(), performance.now()];
  const driven = await run(side, forms);
  const wall = (performance.now() - at) * 1000;
  const [serverSpent, storeSpent] = [side.process.cpuMicroseconds() - server, redis.cpuMicroseconds() - store];
  const requests = requestsOf(forms);
  return {
    ...driven,
    serverMicroseconds: serverSpent / requests,
    redisMicroseconds: storeSpent / requests,
    busy: serverSpent / wall,
  };
}

export function reportComparison(report: Report, section: string, { assent, peer }: Compared, goal?: number): void {
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
    const of = (pick: (sample: Sample) => number) => median(side.map(pick));
    const cpu = of((sample) => sample.serverMicroseconds);
    const rate = of((sample) => sample.perSecond);
    const text = [
      `${Math.round(cpu)} µs CPU (Redis ${Math.round(of((sample) => sample.redisMicroseconds))} µs)`,
      `${Math.round(rate)}/s`,
      `p50 ${of((sample) => sample.p50Ms).toFixed(1)} ms`,
      `p99 ${of((sample) => sample.p99Ms).toFixed(1)} ms`,
      `core ${Math.round(of((sample) => sample.busy) * 100)} % busy`,
    ].join(', ');
    line(name, { value: cpu, text });
  }
}
