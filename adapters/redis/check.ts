import { HOUR } from '../../src/support/clock.ts';
import type { SchemaMarker } from '../../src/support/schema-marker.ts';
import { type Connection, connect, type StoreLog } from './connect.ts';
import { answered } from './failures.ts';
import { createKeys, type Keys } from './keys.ts';
import { mustBeFor, readSchema, schema, warnOfLosses } from './schema.ts';
import { parseRedisUrl } from './url.ts';

/**
 * What readiness rests on: every master answers and takes writes, and no newer program has made the store one that this program
 * cannot work with. Then it is to get no more requests; what it has begun it goes on with.
 */
export function createCheck(connection: Connection, keys: Keys, log: StoreLog): () => Promise<void> {
  let isTold = false;
  return async () => {
    const [found] = await Promise.all([readSchema(connection.client, keys), checkMasters(connection, keys)]);
    try {
      if (found) mustBeFor(schema, found);
    } catch (error) {
      if (!isTold) log.warn('store.too_new', { ...found, because: (error as Error).message });
      isTold = true;
      throw error;
    }
  };
}

async function checkMasters({ masters, client }: Connection, keys: Keys): Promise<void> {
  await Promise.all(masters().map((master) => answered(master.ping())));
  // A replica answers PING, and so does a server that is full or misses its replicas.
  await answered(client.set(keys.at('00', 'check'), 1, 'PX', HOUR));
}

/** What `assent store check` reports. */
export interface Inspection {
  /** Absent where nobody has opened the store yet. */
  marker: SchemaMarker | undefined;
  /** What this program writes. */
  own: SchemaMarker;
}

/**
 * Looks at a store as a start would, and leaves its marker as it is.
 *
 * @throws StoreUnavailable nobody answers or takes writes
 */
export async function inspectStore(url: string, log: StoreLog, openWithinMs: number): Promise<Inspection> {
  const keys = createKeys('assent:');
  const connection = await connect(parseRedisUrl(url), { log, openWithinMs, commandTimeoutMs: 500 });
  try {
    await checkMasters(connection, keys);
    await Promise.all(connection.masters().map((master) => warnOfLosses(master, log)));
    return { marker: await readSchema(connection.client, keys), own: schema };
  } finally {
    await connection.close();
  }
}
