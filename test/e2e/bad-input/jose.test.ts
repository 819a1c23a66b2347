import { seededRandom } from '../../support/reliability/random.ts';
import { expectCleanLog, finishKept, keep, sentences, snapshotOf, told } from './aftermath.ts';
import { shuffled } from './families/index.ts';
import { joseCase, readers, vectors, vectorsFor } from './families/jose.ts';
import { runCases } from './run.ts';
import { createWorld } from './world.ts';

const sample = 60;
const sampled = readers.filter((reader) => reader.sampled).length;

test(`TH-15 ${vectors.length} vectors at ${readers.length - sampled} readers of a JWT, ${sample} at ${sampled} that read as those do: none is believed, nobody is called`, async () => {
  expect(vectors.length).toBeGreaterThanOrEqual(600);
  const random = seededRandom();
  await using world = await createWorld();
  const before = await snapshotOf(world);
  const report = await runCases(
    readers.flatMap((reader) => {
      const all = vectorsFor(reader);
      const some = reader.sampled ? shuffled(all, random).slice(0, sample) : all;
      return some.map((vector) => joseCase(reader, vector));
    }),
    world,
  );
  console.log(`bad JWTs: seed ${random.seed} (ASSENT_TEST_SEED), ${told(report)}`);
  await keep(report.failures);
  expect(sentences(report.failures)).toEqual([]);
  expect(world.trap.visits()).toBe(0);
  expect(await snapshotOf(world)).toEqual(before);
  await finishKept(world);
  expectCleanLog(world.servers[0]!.output(), world);
}, 90_000);
