/** Ports that are measured: the same calls with the same answers, and what they tell is counted on the way. */
import type { OutboxEntry } from '../domain/ports/outbox.ts';
import type { Store } from '../domain/ports/store.ts';
import type { Metrics } from './metrics.ts';

/** Every method of every port of a store takes its time; some results are counted. */
export function meteredStore(store: Store, metrics: Metrics): Store {
  const port = <T extends object>(name: string, of: T) => meteredPort(name, of, metrics);
  const whole = port('store', {
    check: () => store.check(),
    collectGarbage: (options: Parameters<Store['collectGarbage']>[0]) => store.collectGarbage(options),
  });
  return {
    users: port('users', store.users),
    devices: port('devices', store.devices),
    operations: countedOperations(port('operations', store.operations), metrics),
    outbox: port('outbox', store.outbox),
    events: port('events', store.events),
    replay: port('replay', store.replay),
    counters: port('counters', store.counters),
    idempotency: port('idempotency', store.idempotency),
    keys: port('keys', store.keys),
    keyRing: port('key_ring', store.keyRing),
    clients: port('clients', store.clients),
    notificationLog: port('notification_log', store.notificationLog),
    wakeups: store.wakeups,
    ...whole,
    close: () => store.close(),
  };
}

type Verb = (...given: unknown[]) => Promise<unknown>;

/** All methods of a port are asynchronous; what is no method stays as it is. */
export function meteredPort<T extends object>(name: string, port: T, metrics: Pick<Metrics, 'storeCall'>): T {
  const members = Object.entries(port).map(([verb, member]) => {
    if (typeof member !== 'function') return [verb, member];
    const done = metrics.storeCall(name, verb);
    return [verb, timed(member.bind(port) as Verb, done)];
  });
  return Object.fromEntries(members) as T;
}

function timed(call: Verb, done: (call: { seconds: number; failed: boolean }) => void): Verb {
  return async (...given) => {
    const startedAt = performance.now();
    let failed = true;
    try {
      const answer = await call(...given);
      failed = false;
      return answer;
    } finally {
      done({ seconds: (performance.now() - startedAt) / 1000, failed });
    }
  };
}

/** The life of an operation passes these five. */
function countedOperations(operations: Store['operations'], metrics: Metrics): Store['operations'] {
  return {
    ...operations,
    async start(start) {
      const answer = await operations.start(start);
      const { kind: asked, clientId, offer } = start.operation;
      // nobody is asked by it; whoever claims it starts another
      const kind = offer ? 'offer' : asked;
      metrics.started({ kind, result: answer.result, clientId });
      if (answer.result === 'refused') metrics.startRefused({ limit: answer.limit, told: true, clientId });
      const unasked = answer.result === 'started' && answer.unasked;
      if (unasked && unasked !== 'not_active') metrics.startRefused({ limit: unasked, told: false, clientId });
      return answer;
    },
    async poll(poll) {
      const answer = await operations.poll(poll);
      // the server that delivers a push looks at the operation in the same way, and is no client
      if (poll.by !== 'push') metrics.polled({ answer: answerOf(answer), clientId: poll.clientId });
      if (answer.result === 'pending' && poll.holdMs !== undefined) metrics.holds.held();
      if (answer.result === 'committed') metrics.redeemed('repeated');
      return answer;
    },
    async decide(decide) {
      const answer = await operations.decide(decide);
      if (answer.result === 'decided') metrics.decided(decide.decision.approved ? 'approved' : 'denied');
      return answer;
    },
    async commit(commit) {
      const answer = await operations.commit(commit);
      metrics.redeemed(answer.result === 'committed' ? 'issued' : 'lost');
      return answer;
    },
    async delivered(delivered) {
      const isDelivered = await operations.delivered(delivered);
      if (isDelivered) metrics.redeemed('delivered');
      return isDelivered;
    },
  };
}

/** An end is counted as what it was: denied, expired, cancelled, failed. */
function answerOf(answer: Awaited<ReturnType<Store['operations']['poll']>>): string {
  return answer.result === 'ended' ? answer.state : answer.result;
}

type Watch = (operationId: string, listener: () => void) => () => void;

/** Whoever is held listens for the end of one operation; nobody else does. */
export function meteredWatch(watch: Watch, { holds }: Pick<Metrics, 'holds'>): Watch {
  return (operationId, listener) => {
    const unwatch = watch(operationId, () => {
      holds.woken();
      listener();
    });
    const ended = holds.listening();
    return () => {
      unwatch();
      ended();
    };
  };
}

/** Handlers of the outbox by kind: what became of each attempt. */
export function meteredHandlers<H extends (entry: OutboxEntry) => Promise<{ outcome: string }>, K extends string>(
  handlers: Record<K, H>,
  metrics: Pick<Metrics, 'attempted'>,
): Record<K, H> {
  const metered = Object.entries<H>(handlers).map(([kind, handler]) => [kind, attempt(kind, handler)]);
  return Object.fromEntries(metered) as Record<K, H>;

  function attempt(kind: string, handler: H) {
    return async (entry: OutboxEntry) => {
      let outcome = 'fault';
      try {
        const answer = await handler(entry);
        outcome = answer.outcome;
        return answer;
      } finally {
        metrics.attempted({ kind, outcome });
      }
    };
  }
}
