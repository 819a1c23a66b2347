import type { KeyRingStore, StoredKeyRing } from '../../src/domain/ports/records.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';

const PARTITION = '00';

/** One hash: `v` the version, `b` all of it as JSON. */
export function createKeyRingStore({ client, keys, scripts, changes }: Context): KeyRingStore {
  const key = keys.at(PARTITION, 'keyRing');
  return {
    async read() {
      const text = await answered(client.hget(key, 'b'));
      return text === null ? undefined : (JSON.parse(text) as StoredKeyRing);
    },
    async save({ ring, events }) {
      const args = [ring.version, JSON.stringify(ring), changes(events)];
      return (await scripts.run('saveKeyRing', [keys.root(PARTITION), key], args)) === 1;
    },
  };
}
