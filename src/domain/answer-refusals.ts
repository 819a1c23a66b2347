/**
 * What a device is told whose answer does not count: the operation is over or decided, the device is out of use, or something
 * in the answer was wrong. Each is said in one way, whether the record that was read tells it or the store's step.
 */
import type { Device, LockReason } from './device.ts';
import type { DecideAnswer, DecisionMessage } from './device-messages/index.ts';
import { DomainError, type DomainErrorCode } from './errors.ts';
import { type Operation, type OperationState, stateAt } from './operation.ts';
import type { FailedTry } from './tries.ts';

/** Approving ends one polling interval before the operation itself; a denial counts until then. */
export function refuseClosed(operation: Operation, now: number, isApproval = true): void {
  const state = stateAt(operation, now);
  if (state !== 'pending') throw closed(state);
  if (isApproval && now >= operation.answerBy) throw closed('expired');
}

const closedCodes: Record<Exclude<OperationState, 'pending'>, DomainErrorCode> = {
  approved: 'operation_decided',
  denied: 'operation_decided',
  expired: 'operation_expired',
  cancelled: 'operation_cancelled',
  failed: 'operation_failed',
};

export function closed(state: OperationState): DomainError {
  if (state === 'pending') throw new Error('a pending operation is not closed');
  return new DomainError(closedCodes[state]);
}

/** As the step that decides has found the device. */
interface Inactive {
  state: Device['state'];
  lockReason?: LockReason;
}

export function notActive({ state, lockReason }: Inactive): DomainError {
  if (state === 'deactivated') return new DomainError('device_deactivated', { members: { reason: 'revoked' } });
  return new DomainError('device_locked', { members: { reason: lockReason === 'attempts' ? 'attempts' : 'locked' } });
}

/** Ruling 15: the device that decided may ask again with a fresh message; anything else comes too late. */
export function sameDecision({ id, decision }: Operation, { approved }: DecisionMessage, device: Device): DecideAnswer {
  if (decision?.deviceId !== device.id || decision.approved !== approved) throw new DomainError('operation_decided');
  return { op: id, state: approved ? 'approved' : 'denied' };
}

/** One error, whichever element was wrong (SCA-03). */
export function attemptFailed(told: FailedTry): DomainError {
  return new DomainError('attempt_failed', { members: { ...told } });
}
