import type { ClientStore, StoredClient } from '../../src/domain/ports/clients.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import { pageOf } from './pages.ts';
import { parsed, type RecordRow, type Tx, writeEvents } from './transaction.ts';

type Create = Parameters<ClientStore['create']>[0];
type Update = Parameters<ClientStore['update']>[0];

const readClient = (db: Db, id: string): StoredClient | undefined =>
  parsed(db.get<RecordRow>('SELECT record FROM clients WHERE id = ?', id));

export function createClient(tx: Tx, { client, events }: Create): { result: 'created' } | { result: 'exists' } {
  if (readClient(tx.db, client.id)) return { result: 'exists' };
  const sql = 'INSERT INTO clients (id, version, record) VALUES (?, ?, ?)';
  tx.db.run(sql, client.id, client.version, JSON.stringify(client));
  changed(tx, events);
  return { result: 'created' };
}

export function updateClient(
  tx: Tx,
  { client, events }: Update,
): { result: 'updated' } | { result: 'stale' } | { result: 'missing' } {
  const current = readClient(tx.db, client.id);
  if (!current) return { result: 'missing' };
  if (current.version !== client.version - 1) return { result: 'stale' };
  const sql = 'UPDATE clients SET version = ?, record = ? WHERE id = ?';
  tx.db.run(sql, client.version, JSON.stringify(client), client.id);
  changed(tx, events);
  return { result: 'updated' };
}

function changed(tx: Tx, events: Create['events']): void {
  tx.db.run(
    'INSERT INTO clients_revision (id, revision) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET revision = revision + 1',
  );
  writeEvents(tx, events);
}

export const clientStore = ({ read, write }: Access): ClientStore => ({
  get: (id) => read((db) => readClient(db, id)),
  list: (page) => read((db) => pageOf<StoredClient>(db, 'clients', page)),
  create: (create) => write('createClient', create),
  update: (update) => write('updateClient', update),
  revision: () => read((db) => db.get<{ revision: number }>('SELECT revision FROM clients_revision')?.revision ?? 0),
});
