import type { EndReason, Operation, OperationState } from '../../src/domain/operation.ts';
import { partitionOf } from '../../src/support/ids.ts';
import type { Db } from './db.ts';
import { noteEnd } from './start-limits.ts';
import { parsed, parsedAll, type RecordRow, type Tx, writeOutbox } from './transaction.ts';

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

/** Also those whose time has passed, as long as no sweep has written that. Oldest first. */
export function unsweptOf(db: Db, userId: string): Operation[] {
  return pendingOf(db, userId, 0);
}

/** A pending operation past its time is expired, whether a sweep has written that or not. */
export function stateAt(operation: Operation, now: number): OperationState {
  return operation.state === 'pending' && now >= operation.expiresAt ? 'expired' : operation.state;
}

export function insertOperation(tx: Tx, operation: Operation): void {
  const { id, version, userId, state, createdAt, expiresAt, retainUntil } = operation;
  tx.db.run(
    `INSERT INTO operations (id, version, user_id, state, created_at, expires_at, retain_until, record)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
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
  const hasEnded = changes.state !== undefined && changes.state !== operation.state;
  const next = { ...(hasEnded ? withoutSecret(operation) : operation), ...changes, version: operation.version + 1 };
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
  if (hasEnded) {
    wake(tx, next);
    notify(tx, next, operation.notification);
    // nobody can fetch it any longer
    tx.db.run('DELETE FROM documents WHERE operation_id = ?', next.id);
    noteEnd(tx, next);
  }
  return next;
}

/** What the notification needs goes into the outbox; the record keeps how the client was to learn of it (S-13). */
function withoutSecret({ notification, ticket, ...operation }: Operation): Operation {
  return {
    ...operation,
    ...(notification && { notification: { mode: notification.mode } }),
    ...(ticket && { ticket: withoutBox(ticket) }),
  };
}

/** Of a ticket that has ended; the device that came of it has its own copy. */
function withoutBox({ box: _erased, ...ticket }: NonNullable<Operation['ticket']>): NonNullable<Operation['ticket']> {
  return ticket;
}

function notify(tx: Tx, ended: Operation, owed: Operation['notification']): void {
  if (!owed?.sealed || ended.endReason === 'cancelled_by_client') return;
  if (ended.state === 'expired' && owed.mode === 'ping') return;
  const { id, userId, finishedAt, retainUntil: expiresAt } = ended;
  const entry = { id: `${id}.notify`, kind: owed.mode, operationId: id, userId, payload: owed.sealed };
  writeOutbox(tx, [{ ...entry, dueAt: finishedAt!, expiresAt }]);
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
