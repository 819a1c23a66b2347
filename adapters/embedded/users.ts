import type { AuditEvent } from '../../src/domain/event.ts';
import type { UserStore } from '../../src/domain/ports/users.ts';
import type { IdentifierKind, StoredUser } from '../../src/domain/user.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import { endOperation, pendingOf } from './operation-records.ts';
import { pageOf } from './pages.ts';
import { type Tx, writeEvents } from './transaction.ts';
import { insertUser, readUser, replaceUser } from './user-records.ts';

interface WrittenUser {
  user: StoredUser;
  now: number;
  events: AuditEvent[];
}

type Identifiers = [IdentifierKind, string][];

/** User and identifiers in one step: the port allows two, a transaction needs only one. */
export function createUser(tx: Tx, { user, events }: WrittenUser) {
  const wanted = identifiersOf(user);
  const taken = firstTaken(tx.db, wanted, user.id);
  if (taken) return { result: 'taken' as const, kind: taken };
  insertUser(tx, user);
  claim(tx, wanted, user.id);
  writeEvents(tx, events);
  return { result: 'created' as const };
}

export function updateUser(tx: Tx, { user, events }: WrittenUser) {
  const stored = readUser(tx.db, user.id);
  if (!stored) return { result: 'missing' as const };
  if (stored.version !== user.version) return { result: 'stale' as const };
  const wanted = identifiersOf(user);
  const taken = firstTaken(tx.db, wanted, user.id);
  if (taken) return { result: 'taken' as const, kind: taken };
  tx.db.run('DELETE FROM identifiers WHERE user_id = ?', user.id);
  claim(tx, wanted, user.id);
  const updated = replaceUser(tx, stored, { ...user, state: stored.state });
  writeEvents(tx, events);
  return { result: 'updated' as const, user: updated };
}

export function changeUserState(tx: Tx, change: Parameters<UserStore['changeState']>[0]) {
  const { id, from, to, closePending, now, events } = change;
  const stored = readUser(tx.db, id);
  if (!stored) return { result: 'missing' as const };
  if (!from.includes(stored.state)) return { result: 'refused' as const, state: stored.state };
  const user = replaceUser(tx, stored, { state: to, updatedAt: now });
  const closed = closePending ? pendingOf(tx.db, id, now) : [];
  for (const operation of closed) endOperation(tx, operation, 'cancelled', now, 'user_deactivated');
  writeEvents(tx, events);
  return { result: 'changed' as const, user, closed: closed.map((operation) => operation.id) };
}

function identifiersOf(user: StoredUser): Identifiers {
  return Object.entries(user.identifiers).filter(([, hmac]) => hmac !== undefined) as Identifiers;
}

function firstTaken(db: Db, identifiers: Identifiers, userId: string): IdentifierKind | undefined {
  const holder = (kind: string, hmac: string) =>
    db.get<{ user_id: string }>('SELECT user_id FROM identifiers WHERE kind = ? AND hmac = ?', kind, hmac)?.user_id;
  return identifiers.find(([kind, hmac]) => (holder(kind, hmac) ?? userId) !== userId)?.[0];
}

function claim({ db }: Tx, identifiers: Identifiers, userId: string): void {
  const sql = 'INSERT INTO identifiers (kind, hmac, user_id) VALUES (?, ?, ?)';
  for (const [kind, hmac] of identifiers) db.run(sql, kind, hmac, userId);
}

function findByIdentifier(db: Db, kind: IdentifierKind, hmac: string): StoredUser | undefined {
  const row = db.get<{ user_id: string }>('SELECT user_id FROM identifiers WHERE kind = ? AND hmac = ?', kind, hmac);
  return row && readUser(db, row.user_id);
}

export const userStore = ({ read, write }: Access): UserStore => ({
  create: (user, now, events) => write('createUser', { user, now, events }),
  get: (id) => read((db) => readUser(db, id)),
  findByIdentifier: (kind, hmac) => read((db) => db.snapshot(() => findByIdentifier(db, kind, hmac))),
  update: (user, now, events) => write('updateUser', { user, now, events }),
  changeState: (change) => write('changeUserState', change),
  list: (page) => read((db) => pageOf<StoredUser>(db, 'users', page)),
});
