/**
 * The consumer of the outbox: claims entries that are due under a lease, hands each to the handler of its kind, and
 * records the outcome under the claim's fence.
 *
 *     wake-up of a partition ─┐
 *     walk over all, now and then ─┼─> partitions to look at ─> claimDue ─> handler ─> accepted, gone: complete
 *     retry that became due ──┘                                                  └─> retry: due later, with back-off
 *
 * At least once: a process that dies leaves leases, which run out. Nothing here can block or undo a decision.
 */
import type { Claimed, OutboxEntry, OutboxKind, OutboxStore } from '../domain/ports/outbox.ts';
import type { Wakeups } from '../domain/ports/store.ts';
import { type Clock, DAY, SECOND } from '../support/clock.ts';
import { ALL_PARTITIONS, type Partition, partitionOf } from '../support/ids.ts';
import type { Timers } from '../support/timers.ts';
import type { DeliveryOutcome, Handler } from './outcome.ts';

export interface Dispatcher {
  /** Resolves when it listens; a first walk over everything has begun. */
  start(): Promise<void>;
  /** Claims nothing more; resolves when what is under way has its outcome. */
  stop(): Promise<void>;
  /** Resolves when nothing is left to look at or under way. */
  idle(): Promise<void>;
}

export interface DispatcherOptions {
  /** Longer than any handler's deadline, so that nobody delivers twice without need. */
  leaseMs: number;
  /** At most so many deliveries at the same time: each host that hangs holds four for five seconds, and many may hang at once (RL-11). */
  concurrency: number;
  /** A walk finds what no wake-up told of: it was lost, or its process died. */
  walkMs: number;
  /** First and longest wait before another attempt; each is twice the one before. */
  retry: { firstMs: number; maxMs: number };
}

export const dispatcherDefaults: DispatcherOptions = {
  leaseMs: 15 * SECOND,
  concurrency: 256,
  walkMs: 15 * SECOND,
  retry: { firstMs: SECOND, maxMs: 60 * SECOND },
};

interface Deps {
  outbox: OutboxStore;
  wakeups: Wakeups;
  /** A kind that is not among them was written by a newer process, which will deliver it. */
  handlers: Partial<Record<OutboxKind, Handler>>;
  clock: Clock;
  timers: Timers;
  /** Names this process in leases. */
  holder: string;
  log: Record<'warn' | 'error', (event: string, fields: Record<string, unknown>) => void>;
  options?: Partial<DispatcherOptions>;
}

/** In one step of the store, which others wait for. */
const claimedAtOnce = 64;

/** The store does not answer: soon again, without hammering it. */
const afterFaultMs = SECOND;

export function createDispatcher({ outbox, wakeups, handlers, clock, timers, holder, log, ...rest }: Deps): Dispatcher {
  const options = { ...dispatcherDefaults, ...rest.options };
  const toLookAt = new Set<Partition>();
  const underWay = new Set<Promise<void>>();
  const cancels = new Set<() => void>();
  let unsubscribe = () => {};
  let isStopped = true;
  let running: Promise<void> | undefined;

  function look(partitions: Iterable<Partition>): void {
    if (isStopped) return;
    for (const partition of partitions) toLookAt.add(partition);
    running ??= run().finally(() => {
      running = undefined;
    });
  }

  function later(ms: number, run: () => void): void {
    const cancel = timers.after(ms, () => {
      cancels.delete(cancel);
      run();
    });
    cancels.add(cancel);
  }

  /**
   * A timer runs by another clock than the store's entries, and may be there a millisecond before one is due; or long before, where
   * the clock was set back, and longer than node's timers can be.
   */
  function lookWhenDue(id: string, dueAt: number): void {
    const waitMs = Math.min(Math.max(1, dueAt - clock()), DAY);
    later(waitMs, () => (clock() < dueAt ? lookWhenDue(id, dueAt) : look([partitionOf(id)])));
  }

  function walk(nextMs: number): void {
    look(ALL_PARTITIONS);
    later(nextMs, () => walk(Math.min(nextMs * 2, options.walkMs)));
  }

  async function run(): Promise<void> {
    await undefined; // wake-ups of the same instant are looked at together
    while (toLookAt.size > 0 && !isStopped) {
      if (underWay.size >= options.concurrency) await Promise.race(underWay);
      else await claimSome();
    }
  }

  async function claimSome(): Promise<void> {
    const partitions = [...toLookAt];
    toLookAt.clear();
    const limit = Math.min(options.concurrency - underWay.size, claimedAtOnce);
    try {
      const { leaseMs } = options;
      const claimed = await outbox.claimDue({ partitions, now: clock(), limit, holder, leaseMs });
      for (const each of claimed) begin(each);
      if (claimed.length >= limit) for (const partition of partitions) toLookAt.add(partition);
    } catch (error) {
      log.warn('outbox.unavailable', { error });
      later(afterFaultMs, () => look(partitions));
    }
  }

  function begin(claimed: Claimed): void {
    const work = deliver(claimed).finally(() => underWay.delete(work));
    underWay.add(work);
  }

  /** Never rejects: whatever happens, the lease ends and the entry is there for the next claim. */
  async function deliver({ entry, fence }: Claimed): Promise<void> {
    const outcome = await attempt(entry);
    const isOver = outcome.outcome === 'accepted' || outcome.outcome === 'gone';
    const dueAt = isOver ? Infinity : clock() + (outcome.afterMs ?? backOff(entry.attempts));
    try {
      if (dueAt < entry.expiresAt) {
        await outbox.retry(entry.id, fence, dueAt);
        lookWhenDue(entry.id, dueAt);
      } else await outbox.complete(entry.id, fence);
    } catch (error) {
      log.warn('outbox.unavailable', { entry: entry.id, error });
    }
  }

  async function attempt(entry: OutboxEntry): Promise<DeliveryOutcome> {
    const { id, kind, operationId, attempts } = entry;
    const handler = handlers[kind];
    if (!handler) return { outcome: 'later', afterMs: options.leaseMs };
    try {
      const outcome = await handler(entry);
      if (outcome.outcome === 'retry' || outcome.outcome === 'gone') {
        log.warn('delivery.failed', { entry: id, kind, operationId, attempts, ...outcome });
      }
      return outcome;
    } catch (error) {
      log.error('delivery.fault', { entry: id, kind, operationId, attempts, error });
      return { outcome: 'retry', reason: 'fault' };
    }
  }

  function backOff(attempts: number): number {
    const { firstMs, maxMs } = options.retry;
    return Math.min(maxMs, firstMs * 2 ** Math.min(attempts - 1, 20));
  }

  async function idle(): Promise<void> {
    while (running || underWay.size > 0) await Promise.all([running, ...underWay]);
  }

  return {
    async start() {
      isStopped = false;
      unsubscribe = await wakeups.subscribe('*', ({ partition }) => look([partition]));
      // often at first: retries that a process before this one had planned died with it
      walk(options.retry.firstMs);
    },
    async stop() {
      isStopped = true;
      unsubscribe();
      for (const cancel of cancels) cancel();
      cancels.clear();
      await idle();
    },
    idle,
  };
}
