import { SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS, partitionOf } from '../../src/support/ids.ts';
import { anOperation, anOutboxEntry, T0 } from '../support/records.ts';
import { HUNDRED, type Suite, storeForEach, tally } from './harness.ts';
import { startOf, withUser } from './scenes.ts';

export const outboxSuite: Suite = (name, open) => {
  describe(`${name}: outbox`, () => {
    const at = storeForEach(open);

    const enqueued = async (count: number, overrides: Partial<ReturnType<typeof anOutboxEntry>> = {}) => {
      const operation = anOperation(await withUser(at.store));
      const entries = Array.from({ length: count }, (_, i) =>
        anOutboxEntry(operation, { dueAt: T0 + i, payload: `{"i":${i}}`, ...overrides }),
      );
      await at.store.operations.start(startOf(operation, { outbox: entries }));
      return { entries, partitions: [partitionOf(operation.id)] };
    };
    const claim = (overrides: Partial<Parameters<typeof at.store.outbox.claimDue>[0]> = {}) =>
      at.store.outbox.claimDue({
        partitions: ALL_PARTITIONS,
        now: T0 + SECOND,
        limit: 100,
        holder: 'h',
        leaseMs: 5 * SECOND,
        ...overrides,
      });

    test('promise 7: due entries are claimed as they were written, soonest first', async () => {
      const { entries } = await enqueued(3);
      const claimed = await claim();
      expect(claimed.map(({ entry }) => entry)).toEqual(entries.map((entry) => ({ ...entry, attempts: 1 })));
    });

    test('entries of one instant keep the order in which they were given', async () => {
      const { entries } = await enqueued(20, { dueAt: T0 });
      expect((await claim()).map(({ entry }) => entry.id)).toEqual(entries.map(({ id }) => id));
    });

    test('nothing is claimed before it is due, under a lease, or of other partitions', async () => {
      const { partitions } = await enqueued(1, { dueAt: T0 + SECOND });
      expect(await claim({ now: T0 + SECOND - 1 })).toEqual([]);
      expect(await claim({ partitions: ALL_PARTITIONS.filter((partition) => partition !== partitions[0]) })).toEqual(
        [],
      );
      expect(await claim({ limit: 0 })).toEqual([]);
      expect(await claim()).toHaveLength(1);
      expect(await claim({ now: T0 + 6 * SECOND - 1 })).toEqual([]);
    });

    test('a claim takes no more than its limit, over all partitions', async () => {
      for (let i = 0; i < 4; i++) await enqueued(2);
      expect(await claim({ limit: 3 })).toHaveLength(3);
      expect(await claim({ limit: 100 })).toHaveLength(5);
    });

    test('of a hundred that claim at once, one gets an entry', async () => {
      await enqueued(1);
      const claims = await at.race(HUNDRED, (store, i) =>
        store.outbox.claimDue({
          partitions: ALL_PARTITIONS,
          now: T0 + SECOND,
          limit: 1,
          holder: `h${i}`,
          leaseMs: SECOND,
        }),
      );
      expect(claims.flat()).toHaveLength(1);
    });

    test('RL-21 a lease that ran out goes to the next, and its former holder can finish nothing', async () => {
      await enqueued(1);
      const [first] = await claim();
      const [second] = await claim({ now: T0 + 6 * SECOND, holder: 'next' });
      expect(second!.entry).toEqual({ ...first!.entry, attempts: 2 });
      expect(second!.fence).toBeGreaterThan(first!.fence);
      expect(await at.store.outbox.complete(first!.entry.id, first!.fence)).toBe(false);
      expect(await at.store.outbox.retry(first!.entry.id, first!.fence, T0)).toBe(false);
      expect(await at.store.outbox.complete(second!.entry.id, second!.fence)).toBe(true);
      expect(await at.store.outbox.complete(second!.entry.id, second!.fence)).toBe(false);
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 0 });
    });

    test('a holder whose lease ran out unnoticed may still finish', async () => {
      await enqueued(1);
      const [claimed] = await claim();
      expect(await at.store.outbox.complete(claimed!.entry.id, claimed!.fence)).toBe(true);
    });

    test('retry: later again, with the same id and one more attempt', async () => {
      const { entries } = await enqueued(1);
      const [first] = await claim();
      expect(await at.store.outbox.retry(first!.entry.id, first!.fence, T0 + 10 * SECOND)).toBe(true);
      expect(await at.store.outbox.retry(first!.entry.id, first!.fence, T0)).toBe(false);
      expect(await at.store.outbox.complete(first!.entry.id, first!.fence)).toBe(false);
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 1, oldestDueAt: T0 + 10 * SECOND });
      expect(await claim({ now: T0 + 10 * SECOND - 1 })).toEqual([]);
      const [second] = await claim({ now: T0 + 10 * SECOND });
      expect(second!.entry).toEqual({ ...entries[0], dueAt: T0 + 10 * SECOND, attempts: 2 });
      expect(second!.fence).toBeGreaterThan(first!.fence);
    });

    test('an entry is given up at its end', async () => {
      await enqueued(2, { expiresAt: T0 + 10 * SECOND });
      expect(await claim({ now: T0 + 10 * SECOND })).toEqual([]);
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 0 });
    });

    test('the backlog counts what waits, in the partitions asked for', async () => {
      const { partitions } = await enqueued(2, { dueAt: T0 + 7 });
      await enqueued(1, { dueAt: T0 + 3 });
      const all = await at.store.outbox.backlog(ALL_PARTITIONS);
      expect(all).toEqual({ count: 3, oldestDueAt: T0 + 3 });
      const one = await at.store.outbox.backlog(partitions);
      expect([2, 3]).toContain(one.count);
      expect(await at.store.outbox.backlog([])).toEqual({ count: 0 });
    });

    test('finishing what is not there is refused', async () => {
      const { entries } = await enqueued(1);
      expect(tally([await at.store.outbox.complete(anOutboxEntry({ id: entries[0]!.id, userId: 'u' }).id, 1)])).toEqual(
        {
          false: 1,
        },
      );
    });
  });
};
