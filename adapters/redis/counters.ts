import type { CounterStore } from '../../src/domain/ports/records.ts';
import type { Context } from './context.ts';

export function createCounterStore({ keys, scripts }: Context): CounterStore {
  return {
    async reserve({ key, limit, share, windowMs, now }) {
      const shared = share ? [share.of, share.limit] : [];
      const reply = await scripts.run('reserveCount', [keys.hashed('counter', key)], [now, limit, windowMs, ...shared]);
      return { allowed: reply[0] === 1, count: reply[1], resetAt: Number(reply[2]) };
    },
  };
}
