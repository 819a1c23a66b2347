import type { RedisStoreOptions } from '../../adapters/redis/index.ts';
import { createKeys, idPart } from '../../adapters/redis/keys.ts';
import type { Opened, SuiteOptions } from '../conformance/index.ts';
import type { TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';

/** What conformance knows of this adapter beside its store. */
export const options: SuiteOptions = {
  knownDifferences: {
    garbageByExpiry: 'receipts, replay records, counters, idempotency keys and artifacts have a time to live instead',
  },
};

/** Two stores on one empty Redis, as two servers would have them; `more` is how the first is opened. */
export async function openEmpty(
  url: string,
  nodes: TestRedis[],
  more: Partial<RedisStoreOptions> = {},
): Promise<Opened> {
  await Promise.all(nodes.map((node) => node.flush()));
  // what is written must not depend on who writes it
  const shared = { outsideNotices: more.outsideNotices ?? false };
  const [store, peer] = await Promise.all([openPatiently({ url, ...more }), openPatiently({ url, ...shared })]);
  return {
    store,
    peers: [peer],
    close: async () => {
      await Promise.all([store.close(), peer.close()]);
    },
    async claimIdentifierOnly({ kind, hmac, userId, now }) {
      const key = createKeys('assent:').hashed('identifier', kind, hmac);
      await nodes[0]!.command('-c', 'set', key, `${idPart(userId)} ${now} nonce`);
    },
  };
}
