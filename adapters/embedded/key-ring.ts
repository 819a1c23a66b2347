import type { KeyRingStore, StoredKeyRing } from '../../src/domain/ports/records.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import { parsed, type RecordRow, type Tx, writeEvents } from './transaction.ts';

type Save = Parameters<KeyRingStore['save']>[0];

const readRing = (db: Db): StoredKeyRing | undefined =>
  parsed(db.get<RecordRow>('SELECT record FROM key_ring WHERE id = 1'));

export function saveKeyRing(tx: Tx, { ring, events }: Save): boolean {
  if ((readRing(tx.db)?.version ?? 0) !== ring.version - 1) return false;
  const sql = `INSERT INTO key_ring (id, version, record) VALUES (1, ?, ?)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, record = excluded.record`;
  tx.db.run(sql, ring.version, JSON.stringify(ring));
  writeEvents(tx, events);
  return true;
}

export const keyRingStore = ({ read, write }: Access): KeyRingStore => ({
  read: () => read(readRing),
  save: (save) => write('saveKeyRing', save),
});
