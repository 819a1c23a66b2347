import type { ReplayStore } from '../../src/domain/ports/records.ts';
import { lifetimeMs } from './changes.ts';
import type { Context } from './context.ts';

export function createReplayStore({ keys, scripts }: Context): ReplayStore {
  return {
    once: async ({ scope, id, now, until }) =>
      (await scripts.run('useOnce', [keys.hashed('replay', scope, id)], [now, until, lifetimeMs(until, now)])) === 1,
  };
}
