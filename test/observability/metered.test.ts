import { meteredHandlers, meteredPort } from '../../src/observability/metered.ts';
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
