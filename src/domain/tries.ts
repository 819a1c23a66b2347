/**
 * Tries of an approval (device-protocol, sections 4 and 5): reserved before anything is verified, spent by a failure
 * whichever element was wrong, given back by a success.
 */
import { SECOND } from '../support/clock.ts';
import type { Application } from './application.ts';
import { DomainError } from './errors.ts';
import type { Attempt, Tally } from './ports/operations.ts';

export type Counted = Attempt['counts'][number];
export type Limits = Attempt['limits'];

/**
 * A try that was reserved this long ago and has no outcome belongs to a process that died. Checking takes milliseconds; a
 * store that hangs is given up after five seconds.
 */
export const tryLeaseMs = 10 * SECOND;

/** Others that reserve, fail and succeed change what follows from a failure; so often it is drawn anew. */
export const drawnAnew = 10;

/** Wrong numbers have the limit of wrong PINs: both lock the device. */
export function limitsOf({ pin }: Pick<Application, 'pin'>): Limits {
  return { pin: pin.maxFailures, number: pin.maxFailures, pinLifetime: pin.lifetimeFailures };
}

export interface Consequences {
  attemptsLeft: number;
  /** The operation ends as `failed`. */
  failsOperation: boolean;
  /** The device is locked, its PIN key deleted. */
  locksDevice: boolean;
  /** One more failure will lock the device: the person is told before (RTS, article 4(3)). */
  lockIsImminent: boolean;
}

/** What the device is told of it, and its receipt keeps. */
export interface FailedTry {
  /** Of this operation. */
  attempts_left: number;
  lock_imminent?: true;
}

export function toldOf({ attemptsLeft, lockIsImminent }: Consequences): FailedTry {
  return { attempts_left: attemptsLeft, ...(lockIsImminent && { lock_imminent: true }) };
}

/**
 * What follows if this try fails; the counters include it. Those that are under way for other messages may still be right,
 * so nothing ends before the last of them has failed.
 */
export function consequencesOf(
  { used, max, failures, underWay }: Tally,
  counts: readonly Counted[],
  limits: Limits,
): Consequences {
  const left = {
    pin: Math.min(limits.pin - failures.pin, limits.pinLifetime - failures.pinLifetime),
    number: limits.number - failures.number,
  };
  const untilLock = Math.min(...counts.map((counter) => left[counter]));
  const attemptsLeft = Math.max(0, Math.min(max - used, untilLock));
  const locksDevice = counts.some((counter) => left[counter] <= 0 && underWay[counter] === 0);
  const failsOperation = locksDevice || (used >= max && underWay.operation === 0);
  return { attemptsLeft, failsOperation, locksDevice, lockIsImminent: untilLock === 1 };
}

/** Another message holds the last try and may be right. Nothing was counted and nothing has changed: the same message may come again. */
export function attemptUnderWay(): DomainError {
  return new DomainError('attempt_underway', { members: { retry_after: 1 } });
}
