import type { Store, Wake, Wakeups } from '../../src/domain/ports/store.ts';
import type { IdentifierKind } from '../../src/domain/user.ts';
import type { ArtifactStore } from '../../src/protocol/ports.ts';
import type { Partition } from '../../src/support/ids.ts';

export type ConformingStore = Store & { artifacts: ArtifactStore };

export interface Opened {
  store: ConformingStore;
  close(): Promise<void>;
  /** Further connections to the same data, as other processes would have; races are spread over all of them. */
  peers?: ConformingStore[];
  /**
   * The first step of `users.create` alone, as a process leaves it that dies before the second. Left out by an adapter
   * that takes one step, and named in its known differences.
   */
  claimIdentifierOnly?: (claim: { kind: IdentifierKind; hmac: string; userId: string; now: number }) => Promise<void>;
}

/** Opens a store with nothing in it. */
export type OpenStore = (options?: { outsideNotices: true }) => Promise<Opened>;

export interface SuiteOptions {
  /** Where an adapter is knowingly not as the suite says, and why. The tests concerned are not made. */
  knownDifferences?: {
    /** Records vanish by the store's own expiry, not by `collectGarbage`; the adapter's own test proves when. */
    garbageByExpiry?: string;
    /** Users and identifiers are written in one step: there is no point between two to crash at. */
    oneStepUsers?: string;
  };
}

export type Suite = (name: string, open: OpenStore, options?: SuiteOptions) => void;

export interface UnderTest {
  readonly store: ConformingStore;
  readonly opened: Opened;
  /** Calls at once, spread over all connections to the data. */
  race<T>(count: number, call: (store: ConformingStore, index: number) => Promise<T>): Promise<T[]>;
}

/** A new empty store for each test of the enclosing `describe`. */
export function storeForEach(open: OpenStore): UnderTest {
  let opened: Opened;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened.close());
  return {
    get store() {
      return opened.store;
    },
    get opened() {
      return opened;
    },
    race(count, call) {
      const stores = [opened.store, ...(opened.peers ?? [])];
      return Promise.all(Array.from({ length: count }, (_, index) => call(stores[index % stores.length]!, index)));
    },
  };
}

/** How many callers race for one thing wherever the suite says "of a hundred". */
export const HUNDRED = 100;

/** How often each `result` (or plain answer) was given: `{ decided: 1, decided_before: 99 }`. */
export function tally(answers: ({ result: string } | boolean)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const key = typeof answer === 'boolean' ? String(answer) : answer.result;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Listens for wake-ups; `next` resolves when one that fits has come, were it before the call. */
export async function listen(wakeups: Wakeups, partition: Partition | '*') {
  const heard: Wake[] = [];
  let look = () => {};
  const stop = await wakeups.subscribe(partition, (wake) => {
    heard.push(wake);
    look();
  });
  const next = (fits: Partial<Wake>): Promise<Wake> =>
    new Promise((resolve) => {
      look = () => {
        const found = heard.find((wake) =>
          Object.entries(fits).every(([key, value]) => wake[key as keyof Wake] === value),
        );
        if (found) resolve(found);
      };
      look();
    });
  return { heard, next, stop };
}
