import type { Receipt } from '../../src/domain/device.ts';
import type { AuditEvent } from '../../src/domain/event.ts';
import type { Replayed } from '../../src/domain/ports/devices.ts';
import type { NewOutboxEntry } from '../../src/domain/ports/outbox.ts';
import type { Wake } from '../../src/domain/ports/store.ts';
import { partitionOf } from '../../src/support/ids.ts';
import type { Db } from './db.ts';

/**
 * What a write has in its hands. It runs alone, inside a savepoint: what it reads stays true until it is done, and if it
 * throws, nothing of it remains. Wake-ups go out after the commit.
 */
export interface Tx {
  readonly db: Db;
  /** What the user's devices are told goes into the outbox as well. */
  readonly outsideNotices: boolean;
  wake(wake: Wake): void;
}

/** An event's id makes it one event, however often it is given. */
export function writeEvents(tx: Tx, events: AuditEvent[]): void {
  for (const event of events) {
    const { id, operationId, userId, noticeUntil } = event;
    const written = tx.db.run(
      `INSERT INTO events (id, operation_id, user_id, notice_until, record) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING`,
      id,
      operationId ?? null,
      userId ?? null,
      noticeUntil ?? null,
      JSON.stringify(event),
    );
    if (written === 0 || noticeUntil === undefined || userId === undefined) continue;
    if (tx.outsideNotices) writeOutbox(tx, [noticeEntry({ ...event, userId, noticeUntil })]);
    tx.wake({ partition: partitionOf(userId), operationId: operationId ?? userId, userId, state: 'noticed' });
  }
}

function noticeEntry(event: AuditEvent & { userId: string; noticeUntil: number }): NewOutboxEntry {
  const { id, at: dueAt, noticeUntil: expiresAt, userId, operationId = '' } = event;
  return { id: `${id}.notice`, kind: 'notice', operationId, userId, payload: JSON.stringify(event), dueAt, expiresAt };
}

const NOTICES = 20;

/** Oldest first. */
export function noticesOf(db: Db, userId: string, now: number): AuditEvent[] {
  const sql = `SELECT record FROM events WHERE user_id = ? AND notice_until > ? ORDER BY seq DESC LIMIT ${NOTICES}`;
  return parsedAll<AuditEvent>(db.all<RecordRow>(sql, userId, now)).reverse();
}

export function writeOutbox({ db }: Tx, entries: NewOutboxEntry[]): void {
  for (const entry of entries)
    db.run(
      'INSERT INTO outbox (id, due_at, expires_at, record) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
      entry.id,
      entry.dueAt,
      entry.expiresAt,
      JSON.stringify(entry),
    );
}

/** Whether this message was seen before; undefined if it is new. */
export function replayOf(
  { db }: Tx,
  receipt: Pick<Receipt, 'deviceId' | 'jti' | 'jwsHash'> | undefined,
): Replayed | undefined {
  if (!receipt) return undefined;
  const seen = readReceipt(db, receipt.deviceId, receipt.jti);
  if (!seen) return undefined;
  return seen.jwsHash === receipt.jwsHash
    ? { result: 'repeated', outcome: seen.outcome }
    : { result: 'message_reused' };
}

export function writeReceipt({ db }: Tx, receipt: Receipt | undefined): void {
  if (!receipt) return;
  const { deviceId, jti, jwsHash, outcome, until } = receipt;
  const sql = 'INSERT INTO receipts (device_id, jti, jws_hash, outcome, until) VALUES (?, ?, ?, ?, ?)';
  db.run(sql, deviceId, jti, jwsHash, outcome, until);
}

export function readReceipt(db: Db, deviceId: string, jti: string): Receipt | undefined {
  return db.get<Receipt>(
    `SELECT device_id AS "deviceId", jti, jws_hash AS "jwsHash", outcome, until
       FROM receipts WHERE device_id = ? AND jti = ?`,
    deviceId,
    jti,
  );
}

export interface RecordRow {
  record: string;
}

export function parsed<T>(row: RecordRow | undefined): T | undefined {
  return row && (JSON.parse(row.record) as T);
}

export const parsedAll = <T>(rows: RecordRow[]): T[] => rows.map(({ record }) => JSON.parse(record) as T);

/** For `partition IN (SELECT value FROM json_each(?))`: one statement whatever their number. */
export const listed = (partitions: readonly string[]): string => JSON.stringify(partitions);
