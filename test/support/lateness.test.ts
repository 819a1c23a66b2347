import { jest } from '@jest/globals';
import { createLateness } from '../../src/support/lateness.ts';

test('T-19 a process is behind by what requests wait for something else, once that was so for a second; a pause that is over is no load', () => {
  jest.useFakeTimers();
  const lateness = createLateness();
  const msAfter = (halves: number) => {
    jest.advanceTimersByTime(halves * 500);
    return lateness.ms();
  };
  lateness.start();
  const ended = lateness.waits();
  expect(msAfter(1)).toBe(0);
  expect(msAfter(1)).toBe(500);
  ended();
  // of several the mean: one that took as long as that, and three that took no time
  for (let i = 0; i < 3; i++) lateness.waits()();
  expect([msAfter(1), msAfter(1)]).toEqual([250, 0]);
  lateness.stop();
  lateness.waits();
  expect(msAfter(4)).toBe(0);
  jest.useRealTimers();
});
