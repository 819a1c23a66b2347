import type { KeyStore, ServerKey } from '../../src/domain/ports/records.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import { parsed, parsedAll, type RecordRow, type Tx, writeEvents } from './transaction.ts';

type Add = Parameters<KeyStore['add']>[0];
type Promote = Parameters<KeyStore['promote']>[0];
type Destroy = Parameters<KeyStore['destroy']>[0];

const readKey = (db: Db, kid: string): ServerKey | undefined =>
  parsed(db.get<RecordRow>('SELECT record FROM server_keys WHERE kid = ?', kid));

const keyIn = (db: Db, state: 'next' | 'current', { use, alg }: ServerKey): ServerKey | undefined =>
  parsed(db.get<RecordRow>('SELECT record FROM server_keys WHERE use = ? AND alg = ? AND state = ?', use, alg, state));

export function addKey(tx: Tx, { key, replaces, now, events }: Add): { result: 'added' } | { result: 'exists' } {
  if (readKey(tx.db, key.kid)) return { result: 'exists' };
  const rival = keyIn(tx.db, key.state === 'next' ? 'next' : 'current', key);
  if (rival && rival.kid !== replaces) return { result: 'exists' };
  if (rival) replaceKey(tx, { ...rival, state: 'retired', retiredAt: now });
  tx.db.run(
    'INSERT INTO server_keys (kid, use, alg, state, record) VALUES (?, ?, ?, ?, ?)',
    key.kid,
    key.use,
    key.alg,
    key.state,
    JSON.stringify(key),
  );
  writeEvents(tx, events);
  return { result: 'added' };
}

export function promoteKey(tx: Tx, { kid, replaces, now, events }: Promote): boolean {
  const next = readKey(tx.db, kid);
  if (next?.state !== 'next') return false;
  const current = keyIn(tx.db, 'current', next);
  if (current?.kid !== replaces) return false;
  if (current) replaceKey(tx, { ...current, state: 'retired', retiredAt: now });
  replaceKey(tx, { ...next, state: 'current', activatedAt: now });
  writeEvents(tx, events);
  return true;
}

export function destroyKey(tx: Tx, { kid, events }: Destroy): boolean {
  const key = readKey(tx.db, kid);
  if (key?.state !== 'retired') return false;
  const { sealed: _erased, ...publicHalf } = key;
  replaceKey(tx, { ...publicHalf, state: 'destroyed' });
  writeEvents(tx, events);
  return true;
}

function replaceKey({ db }: Tx, key: ServerKey): void {
  const next = { ...key, version: key.version + 1 };
  db.run('UPDATE server_keys SET state = ?, record = ? WHERE kid = ?', next.state, JSON.stringify(next), next.kid);
}

export const keyStore = ({ read, write }: Access): KeyStore => ({
  list: () => read((db) => parsedAll(db.all<RecordRow>('SELECT record FROM server_keys ORDER BY rowid'))),
  add: (add) => write('addKey', add),
  promote: (promote) => write('promoteKey', promote),
  destroy: (destroy) => write('destroyKey', destroy),
});
