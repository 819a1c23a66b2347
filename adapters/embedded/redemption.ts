import type { Operation, Redemption } from '../../src/domain/operation.ts';
import type { OperationStore, Poll, PollResult } from '../../src/domain/ports/operations.ts';
import { readDevice } from './device-records.ts';
import { readOperation, replaceOperation, stateAt } from './operation-records.ts';
import { type Tx, writeEvents } from './transaction.ts';
import { readUser } from './user-records.ts';

type Commit = Parameters<OperationStore['commit']>[0];
type Delivered = Parameters<OperationStore['delivered']>[0];
type Release = Parameters<OperationStore['release']>[0];
type Committed = Extract<Redemption, { state: 'committed' }>;
type Held = Extract<Redemption, { until: number }>;
type Over = Extract<Redemption, { state: 'delivered' | 'expired' }>;

/**
 * What a poll finds, from the record alone. `wait`: pending, the pace decides. `take`: lease or response are free for this
 * holder; taking them is a write. Everything else is an answer, and answering it again costs one read.
 */
export function lookAt(operation: Operation | undefined, poll: Poll): 'wait' | 'take' | PollResult {
  if (!operation?.poll || operation.clientId !== poll.clientId) return { result: 'missing' };
  if (operation.notification?.mode === 'push' && poll.by !== 'push') return { result: 'push' };
  const state = stateAt(operation, poll.now);
  if (state === 'pending') return 'wait';
  if (state === 'approved') return lookAtRedemption(operation, poll);
  const { endReason } = operation;
  return { result: 'ended', state, ...(endReason && { endReason }) };
}

function lookAtRedemption({ redemption }: Operation, poll: Poll): 'take' | PollResult {
  const { now, holder } = poll;
  if (redemption?.state === 'delivered' || redemption?.state === 'expired') return { result: redemption.state };
  if (redemption?.state === 'committed' && now >= redemption.replayUntil) return { result: 'delivered' };
  if (!redemption || now >= redemption.until || redemption.holder === holder) return 'take';
  return isFromAhead(redemption, poll) ? 'take' : { result: 'busy' };
}

/** A lease of another's from before the clock was set back. */
function isFromAhead(redemption: Redemption | undefined, { now, holder, leaseMs }: Poll): redemption is Held {
  return (
    redemption !== undefined && !isOver(redemption) && redemption.holder !== holder && redemption.until > now + leaseMs
  );
}

/** Nobody has issued, and nobody is issuing. */
function isTooLate({ redemption, expiresAt }: Operation, now: number): boolean {
  const isHeld = redemption?.state === 'leased' && now < redemption.until;
  return redemption?.state !== 'committed' && !isHeld && now >= expiresAt;
}

function isOver(redemption: Redemption): redemption is Over {
  return redemption.state === 'delivered' || redemption.state === 'expired';
}

/** Of several that found it free one is first; the others are told what they would have found a moment later. */
export function takeRedemption(tx: Tx, poll: Poll): PollResult {
  const operation = readOperation(tx.db, poll.operationId);
  const found = lookAt(operation, poll);
  // what was approved does not wait again
  if (!operation || found === 'wait') return { result: 'missing' };
  if (found !== 'take') return found;
  if (isFromAhead(operation.redemption, poll)) {
    // nobody waits for longer than a lease
    replaceOperation(tx, operation, { redemption: { ...operation.redemption, until: poll.now + poll.leaseMs } });
    return { result: 'busy' };
  }
  if (isTooLate(operation, poll.now)) {
    // What was answered stays true: whoever had the lease commits nothing any more, and no clock brings it back.
    replaceOperation(tx, operation, { redemption: { state: 'expired', at: poll.now } });
    return { result: 'expired' };
  }
  const user = readUser(tx.db, operation.userId);
  if (!user) return { result: 'missing' };
  const device = operation.decision && readDevice(tx.db, operation.decision.deviceId);
  return { ...take(tx, operation, poll), user, device };
}

function take(tx: Tx, operation: Operation, { holder, now, leaseMs }: Poll) {
  const { redemption } = operation;
  const held = { holder, until: now + leaseMs };
  if (redemption?.state === 'committed') {
    const { response, binding } = redemption;
    const taken = replaceOperation(tx, operation, { redemption: { ...redemption, ...held } });
    return { result: 'committed' as const, operation: taken, response, binding };
  }
  const leased = replaceOperation(tx, operation, { redemption: { state: 'leased', ...held } });
  return { result: 'leased' as const, operation: leased };
}

export function commitRedemption(tx: Tx, commit: Commit): { result: 'committed' } | { result: 'lost' } {
  const operation = readOperation(tx.db, commit.operationId);
  const redemption = operation?.redemption;
  if (!redemption || isOver(redemption) || redemption.holder !== commit.holder) return { result: 'lost' };
  if (redemption.state === 'committed') {
    return { result: redemption.response === commit.response ? 'committed' : 'lost' };
  }
  // A poll may have been answered `expired` since the lease ran out; that answer stays true.
  if (commit.now >= redemption.until && commit.now >= operation.expiresAt) return { result: 'lost' };
  const { holder, until, response, binding, replayUntil } = commit;
  const committed: Committed = { state: 'committed', holder, until, response, binding, replayUntil };
  replaceOperation(tx, operation, { redemption: committed });
  writeEvents(tx, commit.events);
  return { result: 'committed' };
}

export function deliverRedemption(tx: Tx, { operationId, holder, now, events }: Delivered): boolean {
  const operation = readOperation(tx.db, operationId);
  const redemption = operation?.redemption;
  if (redemption?.state !== 'committed' || redemption.holder !== holder) return false;
  replaceOperation(tx, operation!, { redemption: { state: 'delivered', at: now } });
  writeEvents(tx, events);
  return true;
}

export function releaseRedemption(tx: Tx, { operationId, holder, now }: Release): void {
  const operation = readOperation(tx.db, operationId);
  const redemption = operation?.redemption;
  if (!operation || !redemption || isOver(redemption) || redemption.holder !== holder) return;
  if (redemption.state === 'leased') replaceOperation(tx, operation, { redemption: undefined });
  else replaceOperation(tx, operation, { redemption: { ...redemption, until: now } });
}
