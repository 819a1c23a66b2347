import { type Clock, MINUTE, SECOND } from '../support/clock.ts';
import { ALL_PARTITIONS, type Partition } from '../support/ids.ts';
import { systemTimers, type Timers } from '../support/timers.ts';
import type { KeyClaims } from './key-claims.ts';
import type { KeyRing } from './key-ring.ts';
import { bySystem } from './new-event.ts';
import type { OwnBoxes } from './own-boxes.ts';
import type { OperationStore } from './ports/operations.ts';
import type { Store } from './ports/store.ts';
import type { ServerKeys } from './server-keys.ts';

/** What one call did, and whether something may be left. */
export interface Batch {
  done: number;
  more: boolean;
}

/**
 * Work that nobody asks for. Every process does it: whoever comes first does it, the others find nothing to do.
 *
 * A round is calls of fifty records, each a turn of its own for the store, until all partitions say that nothing is left. So no call
 * holds anybody up, and a round takes away whatever has come since the last one: of an operation about six records (itself, its
 * evidence, its events, their places in the user's list). A Redis on the same machine does some 20 000 records a second for one
 * process, so 3 000 operations that end in every second are kept up with; where a round trip takes 1 ms, 1 500.
 */
export interface Sweeper {
  start(): void;
  /** Resolves when what is under way has ended; nothing begins afterwards. */
  stop(): Promise<void>;
  /** Writes `expired` on operations whose time has passed. Resolves with their number. */
  expire(): Promise<number>;
  /** Deletes what has outlived its retention. Resolves with the number of records. */
  collect(): Promise<number>;
  /** Gives box pairs of devices their successors, and destroys former ones, whether the device comes or not. Their number. */
  boxes(): Promise<number>;
  /** Drops claims of keys that no device has any more. Resolves with the number of claims looked at. */
  claims(): Promise<number>;
}

export interface SweeperDeps {
  store: { operations: Pick<OperationStore, 'expireDue'> } & Pick<Store, 'collectGarbage'>;
  clock: Clock;
  serverKeys: Pick<ServerKeys, 'maintain' | 'reload'>;
  keyRing?: Pick<KeyRing, 'reload'>;
  ownBoxes?: Pick<OwnBoxes, 'maintainDue'>;
  keyClaims?: Pick<KeyClaims, 'review'>;
  timers?: Timers;
  /** A failed round is told and tried again at its next turn. */
  onError: (job: string, error: unknown) => void;
  options?: Partial<SweeperOptions>;
}

export interface SweeperOptions {
  /** Nobody waits for it: an operation past its time reads as expired anyway. Devices and streams are told by it. */
  expireEveryMs: number;
  collectEveryMs: number;
  /** Keys are replaced and destroyed when it is time. */
  keysEveryMs: number;
  /** Keys that another process made are known here after this time. */
  readKeysEveryMs: number;
  /** Records of one call to the store. */
  batch: number;
  /** Partitions of one call: a call holds up others for as long as it takes. */
  partitions: number;
}

const defaults: SweeperOptions = {
  expireEveryMs: SECOND,
  collectEveryMs: MINUTE,
  keysEveryMs: 30 * SECOND,
  readKeysEveryMs: 0.9 * SECOND,
  // RL-16: a commit that somebody waits for waits for no more than these, 3 ms of a slow disk
  batch: 50,
  partitions: 32,
};

export function createSweeper(deps: SweeperDeps): Sweeper {
  const { store, clock, serverKeys, keyRing, ownBoxes, keyClaims, timers = systemTimers, onError } = deps;
  const options = { ...defaults, ...deps.options };
  const waiting = new Map<string, () => void>();
  const running = new Map<string, Promise<void>>();
  let isStopped = false;

  /**
   * Group after group of partitions, again and again those with something left: none waits for another to be empty. Between
   * two calls others get their turn.
   */
  async function inBatches(call: (partitions: readonly Partition[]) => Promise<Batch>): Promise<number> {
    let total = 0;
    for (let groups = groupsOf(ALL_PARTITIONS, options.partitions); groups.length > 0; ) {
      const unfinished: Partition[][] = [];
      for (const partitions of groups) {
        if (isStopped) return total;
        const { done, more } = await call(partitions);
        total += done;
        if (more) unfinished.push(partitions);
      }
      groups = unfinished;
    }
    return total;
  }

  const { batch: limit } = options;
  const expire = () =>
    inBatches(async (partitions) => {
      const now = clock();
      const event = { type: 'operation.expired' as const, at: now, ...bySystem };
      const { length: done } = await store.operations.expireDue({ partitions, now, limit, event });
      return { done, more: done >= limit };
    });

  const collect = () =>
    inBatches(async (partitions) => {
      const { deleted: done, more } = await store.collectGarbage({ partitions, now: clock(), limit });
      return { done, more };
    });

  const boxes = async () => (ownBoxes ? inBatches((partitions) => ownBoxes.maintainDue({ partitions, limit })) : 0);
  const claims = async () => (keyClaims ? inBatches((partitions) => keyClaims.review({ partitions, limit })) : 0);

  function schedule(job: string, everyMs: number, work: () => Promise<unknown>) {
    const run = async () => {
      try {
        await work();
      } catch (error) {
        onError(job, error);
      }
      running.delete(job);
      if (!isStopped) schedule(job, everyMs, work);
    };
    const giveUp = timers.after(everyMs, () => running.set(job, run()));
    waiting.set(job, giveUp);
  }

  return {
    expire,
    collect,
    boxes,
    claims,
    start() {
      schedule('expire', options.expireEveryMs, expire);
      schedule('collect', options.collectEveryMs, collect);
      if (ownBoxes) schedule('boxes', options.collectEveryMs, boxes);
      if (keyClaims) schedule('claims', options.collectEveryMs, claims);
      schedule('keys', options.keysEveryMs, () => serverKeys.maintain());
      schedule('read-keys', options.readKeysEveryMs, () => serverKeys.reload());
      if (keyRing) schedule('read-key-ring', options.readKeysEveryMs, () => keyRing.reload());
    },
    async stop() {
      isStopped = true;
      for (const giveUp of waiting.values()) giveUp();
      await Promise.all(running.values());
    },
  };
}

function groupsOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
