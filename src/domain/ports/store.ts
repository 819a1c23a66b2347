import type { Partition } from '../../support/ids.ts';
import type { ClientStore } from './clients.ts';
import type { DeviceStore } from './devices.ts';
import type { NotificationLogStore } from './notification-log.ts';
import type { OperationStore } from './operations.ts';
import type { OutboxStore } from './outbox.ts';
import type { CounterStore, EventStore, IdempotencyStore, KeyRingStore, KeyStore, ReplayStore } from './records.ts';
import type { UserStore } from './users.ts';

/**
 * What the domain asks of a store. Two adapters keep it: `adapters/embedded` and `adapters/redis`; both pass the
 * suites of `test/conformance`.
 *
 * For every port:
 * - `now` is epoch milliseconds from the caller's clock. A store never looks at a clock to decide anything; its own
 *   expiry only collects garbage, an hour or more after the record's own end.
 * - A mutating call takes `events` and writes them in the same atomic step. Whoever loses a race writes none.
 * - A call that resolves is durable as the store promises (embedded: fsynced; Redis: as its `appendfsync` says).
 *   A call that rejects may or may not have happened.
 * - A method names its single partition, or says "two steps": which order, and what repairs a crash between them.
 * - Normal outcomes are values with a `result`; a store throws only where it cannot work (support/unavailable.ts).
 * - Events that a store adds itself (an operation superseded, expired, a device replaced) have the id `<subject id>.<type>`.
 * - Records go in and come out as plain JSON values, never shared with the caller afterwards.
 */
export interface Store {
  readonly users: UserStore;
  readonly devices: DeviceStore;
  readonly operations: OperationStore;
  readonly outbox: OutboxStore;
  readonly events: EventStore;
  readonly replay: ReplayStore;
  readonly counters: CounterStore;
  readonly idempotency: IdempotencyStore;
  readonly keys: KeyStore;
  readonly keyRing: KeyRingStore;
  readonly clients: ClientStore;
  readonly notificationLog: NotificationLogStore;
  readonly wakeups: Wakeups;
  /** Resolves when the store can read and write. For readiness. @throws StoreUnavailable */
  check(): Promise<void>;
  /**
   * Deletes what has outlived its retention by an hour, at most `limit` records. `more`: the limit was met, and something may be
   * left; the number alone does not tell, for a store may have forgotten records by itself and then only clears up behind them.
   */
  collectGarbage(options: {
    partitions: readonly Partition[];
    now: number;
    limit: number;
  }): Promise<{ deleted: number; more: boolean }>;
  /** Finishes what is under way and lets go of files and sockets. */
  close(): Promise<void>;
}

/** What changed, for whoever waits for it. A hint, not the truth: a wake-up may be lost, late or doubled. */
export interface Wake {
  partition: Partition;
  operationId: string;
  userId: string;
  /** `noticed`: something else that the user's devices are told of (an event with `noticeUntil`); the operation may be none. */
  state: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'failed' | 'noticed';
}

/**
 * Wake-ups across processes. Every store call that starts an operation, changes its state or writes an event with
 * `noticeUntil` publishes one, as part of the same step where the store can. Redis: one pub/sub channel per partition.
 */
export interface Wakeups {
  /** From when the promise resolves, wake-ups of that partition (or of all, `'*'`) reach `listener`. Call the answer to stop. */
  subscribe(partition: Partition | '*', listener: (wake: Wake) => void): Promise<() => void>;
}
