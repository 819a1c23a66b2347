import { randomBytes } from 'node:crypto';
import { decryptJwe, type EcPublicJwk, encryptTo, parseJwe } from '../../src/support/jose/index.ts';
import { deviceServerForEach } from './device-server.ts';
import { enrollRaw, type RawDevice } from './raw-device.ts';

describe('the event stream of a device', () => {
  const switchedOff = new Set<string>();
  const server = deviceServerForEach({ isClientActive: async (clientId) => !switchedOff.has(clientId) });

  /** Opens the stream as the device and reads block by block. */
  async function listen(raw: RawDevice) {
    const rk = randomBytes(32);
    const content = { rk: rk.toString('base64url'), ...raw.make('events'), pad: '' };
    const missing = (512 - (JSON.stringify(content).length % 512)) % 512;
    const { kid, publicJwk } = server.scene.serverKeys.current('box');
    const body = encryptTo(
      publicJwk as unknown as EcPublicJwk,
      { typ: 'assent-up', cty: 'json', kid },
      JSON.stringify({ ...content, pad: ' '.repeat(missing) }),
    );
    const response = await fetch(`${server.base}/device/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/jose' },
      body,
    });
    const reader = response.body!.getReader();
    let rest = '';
    async function next(): Promise<string | undefined> {
      for (;;) {
        const end = rest.indexOf('\n\n');
        if (end >= 0) {
          const block = rest.slice(0, end);
          rest = rest.slice(end + 2);
          return block;
        }
        const { value, done } = await reader.read();
        if (done) return undefined;
        rest += Buffer.from(value).toString();
      }
    }
    return {
      response,
      next,
      event: async () => {
        const block = await next();
        if (block === undefined) return undefined;
        const jwe = block.replace(/^data: /, '');
        return JSON.parse(decryptJwe(parseJwe(jwe), { alg: 'dir', key: rk }).toString());
      },
      leave: () => reader.cancel(),
    };
  }

  test('K-06 begins with the whole inbox, that is all that was asked while nobody was connected; then tells what comes and goes, numbered without gaps', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const waiting = (await server.ask(user)).operation;
    const stream = await listen(raw);
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream');
    const exp = Math.floor(waiting.answerBy / 1000);
    expect(await stream.event()).toMatchObject({
      seq: 1,
      event: 'inbox',
      operations: [{ op: waiting.id, exp }],
      stream_seconds: 55,
    });

    const next = (await server.ask(user, { clientId: 'demo-tv' })).operation;
    expect(await stream.event()).toMatchObject({ seq: 2, event: 'operation', op: next.id });
    await raw.deny(waiting.id);
    expect(await stream.event()).toMatchObject({ seq: 3, event: 'closed', op: waiting.id, state: 'denied' });
    await server.scene.operations.cancel({
      operationId: next.id,
      clientId: 'demo-tv',
      by: { actor: 'client:demo-tv' },
    });
    expect(await stream.event()).toMatchObject({ seq: 4, event: 'closed', op: next.id, state: 'cancelled' });
    await stream.leave();
  });

  test('a request whose client was switched off is closed as cancelled with the next look', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const { operation } = await server.ask(user, { clientId: 'fraud' });
    const stream = await listen(raw);
    await stream.event();
    switchedOff.add('fraud');
    const next = (await server.ask(user, { clientId: 'demo-tv' })).operation;
    expect(await stream.event()).toMatchObject({ event: 'operation', op: next.id });
    expect(await stream.event()).toMatchObject({ event: 'closed', op: operation.id, state: 'cancelled' });
    await stream.leave();
  });

  test('a heartbeat every 15 s, an end at 55 s, and nothing is left behind', async () => {
    const user = await server.alice();
    const stream = await listen(await enrollRaw(server, user));
    await stream.event();
    expect([server.side.streams.count(), server.hub.subscriptions()]).toEqual([1, 1]);
    for (let beats = 0; beats < 3; beats++) {
      server.timers.advance(15);
      expect(await stream.next()).toBe(':');
    }
    server.timers.advance(10);
    expect(await stream.next()).toBeUndefined();
    expect([server.side.streams.count(), server.hub.subscriptions(), server.timers.pending()]).toEqual([0, 0, 0]);
  });

  test('a device that is locked meanwhile is told so, and the stream ends', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const stream = await listen(raw);
    await stream.event();
    await server.scene.devices.lock(raw.id, { actor: 'management:test' });
    server.hub.nudge(user.id);
    expect(await stream.event()).toMatchObject({ seq: 2, event: 'device', state: 'locked' });
    expect(await stream.next()).toBeUndefined();
  });

  test('a refusal before the first event is an ordinary answer', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user, { pending: true });
    expect(await raw.call('events')).toMatchObject({ status: 409, type: 'application/jose', code: 'state_conflict' });
    expect(server.side.streams.count()).toBe(0);
  });

  test('a stream that is asked for while the process stops is refused: it would keep the process', async () => {
    const raw = await enrollRaw(server, await server.alice());
    const stream = await listen(raw);
    expect(await stream.event()).toMatchObject({ event: 'inbox' });
    server.side.streams.endAll(5000);
    expect(await stream.event()).toBeUndefined();
    const { response } = await listen(raw);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
    expect(server.side.streams.count()).toBe(0);
  });

  test('RL-15 streams that a stopping process ends are ended a few at a time, within the time that it has', async () => {
    const raw = await enrollRaw(server, await server.alice());
    const { side, server: listener } = await server.another({ streamsPerDevice: 1000 });
    listener.close();
    const device = await server.scene.devices.get(raw.id);
    let ended = 0;
    const sink = { event: () => true, heartbeat: () => {}, end: () => void (ended += 1) };
    for (let i = 0; i < 500; i++) await side.streams.open({ device, rk: randomBytes(32), sink });
    side.streams.endAll(4000);
    const told = [ended];
    for (let i = 0; i < 3; i++) {
      server.timers.advance(0.1);
      told.push(ended);
    }
    expect(told).toEqual([200, 400, 500, 500]);
    expect([side.streams.count(), server.timers.pending()]).toEqual([0, 0]);

    // hurried, more go at once
    const { side: other, server: second } = await server.another({ streamsPerDevice: 1000 });
    second.close();
    for (let i = 0; i < 500; i++) await other.streams.open({ device, rk: randomBytes(32), sink });
    other.streams.endAll(100);
    expect(ended).toBe(1000);
  });

  test('a fifth stream of a device ends its oldest, and no other device’s', async () => {
    const user = await server.alice();
    const [raw, other] = [await enrollRaw(server, user), await enrollRaw(server, user)];
    const others = await listen(other);
    const streams = [];
    for (let i = 0; i < 5; i++) {
      const stream = await listen(raw);
      expect(await stream.event()).toMatchObject({ event: 'inbox' });
      streams.push(stream);
    }
    expect(await streams[0]!.event()).toBeUndefined();
    expect(server.side.streams.count()).toBe(5);
    const { operation } = await server.ask(user);
    expect(await others.event()).toMatchObject({ event: 'inbox' });
    for (const stream of [...streams.slice(1), others]) {
      expect(await stream.event()).toMatchObject({ event: 'operation', op: operation.id });
    }
    for (const stream of [...streams.slice(1), others]) await stream.leave();
  });

  test('the streams of a partition share one subscription, and only the person’s own hear of an operation', async () => {
    const user = await server.alice();
    const devices = [await enrollRaw(server, user), await enrollRaw(server, user)];
    const streams = await Promise.all(devices.map(listen));
    for (const stream of streams) await stream.event();
    expect([server.side.streams.count(), server.hub.subscriptions()]).toEqual([2, 1]);
    const { operation } = await server.ask(user, { deviceId: devices[0]!.id });
    expect(await streams[0]!.event()).toMatchObject({ event: 'operation', op: operation.id });
    server.timers.advance(15);
    expect(await streams[1]!.next()).toBe(':');
    for (const stream of streams) await stream.leave();
  });

  test('B15 each device of a person is asked; the first answer counts, and the others are told that it is over', async () => {
    const user = await server.alice();
    const devices = [];
    for (let i = 0; i < 3; i++) devices.push(await enrollRaw(server, user));
    const streams = await Promise.all(devices.map(listen));
    for (const stream of streams) await stream.event();
    const op = (await server.ask(user)).operation.id;
    for (const stream of streams) expect(await stream.event()).toMatchObject({ event: 'operation', op });
    const [first, late] = [devices[1]!, devices[2]!];
    const answer = await late.answerTo(op);
    await first.approve(op);
    for (const stream of streams)
      expect(await stream.event()).toMatchObject({ event: 'closed', op, state: 'approved' });
    expect(await late.call('decide', late.denial(answer))).toMatchObject({ status: 409, code: 'operation_decided' });
    for (const stream of streams) await stream.leave();
  });

  test('the SDK follows it over the end of a stream without missing an operation', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin: '483920' });
    const abort = new AbortController();
    const seen = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const following = device.events(
      (event) => {
        if (event.event === 'inbox') begun.resolve();
        if (event.event === 'operation') seen.resolve(event.op);
      },
      { signal: abort.signal },
    );
    await begun.promise;
    const { operation } = await server.ask(user);
    expect(await seen.promise).toBe(operation.id);
    abort.abort();
    await following;
  });
});
