import { join } from 'node:path';
import { openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { newEvent } from '../../src/domain/new-event.ts';
import { createOutsideNotices } from '../../src/domain/outside-notices.ts';
import { newId, partitionOf, randomPartition } from '../../src/support/ids.ts';
import { by, enroll, newUser, startOf } from '../domain/scene.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';
import {
  alice,
  gateway,
  hanging,
  lockedOut,
  type OutsideScene,
  openOutside,
  outsideNotices,
} from './outside-notices.ts';

let folder: TemporaryFolder;
let count = 0;
beforeAll(async () => {
  folder = await temporaryFolder('assent-outside');
});
afterAll(() => folder.remove());
const open = () => openEmbeddedStore({ file: join(folder.path, `${count++}.db`), outsideNotices: true });

describe('notices outside of the devices, on the embedded store', () => outsideNotices(open));

describe('a gateway that is away', () => {
  let outside: OutsideScene;
  beforeEach(async () => {
    outside = await openOutside(await open());
  });
  afterEach(() => outside.close());

  test('is given up when devices are told no longer, which is noted', async () => {
    const { user, device } = await lockedOut(outside);
    const { told, tell } = gateway({ failures: Number.POSITIVE_INFINITY });
    const process = await outside.process(tell);
    await process.idle();
    for (let hour = 0; hour < 7 * 24 && (await outside.backlog()) > 0; hour++) await process.advance(3600);
    expect(await outside.backlog()).toBe(0);
    expect(told.length).toBeGreaterThan(100);
    const [last] = await outside.scene.store.events.ofUser(user.id, 1);
    const data = { notice: 'device.locked', attempt: told.length, reason: 'not_taken' };
    expect(last).toMatchObject({ type: 'notice.failed', deviceId: device.id, data });
  });

  test('says nothing: it is told that it is late, and asked again', async () => {
    await lockedOut(outside);
    const { asked, tell, until } = hanging();
    const process = await outside.process(tell);
    await until(1);
    await process.advance(10);
    expect(asked[0]!.signal).toMatchObject({ aborted: true, reason: { message: 'no answer in 10000 ms' } });
    expect(await outside.backlog()).toBe(1);
    const again = process.advance(1);
    await until(2);
    asked[1]!.answer();
    await again;
    expect(await outside.backlog()).toBe(0);
  });

  test('holds up few notices at a time, and nothing else', async () => {
    const { scene } = outside;
    const user = await newUser(scene, alice);
    await enroll(scene, user);
    const { asked, tell, until } = hanging();
    const process = await outside.process(tell);
    const suspected = () => newEvent('device.clone_suspected', scene.clock.now(), by, { userId: user.id });
    await scene.store.events.write(partitionOf(user.id), Array.from({ length: 12 }, suspected));
    await until(4);
    await scene.operations.start(startOf(user));
    // its own entry is gone while four notices are under way
    while ((await outside.backlog()) > 12) await scene.store.check();
    for (const told of [4, 8, 12]) {
      expect(asked).toHaveLength(told);
      for (const { answer } of asked.slice(-4)) answer();
      while ((await outside.backlog()) > 12 - told) await scene.store.check();
      void process.advance(1);
      await until(Math.min(told + 4, 12));
    }
    await process.idle();
    expect(new Set(asked.map(({ notice }) => notice.id)).size).toBe(12);
  });

  test('tells nobody of a person who is not there', async () => {
    const { scene } = outside;
    const partition = randomPartition();
    const event = newEvent('device.locked', scene.clock.now(), by, { userId: newId(partition) });
    await scene.store.events.write(partition, [event]);
    const { told, tell } = gateway();
    await (await outside.process(tell)).idle();
    expect([told, await outside.backlog()]).toEqual([[], 0]);
  });

  test('shows what a device calls itself as one line', async () => {
    const { scene } = outside;
    const { user, device } = await lockedOut(outside);
    const found = (await scene.store.devices.get(device.id))!;
    const info = { name: 'Phone\u202e of\nMallory', model: '\u0007', appVersion: '1' };
    await scene.store.devices.save({
      device: { ...found, info },
      states: ['locked'],
      now: scene.clock.now(),
      events: [],
    });
    const event = newEvent('device.locked', scene.clock.now(), by, { userId: user.id, deviceId: device.id });
    const { device: shown } = (await createOutsideNotices(scene).of(event))!;
    expect(shown).toMatchObject({ name: 'Phone ofMallory' });
    expect(shown).not.toHaveProperty('model');
  });
});
