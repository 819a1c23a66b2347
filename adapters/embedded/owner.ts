import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Db, isBusy, openDb } from './db.ts';
import { makeFile } from './place.ts';
import { StoreRefused } from './refused.ts';

/** Held for as long as this process may write. */
export interface Ownership {
  release(): void;
}

/**
 * One process at a time. `<file>.lock` names the owner and is itself a small SQLite file whose write lock is held: the
 * kernel lets go of it when its holder dies, however it dies. A process id in a text file would not do: ids are used
 * again, and in two containers both processes may be number 1.
 *
 * @throws StoreRefused in one sentence that names the owner
 */
export function takeOwnership(file: string): Ownership {
  const path = lockPath(file);
  makeFile(path);
  const db = openDb(path, { readOnly: false });
  try {
    // whoever only looks, or is refused itself, holds a lock for a moment; the owner holds it for good
    db.exec('PRAGMA busy_timeout = 250');
    signIn(db);
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    const owner = isBusy(error) ? ownerIn(db) : undefined;
    db.close();
    if (!isBusy(error)) throw error;
    throw new StoreRefused(`The store ${file} is in use by ${owner ?? 'another process'}.`, { cause: error });
  }
  return { release: () => db.close() };
}

const lockPath = (file: string) => `${file}.lock`;

/** The process that has the store, for whoever only wants to know; undefined where none has. */
export function ownerOf(file: string): string | undefined {
  const path = lockPath(file);
  if (!existsSync(path)) return undefined;
  const db = openDb(path, { readOnly: false });
  try {
    db.exec('BEGIN IMMEDIATE; ROLLBACK');
    return undefined;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return ownerIn(db) ?? 'another process';
  } finally {
    db.close();
  }
}

/** Readers see the owner while the write lock is held: this needs a rollback journal, not a log. */
function signIn(db: Db): void {
  db.exec('BEGIN IMMEDIATE');
  db.exec('CREATE TABLE IF NOT EXISTS owner (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL) STRICT');
  db.run('INSERT OR REPLACE INTO owner (id, name) VALUES (1, ?)', `process ${process.pid} on ${hostname()}`);
  db.exec('COMMIT');
}

function ownerIn(db: Db): string | undefined {
  try {
    return db.get<{ name: string }>('SELECT name FROM owner')?.name;
  } catch {
    // It is just signing in.
    return undefined;
  }
}
