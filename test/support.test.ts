import { createClock } from './support/clock.ts';

test('the test clock stands still until it is moved', () => {
  const clock = createClock('2030-01-01T00:00:00Z');
  expect(new Date(clock.now()).toISOString()).toBe('2030-01-01T00:00:00.000Z');
  clock.advance(121);
  expect(new Date(clock.now()).toISOString()).toBe('2030-01-01T00:02:01.000Z');
});
