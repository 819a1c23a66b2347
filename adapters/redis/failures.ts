import { StoreUnavailable } from '../../src/support/unavailable.ts';

/**
 * Whatever goes wrong with a command becomes the same refusal: texts of Redis (OOM, READONLY, LOADING, MOVED, a timeout)
 * name hosts, keys and scripts, and go no further than `cause`. What was asked for may or may not have happened.
 */
export async function answered<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply;
  } catch (cause) {
    throw new StoreUnavailable('the store did not answer as it should', { cause });
  }
}
