import type { Poll } from '../../src/domain/ports/operations.ts';
import { SECOND } from '../../src/support/clock.ts';

type Paced = { result: 'pending' } | { result: 'slow_down'; intervalSeconds: number };

interface Pace {
  acceptedAt: number;
  intervalSeconds: number;
  /** The poll that is being held. */
  held?: { holder: string; until: number } | undefined;
}

// Some 20 MB at most. Beyond, the one that was silent longest is forgotten: its next poll is free, which harms nobody.
const REMEMBERED = 100_000;

/**
 * The pace of polls (CIBA Core, section 7.3 and 11; ruling 8). In memory: a pending poll writes nothing, and after a restart
 * each client's first poll is free.
 */
export interface Pacing {
  /** @param intervalSeconds as the acknowledgement gave it */
  take(poll: Poll, intervalSeconds: number): Paced;
  /** The hold of this holder is over, if it has one. */
  endHold(operationId: string, holder: string): void;
  forget(operationId: string): void;
}

export function createPacing(remembered = REMEMBERED): Pacing {
  const paces = new Map<string, Pace>();

  const remember = (operationId: string, pace: Pace) => {
    paces.delete(operationId);
    paces.set(operationId, pace);
    if (paces.size > remembered) paces.delete(paces.keys().next().value!);
  };

  const endHold = (operationId: string, holder: string) => {
    const pace = paces.get(operationId);
    if (pace?.held?.holder === holder) pace.held = undefined;
  };

  return {
    endHold,
    take({ operationId, now, pacing, by, holdMs, holder }, intervalSeconds) {
      if (by === 'held') endHold(operationId, holder);
      if (by) return { result: 'pending' };
      const pace = asOfNow(paces.get(operationId) ?? { acceptedAt: Number.NEGATIVE_INFINITY, intervalSeconds }, now);
      const overlaps = pace.held !== undefined && now < pace.held.until && pace.held.holder !== holder;
      if (!overlaps && now - pace.acceptedAt >= pace.intervalSeconds * SECOND - pacing.toleranceMs) {
        const held = holdMs === undefined ? undefined : { holder, until: now + holdMs };
        remember(operationId, { ...pace, acceptedAt: now, held });
        return { result: 'pending' };
      }
      const slower = Math.min(pace.intervalSeconds + pacing.stepSeconds, pacing.maxSeconds);
      // what was refused does not count as a poll, or a hasty client would wait for ever
      remember(operationId, { ...pace, intervalSeconds: slower });
      return { result: 'slow_down', intervalSeconds: slower };
    },
    forget: (operationId) => paces.delete(operationId),
  };
}

/** A clock that was set back stops nobody until the time has come again: the last poll counts as of now, and so does its hold. */
function asOfNow(pace: Pace, now: number): Pace {
  const ahead = pace.acceptedAt - now;
  if (ahead <= 0) return pace;
  return { ...pace, acceptedAt: now, held: pace.held && { ...pace.held, until: pace.held.until - ahead } };
}
