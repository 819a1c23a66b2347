import type { Poll } from '../../src/domain/ports/operations.ts';
import { SECOND } from '../../src/support/clock.ts';

type Paced = { result: 'pending' } | { result: 'slow_down'; intervalSeconds: number };

interface Pace {
  acceptedAt: number;
  intervalSeconds: number;
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
  forget(operationId: string): void;
}

export function createPacing(remembered = REMEMBERED): Pacing {
  const paces = new Map<string, Pace>();

  const remember = (operationId: string, pace: Pace) => {
    paces.delete(operationId);
    paces.set(operationId, pace);
    if (paces.size > remembered) paces.delete(paces.keys().next().value!);
  };

  return {
    take({ operationId, now, pacing }, intervalSeconds) {
      const pace = paces.get(operationId) ?? { acceptedAt: Number.NEGATIVE_INFINITY, intervalSeconds };
      if (now - pace.acceptedAt >= pace.intervalSeconds * SECOND - pacing.toleranceMs) {
        remember(operationId, { ...pace, acceptedAt: now });
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
