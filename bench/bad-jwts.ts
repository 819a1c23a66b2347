/**
 * TH-15: wrong JWTs, each at every endpoint that reads one, one after the other: what the server's process spends on each.
 * They are those of the bad input of the suite, and so is what an answer must be.
 */
import { generateKeyPairSync, randomInt } from 'node:crypto';
import { materialize } from '../test/e2e/bad-input/case.ts';
import { joseCase, readers, vectors, vectorsFor } from '../test/e2e/bad-input/families/jose.ts';
import { clientsWith, type Life, settingsFor, settle } from '../test/e2e/bad-input/life.ts';
import { violations } from '../test/e2e/bad-input/oracles.ts';
import { createSender, type Sender } from '../test/e2e/bad-input/wire.ts';
import { type BenchAssent, startAssent } from './assent.ts';
import type { Options } from './options.ts';
import { most, type Report } from './report.ts';
import { median, percentile } from './statistics.ts';

type Case = ReturnType<typeof joseCase>;

/** A vector at an endpoint, with the CPU milliseconds of each time that it was sent. */
interface Tried {
  case: Case;
  all: number[];
  main: number[];
}

interface Scene {
  assent: BenchAssent;
  life: Life;
  sender: Sender;
  /** Sentences about answers that are not as they should be. */
  wrong: string[];
}

/** Of each endpoint, before it counts: code that runs for the first time costs several times as much. */
const warmUp = 40;

export async function measureBadJwts({ size, profile }: Options, report: Report): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const clients = clientsWith(privateKey);
  await using assent = await startAssent({ profile, meter: 'cpu-time', clients, settings: settingsFor(privateKey) });
  const { url: management, key: managementKey } = assent.managementAt;
  const life = await settle([{ issuer: assent.url, management, managementKey }], privateKey);
  const scene: Scene = { assent, life, sender: createSender(), wrong: [] };
  const tried = readers.map((reader) => {
    const chosen = shuffled(vectorsFor(reader)).slice(0, size.vectorsPerReader);
    return chosen.map((vector): Tried => ({ case: joseCase(reader, vector), all: [], main: [] }));
  });
  for (const { case: each } of shuffled(tried.flatMap((some) => some.slice(0, warmUp)))) await send(scene, each);
  const everything = tried.flat();
  for (let round = 0; round < size.vectorRounds; round++) {
    for (const each of shuffled(everything)) await measure(scene, each);
  }
  scene.sender.close();
  life.trap.close();
  tell(report, scene, everything, Math.min(vectors.length, size.vectorsPerReader));
}

function tell(report: Report, { life, wrong }: Scene, tried: Tried[], vectorCount: number): void {
  const section = 'bad-jwts';
  const what = (name: string) => `bad JWTs: ${name}`;
  const sent = tried.reduce((sum, { all }) => sum + all.length, 0);
  const times = tried[0]!.all.length;
  const text = `${wrong.length} of ${sent} (${vectorCount} vectors at ${readers.length} endpoints, ${times} times)`;
  const accepted = { what: what('believed or wrongly answered'), value: wrong.length, budget: most(0) };
  report({ section, ...accepted, text: [text, ...wrong.slice(0, 5)].join('; '), details: { wrong } });
  const fetches = life.trap.visits();
  report({ section, what: what('outbound fetches'), value: fetches, text: String(fetches), budget: most(0) });
  const middle = tried.map(({ all }) => median(all));
  const worst = Math.max(...middle);
  const { case: slowest } = tried[middle.indexOf(worst)]!;
  const spread = `half of them ${percentile(middle, 50).toFixed(2)} ms, 99 of 100 ${percentile(middle, 99).toFixed(2)} ms`;
  const medians = `${worst.toFixed(2)} ms (${slowest.name}); ${spread}`;
  report({ section, what: what('CPU of the costliest, median'), value: worst, text: medians, budget: most(20, ' ms') });
  const every = tried.flatMap(({ case: { name }, all, main }) => all.map((ms, i) => ({ name, ms, main: main[i]! })));
  const single = every.sort((a, b) => b.ms - a.ms);
  const longest = single[0]!.ms;
  const p99 = percentile(
    single.map(({ ms }) => ms),
    99,
  );
  const onMain = Math.max(...single.map(({ main }) => main));
  const above = single.filter(({ ms }) => ms >= 20).length;
  report({
    section,
    what: what('CPU of any one request'),
    value: longest,
    text: `p99 ${p99.toFixed(2)} ms, most ${longest.toFixed(1)} ms, ${onMain.toFixed(1)} ms on its main thread; ${above} of ${sent} took 20 ms or more`,
    details: { costliest: single.slice(0, 50) },
  });
}

/** The answer has come when it is read, and whatever the server does for the request after it counts for the next. */
async function measure(scene: Scene, tried: Tried): Promise<void> {
  const before = await scene.assent.cpuTime();
  await send(scene, tried.case);
  const after = await scene.assent.cpuTime();
  tried.all.push((after.all - before.all) / 1_000);
  tried.main.push((after.main - before.main) / 1_000);
}

async function send({ assent, life, sender, wrong }: Scene, each: Case): Promise<void> {
  const outcome = await sender.send(materialize(each, life), Number(new URL(assent.url).port));
  for (const sentence of violations(each, outcome, life)) wrong.push(`${each.name}: ${sentence}`);
}

/** By lot: what one leaves to be done falls on all of the others alike. */
function shuffled<T>(items: readonly T[]): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}
