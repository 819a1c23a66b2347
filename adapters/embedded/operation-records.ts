import type { EndReason, Operation, OperationState } from '../../src/domain/operation.ts';
import { partitionOf } from '../../src/support/ids.ts';
import type { Db } from './db.ts';
import { parsed, parsedAll, type RecordRow, type Tx } from './transaction.ts';

export function readOperation(db: Db, id: string): Operation | undefined {
  return parsed(db.get<RecordRow>('SELECT record FROM operations WHERE id = ?', id));
}

/** Pending operations of a user at `now`, registrations among them, oldest first. */
export function pendingOf(db: Db, userId: string, now: number): Operation[] {
  return parsedAll(
    db.all<RecordRow>(
      `SELECT record FROM operations WHERE state = 'pending' AND user_id = ? AND expires_at > ?
        ORDER BY created_at, rowid`,
      userId,
      now,
    ),
  );
}

/** A pending operation past its time is expired, whether a sweep has written that or not. */
export function stateAt(operation: Operation, now: number): OperationState {
  return operation.state === 'pending' && now >= operation.expiresAt ? 'expired' : operation.state;
}

export function insertOperation(tx: Tx, operation: Operation): void {
  const { id, version, userId, state, createdAt, expiresAt, retainUntil } = operation;
  tx.db.run(
    'INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    id,
    version,
    userId,
    state,
    createdAt,
    expiresAt,
    retainUntil,
    JSON.stringify(operation),
  );
  wake(tx, operation);
}

/** The record with the changes and the next version; a change of state wakes whoever waits. */
export function replaceOperation(tx: Tx, operation: Operation, changes: Partial<Operation>): Operation {
  const next = { ...operation, ...changes, version: operation.version + 1 };
  const changed = tx.db.run(
    'UPDATE operations SET version = ?, state = ?, record = ? WHERE id = ? AND version = ? AND state = ?',
    next.version,
    next.state,
    JSON.stringify(next),
    next.id,
    operation.version,
    operation.state,
  );
  if (changed !== 1) throw new Error(`operation ${operation.id} changed while it was being changed`);
  if (next.state !== operation.state) wake(tx, next);
  return next;
}

/** pending -> a final state. The caller has looked at {@link stateAt}. */
export function endOperation(
  tx: Tx,
  operation: Operation,
  state: Exclude<OperationState, 'pending'>,
  finishedAt: number,
  endReason?: EndReason,
): Operation {
  return replaceOperation(tx, operation, { state, finishedAt, ...(endReason && { endReason }) });
}

function wake(tx: Tx, { id, userId, state }: Operation): void {
  tx.wake({ partition: partitionOf(id), operationId: id, userId, state });
}
