import type { AuditEvent } from '../../src/domain/event.ts';
import type { ClientStore, StoredClient } from '../../src/domain/ports/clients.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';

const PARTITION = '00';

/**
 * Registered clients, all in one partition: each as JSON under the hash of its id, their ids in one sorted set, and one
 * number that grows with every change.
 */
export function createClientStore({ client: redis, keys, scripts, changes }: Context): ClientStore {
  const root = keys.root(PARTITION);
  const index = keys.at(PARTITION, 'clients');
  const revision = keys.at(PARTITION, 'clientsRevision');
  const recordOf = (id: string) => keys.beside(PARTITION, 'client', id);

  async function save(client: StoredClient, before: number, events: AuditEvent[]) {
    const args = [client.id, before, client.version, JSON.stringify(client), changes(events)];
    const [result] = await scripts.run('saveClient', [root, recordOf(client.id), index, revision], args);
    return result;
  }

  return {
    async get(id) {
      const text = await answered(redis.hget(recordOf(id), 'b'));
      return text === null ? undefined : (JSON.parse(text) as StoredClient);
    },

    // Two steps: a client that is changed in between comes as it is then.
    async list({ limit, cursor = '' }) {
      const from = cursor === '' ? '-' : `(${cursor}`;
      const ids = await answered(redis.zrange(index, from, '+', 'BYLEX', 'LIMIT', 0, limit + 1));
      const texts = await Promise.all(ids.slice(0, limit).map((id) => answered(redis.hget(recordOf(id), 'b'))));
      const items = texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as StoredClient]));
      return ids.length <= limit ? { items } : { items, nextCursor: ids[limit - 1]! };
    },

    async create({ client, events }) {
      return { result: (await save(client, 0, events)) === 'saved' ? 'created' : 'exists' };
    },

    async update({ client, events }) {
      const result = await save(client, client.version - 1, events);
      return { result: result === 'saved' ? 'updated' : (result as 'stale' | 'missing') };
    },

    revision: async () => Number((await answered(redis.get(revision))) ?? 0),
  };
}
