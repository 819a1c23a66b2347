import type { Partition } from '../../src/support/ids.ts';

/** How much there is to do in a partition, and doing at most `limit` of it. */
export interface Step<T> {
  /** Whose turn it is next is remembered for each kind. */
  kind: string;
  count(partition: Partition): Promise<number>;
  take(partition: Partition, limit: number): Promise<T>;
}

export interface Walked<T> {
  taken: T[];
  /** There was more to do than `limit`. */
  more: boolean;
}

/** Goes over partitions: first all counts at once, then only those with something to do. At most `limit` in all. */
export type Walk = <T>(partitions: readonly Partition[], limit: number, step: Step<T>) => Promise<Walked<T>>;

/**
 * One walk at a time: it is background work, and the 256 commands of each would stand before the requests of people.
 * Commands of one turn of the event loop leave together, to each node of a cluster its own.
 *
 * A walk begins behind the partition that was served last, so that one that always has something to do keeps no other waiting.
 * A partition is served whole, as far as the limit goes: one script for fifty records costs less than fifty for one each.
 */
export function createWalk(): Walk {
  let last: Promise<unknown> = Promise.resolve();
  const lastServed = new Map<string, Partition>();
  return (partitions, limit, step) => {
    const turn = last.then(async () => {
      const shares = sharesOf(await dueIn(partitions, step), limit, lastServed.get(step.kind));
      const { served, more } = shares;
      const end = served.at(-1);
      if (end) lastServed.set(step.kind, end.partition);
      return { taken: await Promise.all(served.map(({ partition, share }) => step.take(partition, share))), more };
    });
    last = turn.catch(() => {});
    return turn;
  };
}

interface Due {
  partition: Partition;
  count: number;
}

async function dueIn(partitions: readonly Partition[], step: Step<unknown>): Promise<Due[]> {
  const counts = await Promise.all(partitions.map(step.count));
  return partitions.map((partition, i) => ({ partition, count: counts[i]! })).filter(({ count }) => count > 0);
}

/** What is left when all have their share is divided: one entry of an index may stand for a list of many. */
export function sharesOf(due: readonly Due[], limit: number, lastServed = '') {
  const next = due.findIndex(({ partition }) => partition > lastServed);
  const inTurn = next < 0 ? due : [...due.slice(next), ...due.slice(0, next)];
  const served: { partition: Partition; share: number }[] = [];
  let left = limit;
  for (const { partition, count } of inTurn) {
    const share = Math.min(count, left);
    if (share > 0) served.push({ partition, share });
    left -= share;
  }
  const extra = Math.floor(left / Math.max(served.length, 1));
  for (const each of served) each.share += extra;
  return { served, more: due.reduce((sum, { count }) => sum + count, 0) > limit };
}
