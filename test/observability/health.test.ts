import { createHealth } from '../../src/observability/health.ts';

test('a process whose store is down is live and not ready', async () => {
  const health = createHealth({ checkStore: () => Promise.reject(new Error('ECONNREFUSED 10.0.0.7')) });
  expect(health.live()).toEqual({ live: true });
  expect(await health.ready()).toEqual({ ready: false, store: 'down', draining: false });
});

test('a store that hangs counts as down after the deadline', async () => {
  const health = createHealth({ checkStore: () => new Promise(() => {}), deadlineMs: 5 });
  expect(await health.ready()).toMatchObject({ ready: false, store: 'down' });
});

test('a process that drains is not ready although its store answers', async () => {
  const health = createHealth({ checkStore: async () => {} });
  expect(await health.ready()).toEqual({ ready: true, store: 'ok', draining: false });
  health.drain();
  expect(await health.ready()).toEqual({ ready: false, store: 'ok', draining: true });
});

test('any number of questions at once is one question to the store', async () => {
  let asked = 0;
  const health = createHealth({
    checkStore: async () => {
      asked += 1;
    },
  });
  await Promise.all(Array.from({ length: 50 }, () => health.ready()));
  expect(asked).toBe(1);
  await health.ready();
  expect(asked).toBe(2);
});
