import type { Metrics } from '../../observability/metrics.ts';
import type { Step } from './exchange.ts';

/**
 * Counts each answer under the endpoint that it belongs to.
 *
 * @param endpoints paths that may be named; one below them is counted as theirs, anything else as `other`, so that no
 *        stranger makes names
 */
export function requestMetrics({
  metrics,
  listener,
  endpoints,
}: {
  metrics: Pick<Metrics, 'requests'>;
  listener: string;
  endpoints: readonly string[];
}): Step {
  const known = new Map(endpoints.map((endpoint) => [endpoint, metrics.requests(listener, endpoint)]));
  const other = metrics.requests(listener, 'other');
  // what is longer than any of them need not be looked through, slash by slash
  const longest = Math.max(...endpoints.map(({ length }) => length)) + 1;
  return ({ res, path }) => {
    const startedAt = performance.now();
    res.once('close', () => {
      const answered = above(path.slice(0, longest), known) ?? other;
      answered({ status: res.statusCode, ms: performance.now() - startedAt });
    });
  };
}

/** What is kept for the path, or for the nearest one above it. */
function above<T>(path: string, known: ReadonlyMap<string, T>): T | undefined {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const found = known.get(path.slice(0, end));
    if (found !== undefined) return found;
  }
  return undefined;
}
