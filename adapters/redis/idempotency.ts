import type { IdempotencyStore } from '../../src/domain/ports/records.ts';
import { lifetimeMs } from './changes.ts';
import type { Context } from './context.ts';

export function createIdempotencyStore({ keys, scripts }: Context): IdempotencyStore {
  const entry = ({ scope, key }: { scope: string; key: string }) => [keys.hashed('idempotency', scope, key)];

  return {
    async begin(begin) {
      const { requestHash, now, leaseUntil, until } = begin;
      const args = [now, requestHash, leaseUntil, until, lifetimeMs(until, now)];
      const reply = await scripts.run('beginIdempotent', entry(begin), args);
      return reply[0] === 'done' ? { result: 'done', response: reply[1] } : { result: reply[0] };
    },

    async finish(finish) {
      const { requestHash, response, now, until } = finish;
      await scripts.run('finishIdempotent', entry(finish), [requestHash, response, until, lifetimeMs(until, now)]);
    },

    async abandon(abandon) {
      await scripts.run('abandonIdempotent', entry(abandon));
    },
  };
}
