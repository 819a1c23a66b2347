/**
 * What `/metrics` tells, in the Prometheus text format. Nothing in here is called by the parts that it measures: they are
 * wrapped, port by port (metered.ts), and the edge of HTTP has one step for it.
 *
 * Every label has few values that are known beforehand, or time series would grow with whatever strangers send; none is an
 * id, a path as sent, or a text. `client` is there only where the configuration asks for it, for its own clients.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { OutboxStore } from '../domain/ports/outbox.ts';
import { type Clock, SECOND } from '../support/clock.ts';
import { ALL_PARTITIONS } from '../support/ids.ts';
import { createHistogram } from './histogram.ts';

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  /** For answers that have left, or whose readers have. Made once for each endpoint, as for the store's methods below. */
  requests(listener: string, endpoint: string): (answer: { status: number; ms: number }) => void;
  started(start: { kind: string; result: string; clientId: string }): void;
  /** `told`: the client learned of it; else it was started for nobody. */
  startRefused(refusal: { limit: string; told: boolean; clientId: string }): void;
  polled(poll: { answer: string; clientId: string }): void;
  decided(decision: 'approved' | 'denied'): void;
  redeemed(outcome: 'issued' | 'lost' | 'repeated' | 'delivered'): void;
  readonly holds: {
    /** A token request listens for its decision; call the answer when it no longer does. */
    listening(): () => void;
    held(): void;
    woken(): void;
  };
  /** One attempt to deliver an entry of the outbox; `fault`: its handler threw. */
  attempted(attempt: { kind: string; outcome: string }): void;
  /** Made once for each method: labels are looked up here, not at every call. */
  storeCall(port: string, verb: string): (call: { seconds: number; failed: boolean }) => void;
}

export interface MetricsOptions {
  outbox: Pick<OutboxStore, 'backlog'>;
  clock: Clock;
  /** How many event streams of devices are open. */
  streams: () => number;
  /** Clients that get a label of their own; all others are `other`. Absent: nobody does. */
  labelledClients?: readonly string[];
}

type AddGauge = (name: string, help: string, collect?: (this: Gauge) => void | Promise<void>) => Gauge;

// A held request takes up to 25 s; a poll less than a millisecond of ours.
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const storeBuckets = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 3];

export function createMetrics({ outbox, clock, streams, labelledClients }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const named = new Set(labelledClients);
  const client = labelledClients ? (['client'] as const) : [];
  const ofClient = (clientId: string) => (labelledClients ? { client: named.has(clientId) ? clientId : 'other' } : {});

  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter<L>({ name, help, labelNames: [...labelNames], registers });
  const gauge: AddGauge = (name, help, collect) => new Gauge({ name, help, registers, ...(collect && { collect }) });

  const requests = createHistogram({
    name: 'assent_http_request_seconds',
    help: 'Requests by listener, endpoint and class of status; held ones count the time that they were held.',
    labelNames: ['listener', 'endpoint', 'status'],
    buckets: requestBuckets,
    registry,
  });
  const storeCalls = createHistogram({
    name: 'assent_store_seconds',
    help: 'Calls of the store by port and verb.',
    labelNames: ['port', 'verb'],
    buckets: storeBuckets,
    registry,
  });
  const storeFailures = counter('assent_store_failures_total', 'Calls that the store could not do.', ['port', 'verb']);
  const starts = counter('assent_operation_starts_total', 'Starts of operations by kind and result.', [
    'kind',
    'result',
    ...client,
  ]);
  const startRefusals = counter('assent_start_refusals_total', 'Starts that a limit refused, by limit.', [
    'limit',
    'told',
    ...client,
  ]);
  const polls = counter('assent_polls_total', 'Token requests of CIBA clients by what the store answered.', [
    'answer',
    ...client,
  ]);
  const decisions = counter('assent_decisions_total', 'Decisions that people took.', ['decision']);
  const redemptions = counter('assent_redemptions_total', 'Approvals that became tokens, step by step.', ['outcome']);
  const attempts = counter(
    'assent_outbox_attempts_total',
    'Attempts to deliver by kind (inbox, ping, push, notice) and outcome.',
    ['kind', 'outcome'],
  );
  const holds = gauge('assent_holds', 'Token requests that wait for a decision right now.');
  const held = counter('assent_holds_total', 'Token requests that began to wait.', []);
  const woken = counter('assent_hold_wakeups_total', 'Waiting token requests that were told of an end.', []);
  gauge('assent_event_streams', 'Open event streams of devices.', function () {
    this.set(streams());
  });
  addBacklog(gauge, outbox, clock);
  // process and Node: CPU, memory, open files, delay of the event loop
  collectDefaultMetrics({ register: registry });

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    requests(listener, endpoint) {
      const classes: ReturnType<typeof requests.series>[] = [];
      return ({ status, ms }) => {
        const first = Math.floor(status / 100);
        classes[first] ??= requests.series(listener, endpoint, `${first}xx`);
        classes[first].observe(ms / SECOND);
      };
    },
    started: ({ kind, result, clientId }) => starts.inc({ kind, result, ...ofClient(clientId) }),
    startRefused: ({ limit, told, clientId }) =>
      startRefusals.inc({ limit, told: told ? 'yes' : 'no', ...ofClient(clientId) }),
    polled: ({ answer, clientId }) => polls.inc({ answer, ...ofClient(clientId) }),
    decided: (decision) => decisions.inc({ decision }),
    redeemed: (outcome) => redemptions.inc({ outcome }),
    holds: {
      listening() {
        holds.inc();
        return () => holds.dec();
      },
      held: () => held.inc(),
      woken: () => woken.inc(),
    },
    attempted: ({ kind, outcome }) => attempts.inc({ kind, outcome }),
    storeCall(port, verb) {
      const taken = storeCalls.series(port, verb);
      return ({ seconds, failed }) => {
        taken.observe(seconds);
        if (failed) storeFailures.inc({ port, verb });
      };
    },
  };
}

/** One look at the outbox for both, at the time of the scrape. While the store is away they are NaN: nobody knows. */
function addBacklog(add: AddGauge, outbox: Pick<OutboxStore, 'backlog'>, clock: Clock): void {
  let looking: ReturnType<OutboxStore['backlog']> | undefined;
  const look = () => {
    looking ??= outbox
      .backlog(ALL_PARTITIONS)
      .catch(() => ({ count: Number.NaN, oldestDueAt: Number.NaN }))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  add('assent_outbox_entries', 'Entries that wait for delivery.', async function () {
    this.set((await look()).count);
  });
  add('assent_outbox_oldest_seconds', 'For how long the oldest of them has been due.', async function () {
    const now = clock();
    const { oldestDueAt = now } = await look();
    this.set(Math.max(0, now - oldestDueAt) / SECOND);
  });
}
