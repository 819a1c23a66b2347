/** Links that are opened while an enrollment is unfinished: what the server may count is never thrown away here. */
import {
  beginEnrollment,
  type DeviceStorage,
  memoryStorage,
  openDevice,
  resumeEnrollment,
} from '../../src/device-sdk/index.ts';
import { newKeyPair } from '../../src/device-sdk/keys.ts';
import type { User } from '../../src/domain/user.ts';
import { anApplication } from '../domain/scene.ts';
import { type DeviceServer, deviceServerForEach } from './device-server.ts';

const pin = '483920';
const otherPin = '771204';

type Fetch = typeof fetch;

/** A network that loses the answers to calls of `path`, and everything that follows the first of them. */
function losing(path: string): Fetch {
  let isAway = false;
  return async (url, init) => {
    if (isAway) throw new TypeError('no network');
    const response = await fetch(url, init);
    isAway = String(url).endsWith(`/${path}`);
    if (isAway) throw new TypeError('no network');
    return response;
  };
}

/** Begun with a new link, and cut off before the answer to `path`. */
async function interrupted(server: DeviceServer, user: User, path: string) {
  const storage = memoryStorage();
  const { uri } = await server.ticket(user);
  const enrollment = await beginEnrollment(storage, uri, { ...server.sdk, fetch: losing(path) });
  await expect(enrollment.finish({ device: {}, pin })).rejects.toMatchObject({ code: 'network' });
  return { storage, uri, deviceId: enrollment.deviceId };
}

/** Approves with the PIN, as whatever device the storage holds. */
async function approves(server: DeviceServer, user: User, storage: DeviceStorage, withPin: string): Promise<unknown> {
  const device = (await openDevice(storage, server.sdk))!;
  const view = await device.present((await server.ask(user)).operation.id);
  const { state } = await device.decide(view, { decision: 'approve', pin: withPin });
  return [device.deviceId, state];
}

describe('an enrollment that only missed the last answer', () => {
  const server = deviceServerForEach({ applications: [anApplication({ enrollmentMode: 'single' })] });

  test('is finished when another link is opened: where one device is allowed, that is the one', async () => {
    const user = await server.alice();
    const { storage, deviceId } = await interrupted(server, user, 'status');
    const { uri } = await server.ticket(user);
    await expect(beginEnrollment(storage, uri, server.sdk)).rejects.toMatchObject({ code: 'enrollment_conflict' });
    expect(await approves(server, user, storage, pin)).toEqual([deviceId, 'approved']);
  });

  test.each(['enroll', 'status'])('is finished when its own link is opened again after a lost `%s`', async (path) => {
    const user = await server.alice();
    const { storage, uri, deviceId } = await interrupted(server, user, path);
    const again = beginEnrollment(storage, uri, server.sdk);
    await expect(again).rejects.toMatchObject({ code: 'already_enrolled' });
    expect(await approves(server, user, storage, pin)).toEqual([deviceId, 'approved']);
  });

  test('is finished in another window, and the first window finds it so', async () => {
    const user = await server.alice();
    const storage = memoryStorage();
    const { uri } = await server.ticket(user);
    const windows = [
      await beginEnrollment(storage, uri, server.sdk),
      await beginEnrollment(storage, uri, server.sdk),
    ] as const;
    await windows[0].finish({ device: {}, pin });
    const { deviceId } = await windows[1].finish({ device: {}, pin: otherPin });
    expect(await approves(server, user, storage, pin)).toEqual([deviceId, 'approved']);
  });

  test('keeps everything where the server cannot be asked: the link can be opened again', async () => {
    const user = await server.alice();
    const { storage, uri, deviceId } = await interrupted(server, user, 'enroll');
    const held = await storage.load('enrolling');
    const away: Fetch = () => Promise.reject(new TypeError('no network'));
    for (const link of [uri, (await server.ticket(user)).uri]) {
      const again = beginEnrollment(storage, link, { ...server.sdk, fetch: away });
      await expect(again).rejects.toMatchObject({ code: 'network' });
      expect(await storage.load('enrolling')).toEqual(held);
    }
    expect((await resumeEnrollment(storage, server.sdk)).deviceId).toBe(deviceId);
  });

  test('keys that are not those at the server count as never sent', async () => {
    const user = await server.alice();
    const storage = memoryStorage();
    const { uri } = await server.ticket(user);
    let isAway = true;
    const cut: Fetch = (url, init) =>
      isAway && String(url).endsWith('/status') ? Promise.reject(new TypeError('no network')) : fetch(url, init);
    const enrollment = await beginEnrollment(storage, uri, { ...server.sdk, fetch: cut });
    await expect(enrollment.finish({ device: {}, pin })).rejects.toMatchObject({ code: 'network' });
    const held = (await storage.load('enrolling'))!;
    const enc = await newKeyPair('enc', false);
    await storage.save('enrolling', { ...held, device: { ...held.device!, enc } });
    isAway = false;
    await expect(resumeEnrollment(storage, server.sdk)).rejects.toMatchObject({ code: 'nothing_to_resume' });
    await enrollment.finish({ device: {}, pin });
    expect(await approves(server, user, storage, pin)).toEqual([enrollment.deviceId, 'approved']);
  });

  test('of two attempts that both arrive, in whichever order, the PIN that counts is found', async () => {
    const user = await server.alice();
    const storage = memoryStorage();
    const { uri } = await server.ticket(user);
    let first: Parameters<Fetch> | undefined;
    const late: Fetch = async (url, init) => {
      if (!String(url).endsWith('/enroll')) return fetch(url, init);
      if (!first) {
        first = [url, init];
        throw new TypeError('no network');
      }
      if (init?.body === first[1]?.body) throw new TypeError('no network');
      const response = await fetch(url, init);
      await fetch(...first);
      return response;
    };
    const once: Fetch = (url, init) => (first ? Promise.reject(new TypeError('no network')) : late(url, init));
    const world = { ...server.sdk, fetch: (...args: Parameters<Fetch>) => network(...args) };
    let network = once;
    const enrollment = await beginEnrollment(storage, uri, world);
    await expect(enrollment.finish({ device: {}, pin })).rejects.toMatchObject({ code: 'network' });
    network = late;
    await enrollment.finish({ device: {}, pin: otherPin });
    expect(await approves(server, user, storage, pin)).toEqual([enrollment.deviceId, 'approved']);
  });
});

describe('an enrollment that waits for a yes on another device', () => {
  const enrollment = { confirm: 'off', approveByExistingDevice: 'if_any', attestation: 'off' } as const;
  const server = deviceServerForEach({ applications: [anApplication({ enrollment })] });

  /** Waits, and is left so. */
  async function waiting(user: User, storage = memoryStorage(), link?: string) {
    const uri = link ?? (await server.ticket(user)).uri;
    const begun = await beginEnrollment(storage, uri, server.sdk);
    const stopped = begun.finish({ device: { name: 'Phone of Bob' }, pin, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'enrollment_waiting' });
    const state = async () => (await server.scene.devices.get(begun.deviceId)).state;
    return { storage, uri, deviceId: begun.deviceId, state };
  }

  test('goes on when its link is opened again, with the PIN that was chosen then', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const { storage, uri, deviceId } = await waiting(user);
    const again = await beginEnrollment(storage, uri, server.sdk);
    expect([again.isSent, again.deviceId]).toEqual([true, deviceId]);
    const { op } = (await first.inbox()).operations[0]!;
    await first.decide(await first.present(op), { decision: 'approve', pin });
    expect((await again.finish({ device: {} })).deviceId).toBe(deviceId);
    expect((await openDevice(storage, server.sdk))?.hasPin).toBe(true);
  });

  test('waits on while another link is opened, and is taken back when the keys of that one have arrived', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const one = await waiting(user);
    const { uri } = await server.ticket(user);
    const opened = await beginEnrollment(one.storage, uri, server.sdk);
    expect([opened.isSent, await one.state(), (await first.inbox()).operations.length]).toEqual([false, 'pending', 1]);
    const two = await waiting(user, one.storage, uri);
    expect([await one.state(), await two.state()]).toEqual(['deactivated', 'pending']);
    const { operations } = await first.inbox();
    expect(operations).toHaveLength(1);
    await first.decide(await first.present(operations[0]!.op), { decision: 'approve', pin });
    expect((await resumeEnrollment(two.storage, server.sdk)).deviceId).toBe(two.deviceId);
    expect(await one.storage.load('enrolling')).toBeUndefined();
  });

  test('goes on where nothing comes of the other link: it is another device’s, not wanted, or its keys never arrive', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const { storage, deviceId } = await waiting(user);
    const used = await server.ticket(user);
    await (await beginEnrollment(memoryStorage(), used.uri, server.sdk)).abandon();
    await expect(beginEnrollment(storage, used.uri, server.sdk)).rejects.toMatchObject({ code: 'ticket_bound' });

    const unwanted = await beginEnrollment(storage, (await server.ticket(user)).uri, server.sdk);
    await unwanted.abandon();

    const { uri } = await server.ticket(user);
    const noEnroll: Fetch = (url, init) =>
      String(url).endsWith('/enroll') ? Promise.reject(new TypeError('no network')) : fetch(url, init);
    const unheard = await beginEnrollment(storage, uri, { ...server.sdk, fetch: noEnroll });
    await expect(unheard.finish({ device: {}, pin })).rejects.toMatchObject({ code: 'network' });

    const { op } = (await first.inbox()).operations[0]!;
    await first.decide(await first.present(op), { decision: 'approve', pin });
    expect((await resumeEnrollment(storage, server.sdk)).deviceId).toBe(deviceId);
  });
});
