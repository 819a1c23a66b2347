/** Metrics, where somebody wants them, and the store seen through them. */

import type { Config } from '../config.ts';
import { meteredPort, meteredStore } from '../observability/metered.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import type { ServerDeps } from './deps.ts';

/** undefined: nobody wants them, and nothing is measured. */
export function metricsOf(config: Config, { store, clock }: ServerDeps, streams: () => number): Metrics | undefined {
  const { enabled, clientLabel } = config.metrics;
  if (!enabled) return undefined;
  const labelledClients = config.clients.map(({ client_id }) => client_id);
  return createMetrics({ outbox: store.outbox, clock, streams, ...(clientLabel && { labelledClients }) });
}

export function measured(deps: ServerDeps, metrics: Metrics): ServerDeps {
  const { store, artifacts } = deps;
  return {
    ...deps,
    store: meteredStore(store, metrics),
    artifacts: meteredPort('artifacts', artifacts, metrics),
  };
}
