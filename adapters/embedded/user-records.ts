import type { StoredUser } from '../../src/domain/user.ts';
import type { Db } from './db.ts';
import { parsed, type RecordRow, type Tx } from './transaction.ts';

export function readUser(db: Db, id: string): StoredUser | undefined {
  return parsed(db.get<RecordRow>('SELECT record FROM users WHERE id = ?', id));
}

export function insertUser({ db }: Tx, user: StoredUser): void {
  const sql = 'INSERT INTO users (id, version, record) VALUES (?, ?, ?)';
  db.run(sql, user.id, user.version, JSON.stringify(user));
}

/** The record with the changes and the next version. */
export function replaceUser({ db }: Tx, user: StoredUser, changes: Partial<StoredUser>): StoredUser {
  const next = { ...user, ...changes, version: user.version + 1 };
  const changed = db.run(
    'UPDATE users SET version = ?, record = ? WHERE id = ? AND version = ?',
    next.version,
    JSON.stringify(next),
    next.id,
    user.version,
  );
  if (changed !== 1) throw new Error(`user ${user.id} changed while it was being changed`);
  return next;
}
