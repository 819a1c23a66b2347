/**
 * One receiver that is slow or down must not hold up the others (RL-11): of each host only a few calls run at a time, more of
 * one that answers; and after several failures in a row it is left alone for a while, then one call tries it for all.
 *
 *     closed ──failures in a row──> open ──its time passes──> one call ──answered──> closed
 *                                                                └──failed────> open
 */
import type { Clock } from '../support/clock.ts';

export interface Receivers {
  /** 0: go ahead, and `leave` afterwards. Else: milliseconds until it is worth asking again, a whole number. */
  enter(host: string): number;
  /** `isWell`: it answered, whatever it said. */
  leave(host: string, isWell: boolean): void;
}

export interface ReceiversOptions {
  /** Calls at a time to a host of which nothing is known. */
  perHost: number;
  /** Each that it answers allows one more, up to so many. */
  perWellHost: number;
  failuresToOpen: number;
  openMs: number;
  /** What a call of a host that is well takes, about: whoever finds it busy asks again when those before it should be through. */
  turnMs: number;
  /** And after so long at the latest. */
  busyMs: number;
}

interface Receiver {
  calls: number;
  /** In a row, both. */
  answers: number;
  failures: number;
  /** Found it busy, and had no turn yet: an estimate, for they are not known here. */
  waiting: number;
  openUntil: number;
}

export function createReceivers({ clock, options }: { clock: Clock; options: ReceiversOptions }): Receivers {
  const { perHost, perWellHost, failuresToOpen, openMs, turnMs, busyMs } = options;
  const receivers = new Map<string, Receiver>();

  return {
    enter(host) {
      const receiver = receivers.get(host) ?? { calls: 0, answers: 0, failures: 0, waiting: 0, openUntil: 0 };
      const now = clock();
      // a clock that was set back leaves nobody alone for longer
      receiver.openUntil = Math.min(receiver.openUntil, now + openMs);
      if (now < receiver.openUntil) return receiver.openUntil - now;
      const isTried = receiver.failures >= failuresToOpen;
      const mayRun = isTried ? 1 : Math.min(perHost + receiver.answers, perWellHost);
      if (receiver.calls >= mayRun) {
        return isTried ? busyMs : Math.min(busyMs, Math.ceil(turnMs * (1 + receiver.waiting++ / mayRun)));
      }
      receiver.calls++;
      receivers.set(host, receiver);
      return 0;
    },
    leave(host, isWell) {
      const receiver = receivers.get(host)!;
      receiver.calls--;
      receiver.waiting = Math.max(0, receiver.waiting - 1);
      receiver.answers = isWell ? receiver.answers + 1 : 0;
      receiver.failures = isWell ? 0 : receiver.failures + 1;
      if (receiver.failures >= failuresToOpen) receiver.openUntil = clock() + openMs;
      // what is well and idle need not be remembered
      if (receiver.calls === 0 && receiver.failures === 0) receivers.delete(host);
    },
  };
}
