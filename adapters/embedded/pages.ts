import type { Page } from '../../src/domain/ports/users.ts';
import type { Db } from './db.ts';
import { parsedAll, type RecordRow } from './transaction.ts';

/** In the order of ids, which is partition by partition. The cursor is the last id that was given. */
export function pageOf<T extends { id: string }>(
  db: Db,
  table: 'users' | 'devices' | 'clients',
  { limit, cursor = '' }: Page,
): { items: T[]; nextCursor?: string } {
  const sql = `SELECT record FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`;
  const items = parsedAll<T>(db.all<RecordRow>(sql, cursor, limit + 1));
  if (items.length <= limit) return { items };
  const page = items.slice(0, limit);
  const last = page.at(-1);
  return last ? { items: page, nextCursor: last.id } : { items: page };
}
