import type { EventStore } from '../../src/domain/ports/records.ts';
import { eventOf } from './changes.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';
import { partitionFor } from './keys.ts';

export function createEventStore({ client, keys, scripts, changes }: Context): EventStore {
  return {
    async ofOperation(operationId) {
      const texts = await answered(client.lrange(keys.of('eventsOfOperation', operationId), 0, -1));
      return texts.map((text) => eventOf(text, operationId));
    },

    async ofUser(userId, limit) {
      if (limit <= 0) return [];
      const at = [keys.root(partitionFor(userId)), keys.of('eventsOfUser', userId)];
      return (await scripts.run('readUserEvents', at, [limit])).map((text) => eventOf(text));
    },

    async write(partition, events) {
      await scripts.run(
        'writeEvents',
        [keys.root(partition)],
        [changes(events), JSON.stringify(events.map(({ id }) => id))],
      );
    },
  };
}
