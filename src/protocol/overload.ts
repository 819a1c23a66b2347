import { randomInt } from 'node:crypto';
import { SECOND } from '../support/clock.ts';
import type { ProtocolDeps } from './deps.ts';
import { ProtocolError } from './errors.ts';

/**
 * T-19: whoever comes while the process is behind is told so at once. A queue that grows answers everybody too late, and what is
 * asked again meanwhile makes it longer. What asks people for something goes first, then what asks for results; devices are always
 * served, for their answers are what the others wait for.
 *
 *     behind by   0 ──────── limit ──────────── twice the limit ──────>
 *     starts      served    503, Retry-After
 *     polls       served                       503, Retry-After
 */
export interface Overload {
  /** Nothing has been done for who is turned away. @throws Overloaded */
  check(what: keyof typeof patience): void;
}

/** 503, and not all of them back in the same second. */
export class Overloaded extends ProtocolError {
  constructor() {
    const retryAfterSeconds = randomInt(1, 4);
    super('server_error', 'The service is too busy at the moment. Try again.', { status: 503, retryAfterSeconds });
  }
}

/** In limits. */
const patience = { starts: 1, polls: 2 };

/** One line for many. */
const toldEveryMs = 10 * SECOND;

export function createOverload({ overload, clock, log }: Pick<ProtocolDeps, 'overload' | 'clock' | 'log'>): Overload {
  if (!overload || overload.limitMs === 0) return { check() {} };
  const { lateMs, limitMs } = overload;
  let refused = 0;
  let toldAt = -Infinity;

  function tell(late: number): void {
    refused++;
    const now = clock();
    if (Math.abs(now - toldAt) < toldEveryMs) return;
    log.warn('oauth.overloaded', { lateMs: Math.round(late), refused });
    toldAt = now;
    refused = 0;
  }

  return {
    check(what) {
      const late = lateMs();
      if (late < limitMs * patience[what]) return;
      tell(late);
      throw new Overloaded();
    },
  };
}
