import type { Metric, Registry } from 'prom-client';

export interface HistogramOptions<L extends string> {
  name: string;
  help: string;
  labelNames: readonly L[];
  /** Upper bounds, growing. */
  buckets: readonly number[];
  registry: Registry;
}

interface Series<L extends string> {
  labels: Record<L, string>;
  /** Of each bucket by itself, and beyond the last one. */
  counts: number[];
  sum: number;
}

/**
 * A histogram of the registry whose series are looked up beforehand. prom-client's own sorts and joins its labels at every
 * observation, which costs more than all else that is counted for a poll; this one is added up when somebody asks.
 */
export function createHistogram<L extends string>(options: HistogramOptions<L>) {
  const { name, help, labelNames, buckets, registry } = options;
  const all = new Map<string, Series<L>>();
  const metric = {
    name,
    help,
    get: async () => ({ name, help, type: 'histogram', values: [...all.values()].flatMap(valuesOf) }),
    reset: () => all.clear(),
  };
  // the registry asks no more of a metric than its name and `get`
  registry.registerMetric(metric as unknown as Metric);

  function valuesOf({ labels, counts, sum }: Series<L>) {
    let below = 0;
    const cumulated = [...buckets, '+Inf'].map((le, at) => {
      below += counts[at]!;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below };
    });
    return [
      ...cumulated,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: below },
    ];
  }

  return {
    /** @param values of the labels, in the order of their names */
    series(...values: string[]): { observe(value: number): void } {
      const key = values.join('\0');
      let series = all.get(key);
      if (!series) {
        const labels = Object.fromEntries(labelNames.map((label, at) => [label, values[at]])) as Record<L, string>;
        series = { labels, counts: [...buckets, 0].map(() => 0), sum: 0 };
        all.set(key, series);
      }
      const { counts } = series;
      const own = series;
      return {
        observe(value) {
          let at = 0;
          while (at < buckets.length && value > buckets[at]!) at += 1;
          counts[at]! += 1;
          own.sum += value;
        },
      };
    },
  };
}
