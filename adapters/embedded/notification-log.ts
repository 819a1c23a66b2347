import type { NotificationLine, NotificationLogStore } from '../../src/domain/ports/notification-log.ts';
import type { Access } from './access.ts';
import { parsedAll, type Tx } from './transaction.ts';

type Append = Parameters<NotificationLogStore['append']>[0];

/** Lines of a client are numbered, so that the oldest ones are found without counting. What grows old goes with the garbage. */
export function appendNotification({ db }: Tx, { line, keep, keepMs }: Append): void {
  const { clientId, id, at } = line;
  const last = 'SELECT coalesce(max(number), 0) AS number FROM notification_log WHERE client_id = ?';
  const number = db.get<{ number: number }>(last, clientId)!.number + 1;
  const insert = `INSERT INTO notification_log (client_id, number, id, until, record) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING`;
  db.run(insert, clientId, number, id, at + keepMs, JSON.stringify(line));
  db.run('DELETE FROM notification_log WHERE client_id = ? AND number <= ?', clientId, number - keep);
}

interface Row {
  number: number;
  record: string;
}

export const notificationLogStore = ({ read, write }: Access): NotificationLogStore => ({
  append: (append) => write('appendNotification', append),
  ofClient: ({ clientId, since, limit, cursor }) =>
    read((db) => {
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
      const sql =
        'SELECT number, record FROM notification_log WHERE client_id = ? AND number < ? ORDER BY number DESC LIMIT ?';
      const rows = db.all<Row>(sql, clientId, before, limit + 1);
      const items = parsedAll<NotificationLine>(rows.slice(0, limit)).filter(({ at }) => at > since);
      const isLast = rows.length <= limit || items.length < limit;
      return isLast ? { items } : { items, nextCursor: String(rows[limit - 1]!.number) };
    }),
});
