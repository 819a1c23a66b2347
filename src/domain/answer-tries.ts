/**
 * The tries of approvals at the store: one is reserved for each message, and spent when the approval was wrong, together with
 * what follows for operation and device. The rules are in tries.ts; a right answer gives its try back as it is recorded.
 *
 *     reserve ─> a try is left                                            its tally
 *                others have the last ones, and may be right              attempt_underway, nothing changes
 *                the operation has none left                              attempt_failed
 *                the device has none left                                 the lock that a process which died owed it
 *     fail    ─> the tries are still those that the consequences are of   attempt_failed, all in one step
 *                they have changed                                        drawn anew
 */
import { type Case, eventOf, type Outcome, settled, tellDevices } from './answer-case.ts';
import { attemptFailed, closed } from './answer-refusals.ts';
import { lockedBy } from './device-ends.ts';
import { DomainError } from './errors.ts';
import type { AuditEvent } from './event.ts';
import { counterOf } from './message-counter.ts';
import type { OperationStore, Tally } from './ports/operations.ts';
import { receiptOf, repeated } from './receipts.ts';
import {
  attemptUnderWay,
  type Consequences,
  type Counted,
  drawnAnew,
  type Limits,
  toldOf,
  tryLeaseMs,
} from './tries.ts';

export interface AnswerTries {
  /**
   * Before anything of the approval is evaluated.
   *
   * @throws DomainError operation_not_found | operation_* | attempt_failed | attempt_underway
   */
  reserve(one: Case, counts: Counted[], limits: Limits): Promise<Tally>;
  /**
   * Spends the try; what follows from that is drawn anew where others have changed the tries meanwhile.
   *
   * @throws DomainError attempt_failed | attempt_underway | message_reused | operation_not_found
   */
  fail(one: Case, reserved: Tally, draw: (tally: Tally) => Consequences): Promise<never>;
}

interface Deps {
  store: { operations: Pick<OperationStore, 'reserveAttempt' | 'failAttempt'> };
}

export function createAnswerTries({ store }: Deps): AnswerTries {
  async function reserve(one: Case, counts: Counted[], limits: Limits): Promise<Tally> {
    const { operation, device, message, now } = one;
    const { jwsHash } = message.signed;
    const attempt = {
      operationId: operation.id,
      deviceId: device.id,
      jwsHash,
      counts,
      limits,
      now,
      leaseMs: tryLeaseMs,
    };
    const reserved = await store.operations.reserveAttempt(attempt);
    if (reserved.result === 'missing') throw new DomainError('operation_not_found');
    if (reserved.result === 'closed') throw closed(reserved.state);
    if (reserved.result === 'exhausted') return exhausted(one, reserved);
    return tallyIn(reserved);
  }

  /**
   * Other messages hold the last tries. As long as one of them is being checked it may be right, so nothing follows. Otherwise
   * a process died before it could lock the device, and that is done now; an operation without tries ends by itself.
   */
  async function exhausted(one: Case, { result: _, which, ...tally }: Exhausted): Promise<never> {
    const counter = which === 'pin_lifetime' ? 'pin' : which;
    if (tally.underWay[counter] > 0) throw attemptUnderWay();
    if (which === 'operation') throw attemptFailed({ attempts_left: 0 });
    await failOnce(one, tally, { attemptsLeft: 0, failsOperation: true, locksDevice: true, lockIsImminent: false });
    throw attemptUnderWay(); // something has changed since: perhaps there are tries again
  }

  async function fail(one: Case, reserved: Tally, draw: (tally: Tally) => Consequences): Promise<never> {
    let tally = reserved;
    for (let round = 0; round < drawnAnew; round++) tally = await failOnce(one, tally, draw(tally));
    throw attemptUnderWay();
  }

  /** @returns what holds instead of `tally`, where the consequences are not those any longer */
  async function failOnce(one: Case, tally: Tally, consequences: Consequences): Promise<Tally> {
    const { request, operation, device, now } = one;
    const { failsOperation, locksDevice } = consequences;
    const recorded = await store.operations.failAttempt({
      operationId: operation.id,
      deviceId: device.id,
      tally,
      now,
      failOperation: failsOperation,
      ...(locksDevice && lockedBy(device, one.caller, now)),
      receipt: receiptOf(request, toldOf(consequences), now, operation.expiresAt),
      ...counterOf(request, one.caller, now),
      events: failureEvents(one, consequences),
      outbox: failsOperation ? [tellDevices(one, 'failed')] : [],
    });
    if (recorded.result === 'missing') throw new DomainError('operation_not_found');
    if (recorded.result === 'changed') return tallyIn(recorded);
    if (recorded.result !== 'recorded') settled(repeated<Outcome>(recorded));
    throw attemptFailed(toldOf(consequences));
  }

  return { reserve, fail };
}

type Exhausted = Extract<Awaited<ReturnType<OperationStore['reserveAttempt']>>, { result: 'exhausted' }>;

function tallyIn({ result: _, ...tally }: Tally & { result: string }): Tally {
  return tally;
}

function failureEvents(one: Case, consequences: Consequences): AuditEvent[] {
  const { attemptsLeft, failsOperation, locksDevice, lockIsImminent } = consequences;
  return [
    eventOf(one, 'operation.attempt_failed', { attempts_left: attemptsLeft }),
    ...(lockIsImminent ? [eventOf(one, 'device.lock.imminent')] : []),
    ...(failsOperation ? [eventOf(one, 'operation.failed', { reason: 'attempts' })] : []),
    ...(locksDevice ? [eventOf(one, 'device.locked', { reason: 'attempts' })] : []),
  ];
}
