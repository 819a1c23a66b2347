import { type Device, memoryStorage, openDevice } from '../../src/device-sdk/index.ts';
import { enrolled, PIN, worldOf } from './enrolled.ts';
import type { TestServer } from './harness.ts';

const NEXT = '582604';

const only = (server: TestServer) => [...server.devices.values()][0]!;
const approve = async (server: TestServer, device: Device, pin?: string) =>
  (await device.decide(await device.present(server.start({ methods: pin ? ['pin'] : ['device'] })), {
    decision: 'approve',
    pin,
  })) as { state: string };

/** A network that drops every request to `path`, or every answer to one, until `mend` is called. */
function broken(server: TestServer, path: string, what: 'request' | 'answer') {
  let isBroken = true;
  const dropped: Parameters<typeof fetch>[] = [];
  const fetchThrough: typeof fetch = async (...call) => {
    const isMeant = isBroken && String(call[0]).endsWith(`/${path}`);
    if (isMeant) dropped.push(call);
    if (isMeant && what === 'request') throw new TypeError('fetch failed');
    const response = await server.fetch(...call);
    if (isMeant) throw new TypeError('fetch failed');
    return response;
  };
  return {
    world: { ...worldOf(server), fetch: fetchThrough },
    mend: () => (isBroken = false),
    /** what was on its way arrives after all */
    arrive: () => server.fetch(...dropped[0]!),
  };
}

describe('a PIN change that is interrupted', () => {
  async function interrupted(what: 'request' | 'answer') {
    const { server, storage } = await enrolled();
    const network = broken(server, 'methods', what);
    const device = (await openDevice(storage, network.world))!;
    await expect(device.changePin({ pin: PIN, newPin: NEXT })).rejects.toMatchObject({ code: 'network' });
    network.mend();
    return { server, storage, network, device };
  }

  test.each(['the same process', 'a new one'])(
    'after the server has acted: %s goes on with the new PIN',
    async (who) => {
      const { server, storage, device } = await interrupted('answer');
      const kept = (await storage.load('device'))!;
      // both are kept, and of either no more than of any PIN: nothing that tells a right one from a wrong one
      for (const pin of [kept.pin!, ...kept.pinChange!.next]) {
        expect(Object.keys(pin).sort()).toEqual(['iv', 'kid', 'masked', 'salt', 'wrap']);
      }
      expect(Object.keys(kept.pinChange!).sort()).toEqual(['next', 'until']);
      const later = who === 'a new one' ? (await openDevice(storage, worldOf(server)))! : device;
      expect(await approve(server, later, NEXT)).toMatchObject({ state: 'approved' });
      expect((await storage.load('device'))!.pinChange).toBeUndefined();
      expect(only(server).failures).toBe(0);
    },
  );

  test('before the server has heard of it: the old PIN counts, until and unless the message still arrives', async () => {
    const { server, storage, network, device } = await interrupted('request');
    expect(await approve(server, device, PIN)).toMatchObject({ state: 'approved' });
    expect((await storage.load('device'))!.pinChange!.next).toHaveLength(1);
    await network.arrive();
    expect(await approve(server, device, NEXT)).toMatchObject({ state: 'approved' });
    expect(only(server).failures).toBe(0);
  });

  test('that never arrives is forgotten when it cannot arrive any longer', async () => {
    const { server, storage, device } = await interrupted('request');
    server.clock.advance(601);
    expect(await approve(server, device, PIN)).toMatchObject({ state: 'approved' });
    const { pin, pinChange } = (await storage.load('device'))!;
    expect([pin!.kid, pinChange]).toEqual([only(server).pin!.kid, undefined]);
  });

  test('a clock that is put right in between makes two messages of it: the refusal of the second is none', async () => {
    const { server, storage } = await enrolled();
    let offset = 0;
    const fetchOnce: typeof fetch = async (url, init) => {
      const response = await server.fetch(url, init);
      if (!String(url).endsWith('/methods') || offset > 0) return response;
      server.clock.advance((offset = 300));
      throw new TypeError('fetch failed');
    };
    const slow = { ...worldOf(server), now: () => server.clock.now() - offset * 1000, fetch: fetchOnce };
    const device = (await openDevice(storage, slow))!;
    await device.changePin({ pin: PIN, newPin: NEXT });
    expect((await storage.load('device'))!.pin!.kid).toBe(only(server).pin!.kid);
  });

  test('a wrong old PIN changes nothing and leaves nothing behind', async () => {
    const { server, storage, device } = await enrolled();
    const before = await storage.load('device');
    const changing = device.changePin({ pin: '493816', newPin: NEXT });
    await expect(changing).rejects.toMatchObject({ code: 'attempt_failed', attemptsLeft: 2 });
    expect({ ...(await storage.load('device')), ctr: before!.ctr }).toEqual(before);
    await expect(device.changePin({ pin: PIN, newPin: PIN })).rejects.toMatchObject({ code: 'pin_unchanged' });
    await expect(device.changePin({ pin: PIN, newPin: '123456' })).rejects.toMatchObject({ code: 'pin_weak' });
    await expect(device.changePin({ pin: '', newPin: NEXT })).rejects.toMatchObject({ code: 'pin_required' });
    expect(only(server).failures).toBe(1);
  });

  test('a PIN that the server has deleted with a lock is noticed, and can be set anew', async () => {
    const { server, device } = await enrolled();
    only(server).pin = undefined;
    await expect(device.changePin({ pin: PIN, newPin: NEXT })).rejects.toMatchObject({ code: 'method_unavailable' });
    expect(device.hasPin).toBe(false);
    await device.addPin({ newPin: NEXT, ticket: server.newTicket().uri });
    expect(await approve(server, device, NEXT)).toMatchObject({ state: 'approved' });
    const again = device.addPin({ newPin: PIN, ticket: server.newTicket().uri });
    await expect(again).rejects.toMatchObject({ code: 'state_conflict' });
  });

  test('a removal whose answer is lost is noticed', async () => {
    const { server, storage } = await enrolled();
    const network = broken(server, 'methods', 'answer');
    const device = (await openDevice(storage, network.world))!;
    await expect(device.removePin({ pin: PIN })).rejects.toMatchObject({ code: 'network' });
    network.mend();
    await expect(device.createTicket({ pin: PIN })).rejects.toMatchObject({ code: 'method_unavailable' });
    expect(device.hasPin).toBe(false);
    await device.addPin({ newPin: NEXT, ticket: server.newTicket().uri });
    expect(device.hasPin).toBe(true);
  });
});

describe('a rotation that is interrupted', () => {
  const sigIn = async (storage: Awaited<ReturnType<typeof enrolled>>['storage']) =>
    (await storage.load('device'))!.sig.publicJwk;

  test.each([
    ['rotate', 'request'],
    ['rotate', 'answer'],
    ['status', 'request'],
    ['status', 'answer'],
  ] as const)('at `%s`, its %s lost: the next call goes on with the keys that count', async (path, what) => {
    for (const restarted of [false, true]) {
      const { server, storage } = await enrolled({ pin: '' });
      const network = broken(server, path, what);
      const device = (await openDevice(storage, network.world))!;
      await expect(device.rotate({})).rejects.toMatchObject({ code: 'network' });
      network.mend();
      const later = restarted ? (await openDevice(storage, worldOf(server)))! : device;
      expect(await later.inbox()).toMatchObject({ operations: [] });
      expect(await approve(server, later)).toMatchObject({ state: 'approved' });
      expect(await sigIn(storage)).toEqual(only(server).sig);
      await later.rotate({});
      expect(await later.inbox()).toMatchObject({ operations: [] });
      expect(await sigIn(storage)).toEqual(only(server).sig);
    }
  });

  test('keys that never arrived are forgotten, and not before they cannot arrive any longer', async () => {
    const { server, storage } = await enrolled({ pin: '' });
    const network = broken(server, 'rotate', 'request');
    const device = (await openDevice(storage, network.world))!;
    await expect(device.rotate({})).rejects.toMatchObject({ code: 'network' });
    await device.inbox();
    expect((await storage.load('device'))!.rotating).toBeDefined();
    server.clock.advance(120);
    await device.inbox();
    expect((await storage.load('device'))!.rotating).toBeUndefined();
  });

  test('other calls go on while it is under way, and after it', async () => {
    const { server, device, storage } = await enrolled({ pin: '' });
    const calls = [device.rotate({}), device.inbox(), device.status(), approve(server, device), device.inbox()];
    await expect(Promise.all(calls)).resolves.toHaveLength(5);
    await expect(Promise.all([device.rotate({}), device.rotate({})])).rejects.toMatchObject({
      code: 'rotation_underway',
    });
    await device.inbox();
    expect(await sigIn(storage)).toEqual(only(server).sig);
  });
});

describe('several windows, one storage', () => {
  test('what one changes, the other knows when it needs it', async () => {
    const { server, device, storage } = await enrolled();
    const other = (await openDevice(storage, worldOf(server)))!;
    await other.inbox();
    await device.changePin({ pin: PIN, newPin: NEXT });
    await device.rotate({ pin: NEXT });
    // it has a session, and keys that nothing is sealed for any longer
    expect(await approve(server, other, NEXT)).toMatchObject({ state: 'approved' });
    server.rotate('box');
    server.box.pop();
    await other.inbox();
    expect((await openDevice(storage, worldOf(server)))!.hasPin).toBe(true);
    expect(await approve(server, device, NEXT)).toMatchObject({ state: 'approved' });
  });

  test('messages that change something count up, across windows and restarts; the same message keeps its number', async () => {
    const { server, storage } = await enrolled({ pin: '' });
    for (let i = 0; i < 2; i++) {
      const windows = [(await openDevice(storage, worldOf(server)))!, (await openDevice(storage, worldOf(server)))!];
      for (const each of windows) await approve(server, each);
    }
    const network = broken(server, 'decide', 'answer');
    const device = (await openDevice(storage, network.world))!;
    await expect(approve(server, device)).rejects.toMatchObject({ code: 'network' });
    network.mend();
    await Promise.all([approve(server, device), approve(server, device)]);
    expect(only(server).counters).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('a copy of the storage sends numbers that were sent before', async () => {
    const { server, storage } = await enrolled({ pin: '' });
    const stolen = memoryStorage();
    await stolen.save('device', structuredClone((await storage.load('device'))!));
    for (const from of [storage, stolen]) await approve(server, (await openDevice(from, worldOf(server)))!);
    expect(only(server).counters).toEqual([1, 1]);
  });
});
