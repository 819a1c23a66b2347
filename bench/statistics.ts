export function median(values: number[]): number {
  return percentile(values, 50);
}

/** The smallest of the values that so many per cent of them do not exceed. */
export function percentile(values: Iterable<number>, percent: number): number {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) throw new RangeError('nothing was measured');
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)]!;
}
