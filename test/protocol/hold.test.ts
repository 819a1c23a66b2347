import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createHolds } from '../../src/protocol/hold.ts';
import { createClock } from '../support/clock.ts';
import { createTimers } from '../support/timers.ts';

const limits = { perClient: 10_000, perProcess: 10_000 };
const aResponse = () => new EventEmitter() as ServerResponse;

function holding() {
  const timers = createTimers(createClock());
  const listeners = new Map<string, () => void>();
  const stopping = new AbortController();
  const ended: string[][] = [];
  const free = new Set<string>();
  const holds = createHolds({
    timers,
    stopping: stopping.signal,
    async endHolds(some) {
      ended.push(some.map(({ operationId }) => operationId));
      for (const { operationId } of some) free.add(operationId);
    },
    watchOperation(operationId, listener) {
      listeners.set(operationId, listener);
      return () => listeners.delete(operationId);
    },
  });
  const begin = (n: number) =>
    holds.begin({ clientId: 'a', operationId: `op-${n}`, holder: `h-${n}`, ms: 25_000, limits })!;
  return { timers, listeners, stopping, ended, free, holds, begin };
}

test('RL-15 ten thousand that wake at the same moment go on at most two hundred at a time', async () => {
  const { timers, listeners, begin } = holding();
  const holds = Array.from({ length: 10_000 }, (_, n) => begin(n));
  let awake = 0;
  const all = holds.map(async (hold) => {
    await hold.until(aResponse());
    awake++;
    hold.end();
  });
  timers.advance(25);
  for (let before = 0; awake < holds.length; before = awake) {
    await new Promise(setImmediate);
    expect(awake - before).toBeLessThanOrEqual(400); // this turn, and what the one before resolved
  }
  await Promise.all(all);
  expect([listeners.size, timers.pending()]).toEqual([0, 0]);
});

test('RL-15 no more than two hundred are awake before one of them has its answer, whoever has left meanwhile', async () => {
  const { timers, begin } = holding();
  const holds = Array.from({ length: 700 }, (_, n) => ({ hold: begin(n), res: aResponse(), state: 'waits' }));
  for (const each of holds) void each.hold.until(each.res).then((how) => Object.assign(each, { state: how }));
  const awake = async () => {
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    return holds.filter(({ state }) => state === 'look').length;
  };
  timers.advance(25);
  const first = await awake();
  expect(first).toBeLessThanOrEqual(200);
  expect(first).toBeGreaterThan(10);
  for (const { hold } of holds.slice(0, 10)) hold.end();
  expect(await awake()).toBe(first + 10);
  // who is gone before its turn takes nobody's place
  for (const { hold, res } of holds.slice(300, 600)) {
    res.emit('close');
    await Promise.resolve();
    hold.end();
    hold.end();
  }
  expect(await awake()).toBe(first + 10);
  for (const { hold } of holds.slice(10, first)) hold.end();
  expect(await awake()).toBe(first + first);
  for (const { hold } of holds) hold.end();
  expect(timers.pending()).toBe(0);
});

test('P-07 told of the end before it waits, it does not wait', async () => {
  const { listeners, begin } = holding();
  const hold = begin(1);
  listeners.get('op-1')!();
  expect(await hold.until(aResponse())).toBe('look');
  hold.end();
});

test('nothing is left of a request, however it ends', async () => {
  const { timers, listeners, begin } = holding();
  const res = aResponse();
  const hold = begin(1);
  const result = hold.until(res);
  res.emit('close');
  expect(await result).toBe('gone');
  hold.end();
  hold.end();
  expect([listeners.size, timers.pending(), res.listenerCount('close')]).toEqual([0, 0, 0]);
});

test('RL-15 of ten thousand no more than two hundred are stopped in one turn; the store has let go of them before', async () => {
  const { timers, listeners, stopping, ended, free, begin } = holding();
  const operations = Array.from({ length: 10_000 }, (_, n) => n);
  let stopped = 0;
  const all = operations.map(async (n) => {
    const hold = begin(n);
    const how = await hold.until(aResponse());
    stopped++;
    hold.end();
    return how === 'stop' && free.has(`op-${n}`);
  });
  stopping.abort();
  for (let before = 0; stopped < operations.length; before = stopped) {
    await new Promise(setImmediate);
    expect(stopped - before).toBeLessThanOrEqual(400); // this turn, and what the one before resolved
  }
  expect((await Promise.all(all)).filter((isRight) => !isRight)).toEqual([]);
  expect([free.size, Math.max(...ended.map(({ length }) => length))]).toEqual([10_000, 200]);
  expect([listeners.size, timers.pending()]).toEqual([0, 0]);
});

test('who knows of the end when the process stops looks at it all the same, and so does who has just come', async () => {
  const { listeners, stopping, ended, begin } = holding();
  const told = begin(1).until(aResponse());
  listeners.get('op-1')!();
  const fresh = begin(2);
  stopping.abort();
  expect([await told, await fresh.until(aResponse()), ended]).toEqual(['look', 'look', []]);
});

test('without its store a process that stops holds nobody either', async () => {
  const stopping = new AbortController();
  const holds = createHolds({
    timers: createTimers(createClock()),
    stopping: stopping.signal,
    endHolds: () => Promise.reject(new Error('away')),
    watchOperation: () => () => {},
  });
  const hold = holds.begin({ clientId: 'a', operationId: 'op-1', holder: 'h-1', ms: 25_000, limits })!;
  const result = hold.until(aResponse());
  stopping.abort();
  expect(await result).toBe('stop');
});

test('a process that stops holds nobody any more', async () => {
  const { stopping, holds, begin } = holding();
  const result = begin(1).until(aResponse());
  stopping.abort();
  expect(await result).toBe('stop');
  expect(holds.begin({ clientId: 'a', operationId: 'op-2', holder: 'h-2', ms: 1, limits })).toBeUndefined();
});
