/**
 * Tries of an approval (device-protocol, sections 4 and 5): reserved before anything is verified, spent by a failure
 * whichever element was wrong, given back by a success.
 */
import type { Application } from './application.ts';
import type { Attempt, OperationStore } from './ports/operations.ts';

export type Counted = Attempt['counts'][number];
export type Limits = Attempt['limits'];
export type Reserved = Extract<Awaited<ReturnType<OperationStore['reserveAttempt']>>, { failures: object }>;

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

/** What follows if this try fails; the counters include it. */
export function consequencesOf(
  { used, max, failures }: Reserved,
  counts: readonly Counted[],
  limits: Limits,
): Consequences {
  const isPin = counts.includes('pin');
  const untilLock = Math.min(
    isPin ? limits.pin - failures.pin : Infinity,
    isPin ? limits.pinLifetime - failures.pinLifetime : Infinity,
    counts.includes('number') ? limits.number - failures.number : Infinity,
  );
  const attemptsLeft = Math.max(0, Math.min(max - used, untilLock));
  const locksDevice = untilLock <= 0;
  return { attemptsLeft, failsOperation: attemptsLeft === 0, locksDevice, lockIsImminent: untilLock === 1 };
}
