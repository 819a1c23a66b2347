import type { Db } from './db.ts';
import { StoreRefused } from './refused.ts';

type Setting = [name: string, value: string | number, readsBack: string | number];

/**
 * Set and read back at every open: a promise of durability rests on each of the first two, and SQLite ignores what it does
 * not understand or cannot do.
 */
const forEveryConnection: readonly Setting[] = [
  // an I/O error on a mapped page would be a SIGBUS
  ['mmap_size', 0, 0],
  ['trusted_schema', 'OFF', 0],
];

const forTheWriter: readonly Setting[] = [
  ['journal_mode', 'WAL', 'wal'],
  // fsync of the log at every commit; in WAL, NORMAL would lose acknowledged commits with the power
  ['synchronous', 'FULL', 2],
  ['busy_timeout', 5000, 5000],
  ['foreign_keys', 'ON', 1],
  ['wal_autocheckpoint', 1000, 1000],
  ['journal_size_limit', 64 * 1024 * 1024, 64 * 1024 * 1024],
  // what was deleted is overwritten where that costs no further I/O
  ['secure_delete', 'FAST', 2],
  ...forEveryConnection,
];

const forTheReader: readonly Setting[] = [
  // the main thread waits here; in WAL a reader meets a lock only while a log is recovered
  ['busy_timeout', 250, 250],
  ...forEveryConnection,
];

export const settingsOf = { writer: forTheWriter, reader: forTheReader };

/** @throws StoreRefused when SQLite does not say back what was set */
export function applySettings(db: Db, role: keyof typeof settingsOf): void {
  for (const [name, value, expected] of settingsOf[role]) {
    db.exec(`PRAGMA ${name} = ${value}`);
    const found = readSetting(db, name);
    if (found !== expected) throw new StoreRefused(`SQLite does not take ${name} = ${value}: it says ${found}.`);
  }
}

export function readSetting(db: Db, name: string): unknown {
  return Object.values(db.get<Record<string, unknown>>(`PRAGMA ${name}`) ?? {})[0];
}
