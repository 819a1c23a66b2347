import type { Cluster, Redis } from 'ioredis';
import type { StoreLog } from './connect.ts';
import { answered } from './failures.ts';
import type { Keys } from './keys.ts';

/** Grows with every change of what lies under the keys that an older version could not read. */
export const SCHEMA_VERSION = 1;

/** Writes the version into an empty store. @throws Error when the store is of another version */
export async function checkSchema(client: Redis | Cluster, keys: Keys): Promise<void> {
  const key = keys.at('00', 'schema');
  await answered(client.set(key, SCHEMA_VERSION, 'NX'));
  const found = await answered(client.get(key));
  if (found === String(SCHEMA_VERSION)) return;
  const version = /^\d{1,6}$/.test(found ?? '') ? found : 'that cannot be read';
  throw new Error(`The Redis store has schema version ${version}; this program knows version ${SCHEMA_VERSION} only.`);
}

/** Says what could lose acknowledged writes, where the server lets us look (CONFIG is often not permitted). */
export async function warnOfLosses(master: Redis, log: StoreLog): Promise<void> {
  const read = async (name: string) => {
    const reply: unknown = await master.config('GET', name);
    return String(Array.isArray(reply) ? reply[1] : Object.values(reply as object)[0]);
  };
  try {
    const policy = await read('maxmemory-policy');
    if (policy !== 'noeviction') {
      log.warn('store.redis_may_evict', { policy, wanted: 'noeviction', because: 'pending requests could vanish' });
    }
    const [appendonly, appendfsync] = [await read('appendonly'), await read('appendfsync')];
    if (appendonly !== 'yes') {
      log.warn('store.redis_not_durable', {
        appendonly,
        wanted: 'yes',
        because: 'a restart loses what was acknowledged',
      });
    } else if (appendfsync !== 'always') {
      log.warn('store.redis_may_lose_seconds', { appendfsync, wanted: 'always' });
    }
  } catch {
    // not permitted: whoever hides the configuration has looked after it
  }
}
