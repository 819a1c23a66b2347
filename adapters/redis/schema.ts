import type { Cluster, Redis } from 'ioredis';
import { refusalOf, type SchemaMarker } from '../../src/support/schema-marker.ts';
import type { StoreLog } from './connect.ts';
import { answered } from './failures.ts';
import type { Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';

/** What this program writes, and the oldest version whose programs may work beside it (adapters/README.md says when either rises). */
export const schema: SchemaMarker = { version: 1, readableBy: 1 };

/**
 * Raises the store's marker to the program's own. One that is newer, and for this program as well, stays as it is.
 *
 * @throws Error when the store is not for this program, which leaves it as it was
 */
export async function raiseSchema(scripts: Scripts, keys: Keys, program: SchemaMarker = schema): Promise<void> {
  const { version, readableBy } = program;
  const found = await scripts.run('raiseSchema', [keys.root('00'), keys.at('00', 'schema')], [version, readableBy]);
  mustBeFor(program, parseMarker(found));
}

/** @returns undefined where nobody has opened the store yet */
export async function readSchema(client: Redis | Cluster, keys: Keys): Promise<SchemaMarker | undefined> {
  const text = await answered(client.get(keys.at('00', 'schema')));
  return text === null ? undefined : parseMarker(text);
}

/** @throws Error with one sentence */
export function mustBeFor({ version }: SchemaMarker, found: SchemaMarker): void {
  const refusal = refusalOf(found, version);
  if (refusal) throw new Error(refusal);
}

/** `3`, or `3 readable by 2`. */
function parseMarker(text: string): SchemaMarker {
  const [, version, readableBy = version] = /^(\d{1,6})(?: readable by (\d{1,6}))?$/.exec(text) ?? [];
  if (version === undefined) throw new Error('The Redis store has a schema version that cannot be read.');
  return { version: Number(version), readableBy: Number(readableBy) };
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
