import type { AuditEvent } from '../../src/domain/event.ts';
import type { CounterStore, EventStore, IdempotencyStore, ReplayStore } from '../../src/domain/ports/records.ts';
import type { Access } from './access.ts';
import { parsedAll, type RecordRow, type Tx } from './transaction.ts';

type Use = Parameters<ReplayStore['once']>[0];
type Reserve = Parameters<CounterStore['reserve']>[0];
type Begin = Parameters<IdempotencyStore['begin']>[0];
type Finish = Parameters<IdempotencyStore['finish']>[0];

export function useOnce({ db }: Tx, { scope, id, now, until }: Use): boolean {
  const sql = `INSERT INTO replays (scope, id, until) VALUES (?, ?, ?)
    ON CONFLICT (scope, id) DO UPDATE SET until = excluded.until WHERE until <= ?`;
  return db.run(sql, scope, id, until, now) === 1;
}

interface CounterRow {
  count: number;
  reset_at: number;
}

/** A share is a row of its own, and ends with the counter. */
export function reserveCount(tx: Tx, { key, limit, share, windowMs, now }: Reserve) {
  const { db } = tx;
  const read = (key: string) => db.get<CounterRow>('SELECT count, reset_at FROM counters WHERE key = ?', key);
  const stored = read(key);
  const isOpen = stored !== undefined && now < stored.reset_at;
  const count = isOpen ? stored.count : 0;
  const shareKey = share && rowOf(key, share.of);
  const row = shareKey === undefined ? undefined : read(shareKey);
  const shared = isOpen && row?.reset_at === stored.reset_at ? row.count : 0;
  // one that ends later is from before the clock was set back: nobody is stopped for longer than the window
  const resetAt = isOpen ? Math.min(stored.reset_at, now + windowMs) : now + windowMs;
  if (isOpen && resetAt !== stored.reset_at) endSooner(tx, key, { from: stored.reset_at, to: resetAt });
  if (count >= limit || (share && shared >= share.limit)) return { allowed: false, count, resetAt };
  const sql = 'INSERT OR REPLACE INTO counters (key, count, reset_at) VALUES (?, ?, ?)';
  db.run(sql, key, count + 1, resetAt);
  if (shareKey !== undefined) db.run(sql, shareKey, shared + 1, resetAt);
  return { allowed: true, count: count + 1, resetAt };
}

/** Of a share. */
const rowOf = (key: string, of: string) => JSON.stringify([key, of]);

/** The counter and all its shares: what was used up stays used up (IV-06). */
function endSooner({ db }: Tx, key: string, { from, to }: { from: number; to: number }): void {
  const sql = 'UPDATE counters SET reset_at = ? WHERE reset_at = ? AND (key = ? OR instr(key, ?) = 1)';
  db.run(sql, to, from, key, rowOf(key, '').slice(0, -2));
}

interface IdempotencyRow {
  request_hash: string;
  response: string | null;
  lease_until: number;
  until: number;
}

export function beginCall({ db }: Tx, begin: Begin): Awaited<ReturnType<IdempotencyStore['begin']>> {
  const { scope, key, requestHash, now, leaseUntil, until } = begin;
  const sql = 'SELECT * FROM idempotency WHERE scope = ? AND key = ?';
  const stored = db.get<IdempotencyRow>(sql, scope, key);
  if (stored && now < stored.until) {
    if (stored.request_hash !== requestHash) return { result: 'mismatch' };
    if (stored.response !== null) return { result: 'done', response: stored.response };
    if (now < stored.lease_until) {
      // one that ends later is from before the clock was set back
      const sql = 'UPDATE idempotency SET lease_until = min(lease_until, ?) WHERE scope = ? AND key = ?';
      db.run(sql, leaseUntil, scope, key);
      return { result: 'busy' };
    }
  }
  const claim = `INSERT OR REPLACE INTO idempotency (scope, key, request_hash, lease_until, until)
    VALUES (?, ?, ?, ?, ?)`;
  db.run(claim, scope, key, requestHash, leaseUntil, until);
  return { result: 'fresh' };
}

export function finishCall({ db }: Tx, { scope, key, requestHash, response, now, until }: Finish): void {
  const sql = `INSERT OR REPLACE INTO idempotency (scope, key, request_hash, response, lease_until, until)
    VALUES (?, ?, ?, ?, ?, ?)`;
  db.run(sql, scope, key, requestHash, response, now, until);
}

export function abandonCall({ db }: Tx, { scope, key }: { scope: string; key: string }): void {
  db.run('DELETE FROM idempotency WHERE scope = ? AND key = ? AND response IS NULL', scope, key);
}

export const replayStore = ({ write }: Access): ReplayStore => ({ once: (use) => write('useOnce', use) });

export const counterStore = ({ write }: Access): CounterStore => ({
  reserve: (reserve) => write('reserveCount', reserve),
});

export const idempotencyStore = ({ write }: Access): IdempotencyStore => ({
  begin: (begin) => write('beginCall', begin),
  finish: (finish) => write('finishCall', finish),
  abandon: (abandon) => write('abandonCall', abandon),
});

export const eventStore = ({ read, write }: Access): EventStore => ({
  ofOperation: (operationId) =>
    read((db) =>
      parsedAll<AuditEvent>(
        db.all<RecordRow>('SELECT record FROM events WHERE operation_id = ? ORDER BY seq', operationId),
      ),
    ),
  ofUser: (userId, limit) =>
    read((db) =>
      parsedAll<AuditEvent>(
        db.all<RecordRow>('SELECT record FROM events WHERE user_id = ? ORDER BY seq DESC LIMIT ?', userId, limit),
      ),
    ),
  write: (_partition, events) => write('writeEvents', events),
});
