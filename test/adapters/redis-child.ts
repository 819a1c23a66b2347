/**
 * A server process of its own, as far as the store can tell: opens its own connections and does what its parent says.
 * `node redis-child.ts <url>`, with an IPC channel.
 */
import type { RedisStore } from '../../adapters/redis/index.ts';
import { openPatiently } from '../support/redis-store.ts';
import type { Batch, Done } from './redis-processes.ts';

type Method = (...args: unknown[]) => Promise<unknown>;

const store = await openPatiently({ url: process.argv[2]! });

process.on('message', async ({ id, calls }: Batch) => {
  const answers = await Promise.all(
    calls.map(({ port, method, args }) => {
      const methods = store[port as keyof RedisStore] as unknown as Record<string, Method>;
      return methods[method]!(...args).catch((error: Error) => ({ failed: error.name }));
    }),
  );
  process.send!({ id, answers } satisfies Done);
});
process.on('disconnect', () => process.exit());
process.send!({ id: 0, answers: [] } satisfies Done);
