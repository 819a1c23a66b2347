import { createBeat } from '../../src/support/beat.ts';

const everyMs = 20;

test('TH-04 whoever waits for the same beat leaves together, and whoever comes later with a later one', async () => {
  const beat = createBeat(everyMs);
  const left: string[] = [];
  const go = (name: string) => beat().then(() => left.push(name));
  const first = Promise.all([go('one'), go('two')]);
  expect(left).toEqual([]);
  await first;
  expect(left).toEqual(['one', 'two']);
  const second = go('three');
  await Promise.resolve();
  expect(left).toHaveLength(2);
  await second;
});

test('beats fall on fixed moments, and never before', async () => {
  const beat = createBeat(everyMs);
  for (let i = 0; i < 5; i++) {
    const from = Math.floor(performance.now() / everyMs);
    await beat();
    expect(Math.floor(performance.now() / everyMs)).toBeGreaterThan(from);
  }
});
