import { HOUR } from '../../src/support/clock.ts';
import type { Tx } from './transaction.ts';

/** What has an end, and the column that says when. Users and keys have none, nor have devices that were active once; events see below. */
const ends: readonly [table: string, column: string][] = [
  ['replays', 'until'],
  ['counters', 'reset_at'],
  ['idempotency', 'until'],
  ['receipts', 'until'],
  ['artifacts', 'expires_at'],
  ['notification_log', 'until'],
  ['start_notes', 'until'],
  ['evidence', 'retain_until'],
  ['devices', 'pending_until'],
  ['operations', 'retain_until'],
];

interface Collect {
  now: number;
  limit: number;
  /** How long audit events are kept. */
  eventRetentionMs: number;
}

/**
 * An hour after its end a record is forgotten: until then a clock that is a little behind still finds what it must.
 * Partitions divide this work between servers; here is only one, so the first call does it for all.
 */
export function collectGarbage({ db }: Tx, { now, limit, eventRetentionMs }: Collect) {
  let deleted = 0;
  for (const [table, column] of ends) {
    const dead = `SELECT rowid FROM ${table} WHERE ${column} <= ? LIMIT ?`;
    deleted += db.run(`DELETE FROM ${table} WHERE rowid IN (${dead})`, now - HOUR, limit - deleted);
  }
  // They stand in the order in which they were written: only the first can be too old.
  const first = 'SELECT seq FROM events ORDER BY seq LIMIT ?';
  const old = `DELETE FROM events WHERE seq IN (${first}) AND json_extract(record, '$.at') <= ?`;
  deleted += db.run(old, limit - deleted, now - HOUR - eventRetentionMs);
  return { deleted, more: deleted >= limit };
}
