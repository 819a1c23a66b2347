import { currentTrace, traceOf, traceparentOf, withTrace } from '../../src/observability/trace.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

test("the caller's trace is continued under a span of our own", () => {
  const trace = traceOf(`00-${traceId}-${parentId}-01`);
  expect(trace.traceId).toBe(traceId);
  expect(traceparentOf(trace)).toMatch(new RegExp(`^00-${traceId}-(?!${parentId})[0-9a-f]{16}-01$`));
});

test.each([
  undefined,
  '',
  'x',
  `ff-${traceId}-${parentId}-01`,
  `00-${'0'.repeat(32)}-${parentId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${parentId}-01`,
  `00-${traceId}-${parentId}-01\n{"level":"error"}`,
])('a traceparent that cannot be read (%j) begins a new trace', (header) => {
  const { traceId: fresh } = traceOf(header);
  expect(fresh).toMatch(/^[0-9a-f]{32}$/);
  expect(fresh).not.toBe(traceId);
});

test('what two requests start at the same time does not mix', async () => {
  const seen = await Promise.all(
    [traceOf(undefined), traceOf(undefined)].map((trace) =>
      withTrace(trace, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return currentTrace()?.traceId === trace.traceId;
      }),
    ),
  );
  expect(seen).toEqual([true, true]);
  expect(currentTrace()).toBeUndefined();
});
