import type { Store } from '../../src/domain/ports/store.ts';
import { meteredHandlers, meteredPort, meteredStore } from '../../src/observability/metered.ts';
import { createMetrics } from '../../src/observability/metrics.ts';

const metricsWith = (backlog: () => Promise<{ count: number; oldestDueAt?: number }>) =>
  createMetrics({ outbox: { backlog }, clock: () => 100_000, streams: () => 3 });

test('what a handler of the outbox says is counted by kind, and a handler that throws is a fault', async () => {
  const metrics = metricsWith(async () => ({ count: 0 }));
  const entry = {} as Parameters<typeof ping>[0];
  const ping = async (_entry: { id: string }) => ({ outcome: 'gone' });
  const push = async () => Promise.reject(new Error('broken'));
  // biome-ignore lint/suspicious/noExplicitAny: handlers of this test look at no entry
  const handlers = meteredHandlers<any, string>({ ping, push }, metrics);
  expect(await handlers['ping'](entry)).toEqual({ outcome: 'gone' });
  await expect(handlers['push'](entry)).rejects.toThrow('broken');
  const text = await metrics.text();
  expect(text).toContain('assent_outbox_attempts_total{kind="ping",outcome="gone"} 1');
  expect(text).toContain('assent_outbox_attempts_total{kind="push",outcome="fault"} 1');
});

test('a measured port answers and refuses as the port does; refusals are counted', async () => {
  const metrics = metricsWith(async () => ({ count: 0 }));
  const port = meteredPort(
    'users',
    { get: async (id: string) => `user ${id}`, find: async () => Promise.reject(new Error('away')) },
    metrics,
  );
  expect(await port.get('7')).toBe('user 7');
  await expect(port.find()).rejects.toThrow('away');
  const text = await metrics.text();
  expect(text).toContain('assent_store_seconds_count{port="users",verb="get"} 1');
  expect(text).toContain('assent_store_failures_total{port="users",verb="find"} 1');
  expect(text).not.toContain('assent_store_failures_total{port="users",verb="get"}');
});

test('S-02 a start that a limit refuses is counted by limit, and whether the client learned of it', async () => {
  const metrics = metricsWith(async () => ({ count: 0 }));
  const answers = [
    { result: 'refused', limit: 'back_off', retryAt: 1 },
    { result: 'started', superseded: [], unasked: 'not_me' },
    { result: 'started', superseded: [], unasked: 'not_active' },
    { result: 'started', superseded: [] },
  ];
  const names = ['users', 'devices', 'outbox', 'events', 'replay', 'counters', 'idempotency', 'keys', 'keyRing'];
  const others = Object.fromEntries([...names, 'clients', 'notificationLog'].map((name) => [name, {}]));
  const store = { ...others, operations: { start: async () => answers.shift() } } as never as Store;
  const { operations } = meteredStore(store, metrics);
  while (answers.length > 0) await operations.start({ operation: { kind: 'authentication', clientId: 'a' } } as never);
  const counted = (await metrics.text()).match(/^assent_start_refusals_total.*$/gm);
  expect(counted).toEqual([
    'assent_start_refusals_total{limit="back_off",told="yes"} 1',
    'assent_start_refusals_total{limit="not_me",told="no"} 1',
  ]);
});

test('the backlog is looked at once for each scrape; while the store is away it is not a number', async () => {
  let looks = 0;
  let isAway = false;
  const metrics = metricsWith(async () => {
    looks += 1;
    if (isAway) throw new Error('away');
    return { count: 2, oldestDueAt: 88_000 };
  });
  const text = await metrics.text();
  expect(text).toContain('assent_outbox_entries 2\n');
  expect(text).toContain('assent_outbox_oldest_seconds 12\n');
  expect(text).toContain('assent_event_streams 3\n');
  expect(looks).toBe(1);
  isAway = true;
  expect(await metrics.text()).toContain('assent_outbox_entries Nan\n');
});
