import type { Partition } from '../../src/support/ids.ts';

/** How much there is to do in a partition, and doing at most `limit` of it. */
export interface Step<T> {
  count(partition: Partition): Promise<number>;
  take(partition: Partition, limit: number): Promise<T>;
}

/** Goes over partitions: first all counts at once, then only those with something to do. At most `limit` in all. */
export type Walk = <T>(partitions: readonly Partition[], limit: number, step: Step<T>) => Promise<T[]>;

/**
 * One walk at a time: it is background work, and the 256 commands of each would stand before the requests of people.
 * Commands of one turn of the event loop leave together, to each node of a cluster its own.
 */
export function createWalk(): Walk {
  let last: Promise<unknown> = Promise.resolve();
  return (partitions, limit, step) => {
    const turn = last.then(() => walk(partitions, limit, step));
    last = turn.catch(() => {});
    return turn;
  };
}

async function walk<T>(partitions: readonly Partition[], limit: number, step: Step<T>): Promise<T[]> {
  if (limit <= 0) return [];
  const counts = await Promise.all(partitions.map(step.count));
  let left = limit;
  const takes: Promise<T>[] = [];
  for (const [i, partition] of partitions.entries()) {
    const share = Math.min(counts[i]!, left);
    if (share > 0) takes.push(step.take(partition, share));
    left -= share;
  }
  return Promise.all(takes);
}
