/**
 * TH-04: a client that must not learn who exists asks for a person, for one without a device and for nobody, in turn; and
 * where user codes are asked for, with a wrong one, with none, and with one for a person whose tries are used up. The
 * answers are the same (the suite checks that); here their times are held against each other.
 */
import { randomInt } from 'node:crypto';
import { type BenchAssent, startAssent } from './assent.ts';
import { enrollDevice } from './bench-device.ts';
import { inParallel, paths, post, startForm } from './client.ts';
import type { Size } from './options.ts';
import { startRedis } from './redis.ts';
import { least, most, type Report } from './report.ts';
import { differenceByChance, median } from './statistics.ts';

const warmUp = 300;
/** A person may have a hundred tries at most. */
const people = 60;
const code = 'open-sesame';

/** Somebody who is asked for, as a form; another one each time where tries are counted. */
type Kinds = Record<string, (round: number) => string>;

export async function measureWhoExists({ size }: { size: Size }, report: Report): Promise<void> {
  await measureHints(size, report);
  await measureCodes(size, report);
}

async function measureHints(size: Size, report: Report): Promise<void> {
  await using redis = await startRedis();
  await using assent = await startAssent({ store: `redis://127.0.0.1:${redis.port}`, isDiscreet: true });
  await enrollDevice(assent, 'somebody');
  await assent.management.call('/users', { body: { username: 'deviceless' } });
  const hints = ['somebody', 'deviceless', 'nobody'];
  await compareKinds({ assent, size, report }, Object.fromEntries(hints.map((hint) => [hint, () => startForm(hint)])));
}

async function measureCodes(size: Size, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  // all that are made, with some to spare
  const tries = Math.ceil((size.requestsPerHint + warmUp) / people) + 5;
  await using assent = await startAssent({ store, isDiscreet: true, userCodeTries: tries });
  const namesOf = (kind: string) => Array.from({ length: people }, (_, i) => `${kind}-${i}`);
  const known = ['wrong', 'missing', 'locked'];
  await inParallel(known.flatMap(namesOf), 2, (name) => enrollDevice(assent, name, { withPin: false, userCode: code }));
  const asking = (kind: string, sent?: string) => (round: number) => {
    return `${startForm(`${kind}-${round % people}`)}${sent === undefined ? '' : `&user_code=${sent}`}`;
  };
  const scene = { assent, size, report };
  const spent = Array.from({ length: tries * people }, (_, i) => asking('locked', 'open-barley')(i));
  await inParallel(spent, 4, (form) => post(assent, paths.start, form));
  await compareKinds(scene, {
    'nobody, a code': asking('nobody', code),
    'wrong code': asking('wrong', 'open-barley'),
    'tries used up': asking('locked', code),
  });
  await compareKinds(scene, { 'nobody, no code': asking('nobody'), 'code missing': asking('missing') });
}

interface Scene {
  assent: BenchAssent;
  size: Size;
  report: Report;
}

/** The first is what the others must look like. */
async function compareKinds({ assent, size, report }: Scene, kinds: Kinds): Promise<void> {
  const names = Object.keys(kinds);
  const times = new Map(names.map((name) => [name, [] as number[]]));
  const rounds = new Map(names.map((name) => [name, 0]));
  // drawn by lot: what the one before leaves to be done falls on all of them alike
  while ([...rounds.values()].some((round) => round < warmUp + size.requestsPerHint)) {
    const name = names[randomInt(names.length)]!;
    const round = rounds.get(name)!;
    if (round === warmUp + size.requestsPerHint) continue;
    rounds.set(name, round + 1);
    const startedAt = performance.now();
    const { status, body } = await post(assent, paths.start, kinds[name]!(round));
    if (status !== 200) throw new Error(`${name} was answered ${status}: ${JSON.stringify(body)}`);
    if (round >= warmUp) times.get(name)!.push(performance.now() - startedAt);
  }
  const [first = ''] = names;
  const same = times.get(first)!;
  for (const name of names.slice(1)) {
    const other = times.get(name)!;
    const apart = Math.abs(median(same) - median(other));
    const chance = differenceByChance(same, other);
    const section = 'who-exists';
    const text = `${apart.toFixed(3)} ms (${median(same).toFixed(3)} and ${median(other).toFixed(3)}, n = ${other.length})`;
    report({ section, what: `medians apart: ${first}, ${name}`, value: apart, text, budget: most(1, ' ms') });
    report({
      section,
      what: `p (Mann-Whitney): ${first}, ${name}`,
      value: chance,
      text: chance.toFixed(3),
      budget: least(0.01),
    });
  }
}
