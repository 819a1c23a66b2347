import { createOperationWatch } from '../../src/channels/operation-watch.ts';
import type { Wake } from '../../src/domain/ports/store.ts';

test('who waits for an operation is told of its end, and of nothing else', async () => {
  let publish: (wake: Wake) => void = () => {};
  let subscriptions = 0;
  const watch = createOperationWatch({
    wakeups: {
      subscribe: async (_partition, listener) => {
        subscriptions++;
        publish = listener;
        return () => void subscriptions--;
      },
    },
  });
  await watch.start();
  const told: string[] = [];
  const listener = () => told.push('one');
  const stops = [watch.watch('a', listener), watch.watch('a', listener), watch.watch('b', () => told.push('b'))];
  expect(subscriptions).toBe(1);
  const wake = { partition: '00', operationId: 'a', userId: 'u' } as const;
  publish({ ...wake, state: 'pending' });
  expect(told).toEqual([]);
  publish({ ...wake, state: 'approved' });
  expect(told).toEqual(['one', 'one']);
  stops[0]!();
  stops[0]!();
  publish({ ...wake, state: 'denied' });
  expect(told).toEqual(['one', 'one', 'one']);
  stops[1]!();
  publish({ ...wake, state: 'denied' });
  expect(told).toHaveLength(3);
  watch.stop();
  expect(subscriptions).toBe(0);
});
