import type { NotificationLine, NotificationLogStore } from '../../src/domain/ports/notification-log.ts';
import { HOUR } from '../../src/support/clock.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';

/** One sorted set for each client, in the partition of its id's hash; the lines are members, their numbers scores. */
export function createNotificationLogStore({ client, keys, scripts }: Context): NotificationLogStore {
  const keyOf = (clientId: string) => keys.hashed('notificationLog', clientId);
  return {
    async append({ line, keep, keepMs }) {
      const args = [JSON.stringify(line), keep, line.at - keepMs, keepMs + HOUR];
      await scripts.run('appendNotification', [keyOf(line.clientId)], args);
    },

    async ofClient({ clientId, since, limit, cursor }) {
      const before = cursor === undefined ? '+inf' : `(${Number(cursor)}`;
      const page = client.zrevrangebyscore(keyOf(clientId), before, '-inf', 'WITHSCORES', 'LIMIT', 0, limit + 1);
      const rows = pairsOf(await answered(page));
      const lines = rows.slice(0, limit).map(([text]) => JSON.parse(text) as NotificationLine);
      const items = lines.filter(({ at }) => at > since);
      const isLast = rows.length <= limit || items.length < limit;
      return isLast ? { items } : { items, nextCursor: rows[limit - 1]![1] };
    },
  };
}

const pairsOf = (flat: string[]): [member: string, score: string][] =>
  flat.flatMap((member, i) => (i % 2 === 0 ? [[member, flat[i + 1]!] as [string, string]] : []));
