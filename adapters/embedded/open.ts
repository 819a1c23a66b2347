import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { type Connection, createConnection, type Db, openDb } from './db.ts';
import { migrate } from './schema.ts';
import { applySettings, readSetting } from './settings.ts';

export function openWriter(file: string): Connection {
  const open = () =>
    prepared(file, false, (db) => {
      applySettings(db, 'writer');
      migrate(db);
    });
  return createConnection(open, verify);
}

export function openReader(file: string): Connection {
  return createConnection(() => prepared(file, true, (db) => applySettings(db, 'reader')));
}

function prepared(file: string, readOnly: boolean, prepare: (db: Db) => void): Db {
  const db = openDb(file, { readOnly });
  try {
    prepare(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** After an I/O error: half a second for a gigabyte, and only then is anything written again. */
function verify(db: Db): void {
  const found = readSetting(db, 'quick_check');
  if (found !== 'ok') throw new StoreUnavailable(`the store's file is damaged: ${found}`);
}
