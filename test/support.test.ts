import type { AggregatedResult } from '@jest/reporters';
import { createClock } from './support/clock.ts';
import { closingLines } from './support/reporter.js';

test('the test clock stands still until it is moved', () => {
  const clock = createClock('2030-01-01T00:00:00Z');
  expect(new Date(clock.now()).toISOString()).toBe('2030-01-01T00:00:00.000Z');
  clock.advance(121);
  expect(new Date(clock.now()).toISOString()).toBe('2030-01-01T00:02:01.000Z');
});

test('a run closes with the reasons of its skips and one line that counts everything', () => {
  const skip = { status: 'pending', fullName: 'Redis [skipped: install redis-server] keeps promise 1' };
  const results = {
    numPassedTests: 3,
    numFailedTests: 1,
    numRuntimeErrorTestSuites: 1,
    testResults: [
      { testResults: [skip, { status: 'passed', fullName: 'a' }] },
      { testResults: [skip, { status: 'pending', fullName: 'left out without a word' }] },
    ],
  } as unknown as AggregatedResult;
  expect(closingLines(results, false)).toEqual([
    'Skipped 2: install redis-server',
    'Skipped 1: left out without a word',
    'Tests: 3 passed, 2 failed, 3 skipped',
  ]);
});
