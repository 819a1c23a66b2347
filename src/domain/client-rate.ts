/**
 * Requests of one client altogether (S-02): counted before anybody is looked for, so that it tells nothing of them. Not in a
 * person's partition, and so not in the step that starts: a counter of its own, reserved while the person is looked for. It
 * only grows, so no race lets one more through.
 */
import type { Clock } from '../support/clock.ts';
import { SECOND } from '../support/clock.ts';
import { DomainError } from './errors.ts';
import { newEvent } from './new-event.ts';
import type { CounterStore, EventStore } from './ports/records.ts';

export interface ClientRate {
  /** At most one round trip; none where there is no limit. @throws DomainError rate_limited */
  take(clientId: string): Promise<void>;
}

interface Deps {
  store: { counters: CounterStore; events: Pick<EventStore, 'write'> };
  clock: Clock;
  /** 0: no limit. */
  options: { starts: number; windowMs: number };
  onRefused?: (clientId: string) => void;
}

export function createClientRate({ store, clock, options, onRefused }: Deps): ClientRate {
  const { starts, windowMs } = options;

  /** The trail is told once in a window. */
  async function tell(clientId: string, now: number, resetAt: number): Promise<void> {
    const key = `starts-told:${clientId}`;
    const { allowed } = await store.counters.reserve({ key, limit: 1, windowMs: Math.max(1, resetAt - now), now });
    if (!allowed) return;
    const by = { actor: `client:${clientId}` };
    const data = { starts, seconds: windowMs / SECOND };
    await store.events.write('00', [newEvent('client.limited', now, by, { clientId, data })]);
  }

  return {
    async take(clientId) {
      if (starts === 0) return;
      const now = clock();
      const counted = await store.counters.reserve({ key: `starts:${clientId}`, limit: starts, windowMs, now });
      if (counted.allowed) return;
      onRefused?.(clientId);
      await tell(clientId, now, counted.resetAt);
      const seconds = Math.max(1, Math.ceil((counted.resetAt - now) / SECOND));
      throw new DomainError('rate_limited', { detail: 'client_total', members: { retry_after: seconds } });
    },
  };
}
