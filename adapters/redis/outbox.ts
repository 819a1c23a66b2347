import type { Claimed, OutboxStore } from '../../src/domain/ports/outbox.ts';
import type { Partition } from '../../src/support/ids.ts';
import { entryOf } from './changes.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';
import { partitionFor } from './keys.ts';

export function createOutboxStore({ client, keys, scripts, walk }: Context): OutboxStore {
  const tables = (partition: Partition) => [
    keys.root(partition),
    keys.at(partition, 'outbox'),
    keys.at(partition, 'outboxDue'),
    keys.at(partition, 'outboxFences'),
  ];
  const settle = async (id: string, fence: number, dueAt: number | '') =>
    (await scripts.run('settleOutbox', tables(partitionFor(id)), [id, fence, dueAt])) === 1;

  return {
    async claimDue({ partitions, now, limit, leaseMs }) {
      const { taken } = await walk(partitions, limit, {
        kind: 'outbox',
        count: (partition) => answered(client.zcount(keys.at(partition, 'outboxDue'), '-inf', now)),
        take: (partition, share) => scripts.run('claimOutbox', tables(partition), [now, share, now + leaseMs]),
      });
      return taken
        .flat()
        .map(toClaimed)
        .sort((a, b) => a.entry.dueAt - b.entry.dueAt);
    },

    complete: (id, fence) => settle(id, fence, ''),
    retry: settle,

    async backlog(partitions) {
      const { taken: waiting } = await walk(partitions, Number.MAX_SAFE_INTEGER, {
        kind: 'backlog',
        count: (partition) => answered(client.zcard(keys.at(partition, 'outboxDue'))),
        take: (partition) => scripts.run('readBacklog', tables(partition).slice(0, 3)),
      });
      const count = waiting.reduce((sum, [of]) => sum + of, 0);
      const dues = waiting.flatMap(([, dueAt]) => (dueAt === '' ? [] : [Number(dueAt)]));
      return count === 0 ? { count } : { count, oldestDueAt: Math.min(...dues) };
    },
  };
}

function toClaimed([id, dueAt, expiresAt, rest, fence]: [string, string, string, string, number]): Claimed {
  const times = { dueAt: Number(dueAt), expiresAt: Number(expiresAt) };
  return { entry: { ...entryOf(id, rest), ...times, id, attempts: (fence + 1) / 2 }, fence };
}
