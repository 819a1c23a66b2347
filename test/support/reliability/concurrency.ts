/** Do `work` for every item, `width` at a time; results in the order of the items. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, lane: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (number: number) => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]!, number);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, (_, number) => lane(number)));
  return results;
}
