import type { Claimed, OutboxEntry, OutboxStore } from '../../src/domain/ports/outbox.ts';
import type { Partition } from '../../src/support/ids.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import { listed, type Tx } from './transaction.ts';

type Claim = Parameters<OutboxStore['claimDue']>[0];

interface OutboxRow {
  seq: number;
  due_at: number;
  claims: number;
  record: string;
}

const ofPartitions = 'substr(id, 1, 2) IN (SELECT value FROM json_each(?))';

/** The number of claims is the fence: whoever was paused past its lease holds an older one. */
export function claimDue(tx: Tx, { partitions, now, limit, leaseMs }: Claim): Claimed[] {
  const where = listed(partitions);
  tx.db.run(`DELETE FROM outbox WHERE expires_at <= ? AND ${ofPartitions}`, now, where);
  const due = tx.db.all<OutboxRow>(
    `SELECT seq, due_at, claims, record FROM outbox
      WHERE due_at <= ? AND leased_until <= ? AND ${ofPartitions} ORDER BY due_at, seq LIMIT ?`,
    now,
    now,
    where,
    limit,
  );
  for (const { seq } of due)
    tx.db.run('UPDATE outbox SET claims = claims + 1, leased_until = ? WHERE seq = ?', now + leaseMs, seq);
  return due.map(asClaimed);
}

function asClaimed({ due_at, claims, record }: OutboxRow): Claimed {
  const attempts = claims + 1;
  const entry: OutboxEntry = { ...JSON.parse(record), dueAt: due_at, attempts };
  return { entry, fence: attempts };
}

interface Held {
  id: string;
  fence: number;
}

// A lease that ran out counts until the next claim; one that was given back does not.
const isHeld = 'id = ? AND claims = ? AND leased_until > 0';

export function completeEntry({ db }: Tx, { id, fence }: Held): boolean {
  return db.run(`DELETE FROM outbox WHERE ${isHeld}`, id, fence) === 1;
}

export function retryEntry({ db }: Tx, { id, fence, dueAt }: Held & { dueAt: number }): boolean {
  return db.run(`UPDATE outbox SET leased_until = 0, due_at = ? WHERE ${isHeld}`, dueAt, id, fence) === 1;
}

function backlog(db: Db, partitions: readonly Partition[]): { count: number; oldestDueAt?: number } {
  const sql = `SELECT count(*) AS count, min(due_at) AS oldest FROM outbox WHERE ${ofPartitions}`;
  const { count, oldest } = db.get<{ count: number; oldest: number | null }>(sql, listed(partitions))!;
  return oldest === null ? { count } : { count, oldestDueAt: oldest };
}

export const outboxStore = ({ read, write }: Access): OutboxStore => ({
  claimDue: (claim) => write('claimDue', claim),
  complete: (id, fence) => write('completeEntry', { id, fence }),
  retry: (id, fence, dueAt) => write('retryEntry', { id, fence, dueAt }),
  backlog: (partitions) => read((db) => backlog(db, partitions)),
});
