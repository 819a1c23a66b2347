import { openRedisStore, type RedisStoreOptions } from '../../adapters/redis/index.ts';

/** For tests of what the store does, not of when it is given up: a disk or a machine may stand still for a while. */
export const openPatiently = (options: RedisStoreOptions) => openRedisStore({ commandTimeoutMs: 5_000, ...options });
