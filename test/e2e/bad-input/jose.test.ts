import { expectCleanLog, finishKept, keep, sentences, snapshotOf, told } from './aftermath.ts';
import { joseCase, readers, vectors } from './families/jose.ts';
import { runCases } from './run.ts';
import { createWorld } from './world.ts';

test(`TH-15 ${vectors.length} vectors at each of ${readers.length} readers of a JWT: none is believed, nobody is called`, async () => {
  expect(vectors.length).toBeGreaterThanOrEqual(600);
  await using world = await createWorld();
  const before = await snapshotOf(world);
  const report = await runCases(
    readers.flatMap((reader) => vectors.map((vector) => joseCase(reader, vector))),
    world,
  );
  console.log(`bad JWTs: ${told(report)}`);
  await keep(report.failures);
  expect(sentences(report.failures)).toEqual([]);
  expect(world.trap.visits()).toBe(0);
  expect(await snapshotOf(world)).toEqual(before);
  await finishKept(world);
  expectCleanLog(world.servers[0]!.output(), world);
}, 90_000);
