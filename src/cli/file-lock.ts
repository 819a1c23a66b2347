import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';

/** Somebody else has had it for as long as was waited. */
export class LockTaken extends Error {}

/**
 * Does `work` while no other process, and nobody else in this one, does work under the same lock.
 *
 * The lock is the write lock of a SQLite file that stays empty: the kernel lets go of it when its holder dies, however it
 * dies, so none is left behind and none has to be judged as left behind. A process id in a text file would not do: ids are used
 * again, and in two containers both processes may be number 1. The file stays: who would remove it might remove it from under another.
 *
 * @throws LockTaken; or what SQLite throws where the file cannot be made
 */
export async function underLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    const until = performance.now() + waitMs;
    while (!isTaken(lock)) {
      if (performance.now() > until) throw new LockTaken();
      // asked for now and then rather than waited for: other work of this process goes on
      await wait(5 + Math.random() * 20);
    }
    return await work();
  } finally {
    lock.close();
  }
}

function isTaken(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN IMMEDIATE');
    return true;
  } catch (error) {
    const busy = 5; // SQLITE_BUSY; the low byte, since extended codes say why
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === busy) return false;
    throw error;
  }
}
