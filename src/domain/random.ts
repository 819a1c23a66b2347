import type { RandomBytes } from '../support/ids.ts';

/** A whole number in [0, below), each equally likely; `below` at most 2^24. Randomness is injected, so `crypto.randomInt` is not used. */
export function randomBelow(below: number, random: RandomBytes): number {
  const range = 2 ** 24;
  const fair = range - (range % below);
  // values beyond the last whole multiple would favour small results
  for (;;) {
    const value = random(3).readUIntBE(0, 3);
    if (value < fair) return value % below;
  }
}
