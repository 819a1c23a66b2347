import { eventData } from '../../src/device-sdk/event-stream.ts';
import type { InboxEvent } from '../../src/device-sdk/index.ts';
import { openDevice } from '../../src/device-sdk/index.ts';
import { enrolled, worldOf } from './enrolled.ts';

/** Collects events and waits for the next ones without a clock. */
function listener() {
  const events: InboxEvent[] = [];
  let wake = () => {};
  return {
    events,
    onEvent: (event: InboxEvent) => {
      events.push(event);
      wake();
    },
    async until(count: number) {
      while (events.length < count) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

async function following() {
  const { server, device } = await enrolled({ pin: '' });
  const { events, onEvent, until } = listener();
  const abort = new AbortController();
  const done = device.events(onEvent, { signal: abort.signal });
  return { server, device, events, until, abort, done };
}

test('the stream begins with the whole inbox, tells every change in order, and ends when asked', async () => {
  const { server, events, until, abort, done } = await following();
  await until(1);
  server.streams[0]?.push({ event: 'operation', op: '7fA', exp: 1 });
  server.streams[0]?.push({ event: 'closed', op: '7fA', state: 'cancelled' });
  await until(3);
  expect(events.map(({ event }) => event)).toEqual(['inbox', 'operation', 'closed']);
  abort.abort();
  await expect(done).resolves.toBeUndefined();
});

test('a stream that the server ends is opened again, and the inbox comes again with it', async () => {
  const { server, events, until, abort, done } = await following();
  await until(1);
  const op = server.start();
  server.streams[0]?.end();
  await until(2);
  expect(events[1]).toMatchObject({ event: 'inbox', operations: [{ op }] });
  abort.abort();
  await done;
});

test('an event that somebody dropped is noticed: the stream is opened anew', async () => {
  const { server, storage } = await enrolled({ pin: '' });
  const { events, onEvent, until } = listener();
  let streams = 0;
  const fetch: typeof globalThis.fetch = async (url, init) => {
    const response = await server.fetch(url, init);
    if (!String(url).endsWith('events') || (streams += 1) > 1) return response;
    // the first stream loses its second event on the way
    const all = eventData(response.body!, () => undefined);
    const body = new ReadableStream({
      async start(controller) {
        const send = (data: string) => controller.enqueue(new TextEncoder().encode(`data: ${data}\n\n`));
        send((await all.next()).value as string);
        server.streams[0]?.push({ event: 'closed', op: 'dropped', state: 'denied' });
        server.streams[0]?.push({ event: 'closed', op: 'after', state: 'denied' });
        await all.next();
        send((await all.next()).value as string);
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
  const device = (await openDevice(storage, { ...worldOf(server), fetch }))!;
  const abort = new AbortController();
  const done = device.events(onEvent, { signal: abort.signal });
  await until(2);
  expect(events.map(({ event }) => event)).toEqual(['inbox', 'inbox']);
  abort.abort();
  await done;
});

test('a device that is locked ends the stream with that; a network that is away does not', async () => {
  const { server, device, storage } = await enrolled({ pin: '' });
  let failures = 0;
  const fetch: typeof globalThis.fetch = async (url, init) => {
    if (String(url).endsWith('events') && (failures += 1) < 8) throw new TypeError('fetch failed');
    return server.fetch(url, init);
  };
  const waits: number[] = [];
  const sleep = async (ms: number) => void waits.push(ms);
  const patient = (await openDevice(storage, { ...worldOf(server), fetch, sleep }))!;
  const { onEvent, until } = listener();
  const done = patient.events(onEvent, { signal: new AbortController().signal });
  const outcome = expect(done).rejects.toMatchObject({ code: 'device_locked' });
  await until(1);
  expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
  server.devices.get(device.deviceId)!.state = 'locked';
  server.streams.at(-1)?.end();
  await outcome;
});

/** A device whose pauses are kept, and are spread by `random`. */
async function paused(random: number) {
  const { server, storage } = await enrolled({ pin: '' });
  const waits: number[] = [];
  const sleep = async (ms: number) => void waits.push(ms);
  const device = (await openDevice(storage, { ...worldOf(server), sleep, random: () => random }))!;
  const { onEvent, until } = listener();
  const abort = new AbortController();
  const done = device.events(onEvent, { signal: abort.signal });
  const stop = async () => {
    abort.abort();
    await done;
  };
  return { server, waits, until, stop };
}

test('streams that end long before their time are opened later and later: windows that end one another make no storm', async () => {
  const { server, waits, until, stop } = await paused(0.5);
  for (let ended = 1; ended <= 8; ended++) {
    await until(ended);
    server.clock.advance(10);
    server.streams.at(-1)?.end();
  }
  await until(9);
  expect(waits).toEqual([750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500]);
  await stop();
});

test('a stream that ends at its time is opened again within a second, never at the same moment as all others', async () => {
  const { server, waits, until, stop } = await paused(0.25);
  for (let ended = 1; ended <= 3; ended++) {
    await until(ended);
    server.clock.advance(ended === 2 ? 27 : 55);
    server.streams.at(-1)?.end();
  }
  await until(4);
  expect(waits).toEqual([250, 625, 250]);
  await stop();
});

test('how long a stream lasts is said by the server: short ones that end at their time are no failure', async () => {
  const { server, waits, until, stop } = await paused(0.25);
  server.streamSeconds = 10;
  await until(1);
  server.clock.advance(55);
  server.streams.at(-1)?.end();
  for (let ended = 2; ended <= 4; ended++) {
    await until(ended);
    server.clock.advance(10);
    server.streams.at(-1)?.end();
  }
  await until(5);
  expect(waits).toEqual([250, 250, 250, 250]);
  await stop();
});

describe('the wire form of a stream', () => {
  const streamOf = (...chunks: string[]) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        controller.close();
      },
    });
  const read = async (...chunks: string[]) => {
    const data: string[] = [];
    for await (const item of eventData(streamOf(...chunks), () => undefined)) data.push(item);
    return data;
  };

  test('events may be cut anywhere; comments and unfinished events are no events', async () => {
    expect(await read('da', 'ta: a\n', '\n: beat\n\ndata:b\r\n\r\ndata: unfinished')).toEqual(['a', 'b']);
    expect(await read('event: x\ndata: one\ndata: two\n\n')).toEqual(['one\ntwo']);
  });

  test('an event without end is refused', async () => {
    await expect(read('data: ', 'x'.repeat(300_000))).rejects.toThrow(RangeError);
  });
});
