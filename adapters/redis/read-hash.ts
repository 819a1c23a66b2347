import type { Cluster, Redis } from 'ioredis';
import { answered } from './failures.ts';
import type { Fields } from './scripts.ts';

/** A hash in the form in which scripts give it; undefined where there is none. */
export async function readHash(client: Redis | Cluster, key: string): Promise<Fields | undefined> {
  const fields = Object.entries(await answered(client.hgetall(key))).flat();
  return fields.length === 0 ? undefined : fields;
}
