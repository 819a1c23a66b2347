import type { Page } from '../../src/domain/ports/users.ts';
import { ALL_PARTITIONS, isId, partitionOf } from '../../src/support/ids.ts';
import type { Context } from './context.ts';
import type { Fields } from './scripts.ts';

/** All records of a kind, partition by partition, by id. The cursor is the last id that was given. */
export function createPages<T extends { id: string }>(
  { keys, scripts }: Context,
  index: 'users' | 'devices',
  record: 'user' | 'device',
  toRecord: (id: string, fields: Fields) => T,
): (page: Page) => Promise<{ items: T[]; nextCursor?: string }> {
  return async ({ limit, cursor = '' }) => {
    // Whatever came back from outside as a cursor: what is none of ours begins from the start.
    const after = isId(cursor) ? cursor : '';
    const items: T[] = [];
    for (const partition of ALL_PARTITIONS) {
      if (after !== '' && partition < partitionOf(after)) continue;
      const from = partition === partitionOf(after) ? after : '';
      const rows = await scripts.run(
        'readPage',
        [keys.root(partition), keys.at(partition, index)],
        [from, limit + 1 - items.length, record],
      );
      for (const [id, fields] of rows) items.push(toRecord(id, fields));
      if (items.length > limit) break;
    }
    if (items.length <= limit) return { items };
    return { items: items.slice(0, limit), nextCursor: items[limit - 1]!.id };
  };
}
