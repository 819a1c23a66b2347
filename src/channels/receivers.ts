/**
 * One receiver that is slow or down must not hold up the others (RL-11): of each host only a few calls run at a time, and
 * after several failures in a row it is left alone for a while; then one call tries it for all.
 *
 *     closed ──failures in a row──> open ──its time passes──> one call ──answered──> closed
 *                                                                └──failed────> open
 */
import type { Clock } from '../support/clock.ts';

export interface Receivers {
  /** 0: go ahead, and `leave` afterwards. Else: milliseconds until it is worth asking again. */
  enter(host: string): number;
  /** `isWell`: it answered, whatever it said. */
  leave(host: string, isWell: boolean): void;
}

export interface ReceiversOptions {
  perHost: number;
  failuresToOpen: number;
  openMs: number;
  /** How long a call waits for one of the others to end, before it asks again. */
  busyMs: number;
}

interface Receiver {
  calls: number;
  failures: number;
  openUntil: number;
}

export function createReceivers({ clock, options }: { clock: Clock; options: ReceiversOptions }): Receivers {
  const { perHost, failuresToOpen, openMs, busyMs } = options;
  const receivers = new Map<string, Receiver>();

  return {
    enter(host) {
      const receiver = receivers.get(host) ?? { calls: 0, failures: 0, openUntil: 0 };
      const now = clock();
      if (now < receiver.openUntil) return receiver.openUntil - now;
      const mayRun = receiver.failures >= failuresToOpen ? 1 : perHost;
      if (receiver.calls >= mayRun) return busyMs;
      receiver.calls++;
      receivers.set(host, receiver);
      return 0;
    },
    leave(host, isWell) {
      const receiver = receivers.get(host)!;
      receiver.calls--;
      receiver.failures = isWell ? 0 : receiver.failures + 1;
      if (receiver.failures >= failuresToOpen) receiver.openUntil = clock() + openMs;
      // what is well and idle need not be remembered
      if (receiver.calls === 0 && receiver.failures === 0) receivers.delete(host);
    },
  };
}
