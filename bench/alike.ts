/** Requests of several kinds whose answers shall take equally long: sent by lot, one after the other, and held against the first. */
import { randomInt } from 'node:crypto';
import { post, type Target } from './client.ts';
import { least, most, type Report } from './report.ts';
import { differenceByChance, median } from './statistics.ts';

/** @param round another one each time, where it matters */
export type Kinds = Record<string, (round: number) => string>;

export interface Alike {
  section: string;
  target: Target;
  path: string;
  /** Of each kind; `warmUp` more come before them. */
  amount: number;
  /** Of these is judged how far apart they are, not whether by chance: what tells them apart tells nothing to whoever guesses. */
  apartOnly?: readonly string[];
  /** Whether the answer is what this kind has. */
  isRight(kind: string, status: number, body: Record<string, unknown>): boolean;
  report: Report;
}

export const warmUp = 300;

/** The first is what the others must look like. */
export async function compareKinds({ report, section, apartOnly = [], ...alike }: Alike, kinds: Kinds): Promise<void> {
  const times = await timesOf(alike, kinds);
  const [[first, same], ...others] = [...times] as [[string, number[]], ...[string, number[]][]];
  for (const [name, other] of others) {
    const apart = Math.abs(median(same) - median(other));
    const chance = differenceByChance(same, other);
    const text = `${apart.toFixed(3)} ms (${median(same).toFixed(3)} and ${median(other).toFixed(3)}, n = ${other.length})`;
    report({ section, what: `medians apart: ${first}, ${name}`, value: apart, text, budget: most(1, ' ms') });
    report({
      section,
      what: `p (Mann-Whitney): ${first}, ${name}`,
      value: chance,
      text: chance.toFixed(3),
      ...(!apartOnly.includes(name) && { budget: least(0.01) }),
    });
  }
}

async function timesOf(
  { target, path, amount, isRight }: Omit<Alike, 'report' | 'section' | 'apartOnly'>,
  kinds: Kinds,
) {
  const names = Object.keys(kinds);
  const times = new Map(names.map((name) => [name, [] as number[]]));
  const rounds = new Map(names.map((name) => [name, 0]));
  // drawn by lot: what the one before leaves to be done falls on all of them alike
  while ([...rounds.values()].some((round) => round < warmUp + amount)) {
    const name = names[randomInt(names.length)]!;
    const round = rounds.get(name)!;
    if (round === warmUp + amount) continue;
    rounds.set(name, round + 1);
    const form = kinds[name]!(round);
    const startedAt = performance.now();
    const { status, body } = await post(target, path, form);
    if (!isRight(name, status, body)) throw new Error(`${name} was answered ${status}: ${JSON.stringify(body)}`);
    if (round >= warmUp) times.get(name)!.push(performance.now() - startedAt);
  }
  return times;
}
