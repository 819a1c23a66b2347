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
  metrics: Pick<Metrics, 'request'>;
  listener: string;
  endpoints: readonly string[];
}): Step {
  const known = new Set(endpoints);
  return ({ res, path }) => {
    const startedAt = performance.now();
    res.once('close', () => {
      const ms = performance.now() - startedAt;
      metrics.request({ listener, endpoint: endpointOf(path, known), status: res.statusCode, ms });
    });
  };
}

function endpointOf(path: string, known: ReadonlySet<string>): string {
  let end = path.length;
  while (end > 0) {
    const above = path.slice(0, end);
    if (known.has(above)) return above;
    end = path.lastIndexOf('/', end - 1);
  }
  return 'other';
}
