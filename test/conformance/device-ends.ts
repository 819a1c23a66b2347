import type { Device } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { StoredUser } from '../../src/domain/user.ts';
import { SECOND } from '../../src/support/clock.ts';
import { aDevice, aHash, anEvent, aReceipt, aTicket, aUser, T0 } from '../support/records.ts';
import { type Suite, storeForEach } from './harness.ts';
import {
  attemptOf,
  decideOf,
  failureOf,
  startOf,
  withDevice,
  withOperation,
  withPendingDevice,
  withUser,
} from './scenes.ts';

const now = T0 + SECOND;

/** What a device that is locked or taken away can no longer do, in the same step. */
export const deviceEndsSuite: Suite = (name, open) => {
  describe(`${name}: what ends with a device (promise 5)`, () => {
    const at = storeForEach(open);

    const change = (device: Device, to: 'active' | 'locked' | 'deactivated', more = {}) =>
      at.store.devices.changeState({ id: device.id, from: ['active', 'locked'], to, now, events: [], ...more });
    const closedEventOf = ({ userId }: Device) => ({
      type: 'operation.cancelled' as const,
      at: now,
      userId,
      actor: 'management:x',
    });
    const failureIn = (user: StoredUser, device: Device, operation: Operation) =>
      failureOf(
        { user, device, operation },
        { now, failOperation: true, lockDevice: 'attempts', closedEvent: closedEventOf(device) },
      );

    /** Made by the device, and by others. */
    async function tickets(user: StoredUser, device: Device) {
      const made = aTicket(user, { clientId: `device:${device.id}` });
      const others = [aTicket(user, { clientId: `device:${aDevice(user).id}` }), aTicket(user)];
      for (const ticket of [made, ...others]) await at.store.operations.start(startOf(ticket));
      return { made, others };
    }

    const ways = {
      'it is taken away': (device: Device) => change(device, 'deactivated', { closedEvent: closedEventOf(device) }),
      'it is locked': (device: Device) =>
        change(device, 'locked', { reason: 'admin', closedEvent: closedEventOf(device) }),
      'an approval was wrong too often': async (device: Device, user: StoredUser) =>
        at.store.operations.failAttempt(failureIn(user, device, await withOperation(at.store, user))),
      'a proof was wrong too often': (device: Device) =>
        at.store.devices.failProof({
          deviceId: device.id,
          now,
          lockDevice: 'attempts',
          closedEvent: closedEventOf(device),
          receipt: aReceipt(device),
          events: [],
        }),
      'it is replaced': async (device: Device, user: StoredUser) =>
        at.store.devices.activate({
          device: await withPendingDevice(at.store, user),
          mode: 'override',
          now,
          events: [],
          replacedEvent: { type: 'device.replaced', at: now },
          closedEvent: closedEventOf(device),
        }),
    };

    test.each(Object.entries(ways))('TH-13 when %s, the tickets that it made, and only those', async (why, end) => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const { made, others } = await tickets(user, device);
      await end(device, user);
      const isGone = why === 'it is taken away' || why === 'it is replaced';
      expect(await at.store.operations.get(made.id)).toMatchObject({
        state: 'cancelled',
        finishedAt: now,
        endReason: isGone ? 'device_deactivated' : 'device_locked',
      });
      const ids = (await at.store.operations.ticketsOf(user.id, now)).map(({ id }) => id);
      expect(ids).not.toContain(made.id);
      for (const { id } of others) expect(ids).toContain(id);
      const bind = { operationId: made.id, thumbprint: aHash(), device: aDevice(user), now, events: [] };
      expect(await at.store.operations.bindTicket(bind)).toEqual({ result: 'closed' });
      const event = {
        ...closedEventOf(device),
        id: `${made.id}.operation.cancelled`,
        operationId: made.id,
        deviceId: device.id,
      };
      expect(await at.store.events.ofOperation(made.id)).toEqual([event]);
    });

    test('a device that came with such a ticket, and has not been confirmed, is not any more', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const made = aTicket(user, { clientId: `device:${device.id}` });
      await at.store.operations.start(startOf(made));
      const fresh = aDevice(user, { operationId: made.id });
      await at.store.operations.bindTicket({
        operationId: made.id,
        thumbprint: aHash(),
        device: fresh,
        now,
        events: [],
      });
      expect(await change(device, 'deactivated')).toMatchObject({ result: 'changed', closed: [made.id] });
      const replacedEvent = { type: 'device.replaced' as const, at: now };
      expect(
        await at.store.devices.activate({ device: fresh, mode: 'multiple', now, events: [], replacedEvent }),
      ).toEqual({ result: 'operation_closed' });
    });

    test('a lock leaves what only the device could answer: it may be unlocked in time', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const named = await withOperation(at.store, user, { deviceId: device.id });
      const { made } = await tickets(user, device);
      expect(await change(device, 'locked')).toMatchObject({ closed: [made.id] });
      expect(await at.store.operations.get(named.id)).toMatchObject({ state: 'pending' });
      expect(await change(device, 'active')).toMatchObject({ closed: [] });
      expect(await change(device, 'deactivated')).toMatchObject({ closed: [named.id] });
    });

    test.each(Object.entries({ ...ways, 'it is unlocked': (device: Device) => change(device, 'active') }))(
      'keys that wait are gone when %s',
      async (_why, end) => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const { sig } = device.keys;
        const waiting = { ...device, rotation: { sig, enc: sig, at: T0 } };
        const saved = await at.store.devices.save({ device: waiting, states: ['active'], now, events: [] });
        expect(saved).toMatchObject({ result: 'saved', device: { rotation: waiting.rotation } });
        await end((await at.store.devices.get(device.id))!, user);
        expect(await at.store.devices.get(device.id)).not.toHaveProperty('rotation');
      },
    );

    test('keys that wait stay as they were saved while the device is used, and go where they are saved away', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const operation = await withOperation(at.store, user);
      const { sig } = device.keys;
      const rotation = { sig, enc: sig, at: T0 };
      await at.store.devices.save({ device: { ...device, rotation }, states: ['active'], now, events: [] });
      await at.store.operations.reserveAttempt(attemptOf({ user, device, operation }));
      await at.store.operations.decide(decideOf({ user, device, operation }));
      const current = (await at.store.devices.get(device.id))!;
      expect(current.rotation).toEqual(rotation);
      const { rotation: _gone, ...without } = current;
      expect(await at.store.devices.save({ device: without, states: ['active'], now, events: [] })).toMatchObject({
        result: 'saved',
      });
      expect(await at.store.devices.get(device.id)).not.toHaveProperty('rotation');
    });

    test('the counter of a message that takes another device away is its sender’s', async () => {
      const user = await withUser(at.store);
      const [sender, target] = [await withDevice(at.store, user), await withDevice(at.store, user)];
      const suspected = () => anEvent(sender, 'device.clone_suspected', { userId: user.id, deviceId: sender.id });
      const ctr = () => ({ value: 5, suspected: suspected(), deviceId: sender.id });
      expect(await change(target, 'locked', { ctr: ctr() })).toMatchObject({ result: 'changed' });
      expect(await at.store.devices.get(sender.id)).toMatchObject({ ctr: 5, version: sender.version });
      expect(await at.store.devices.get(target.id)).not.toHaveProperty('ctr');
      expect(await at.store.events.ofUser(user.id, 9)).toEqual([]);
      await change(target, 'deactivated', { ctr: ctr() });
      expect((await at.store.events.ofUser(user.id, 9)).map(({ type }) => type)).toEqual(['device.clone_suspected']);
    });

    test('the counter of the message that makes a device active is noted with it', async () => {
      const device = await withPendingDevice(at.store, await withUser(at.store));
      const activate = {
        device,
        mode: 'single' as const,
        now,
        events: [],
        replacedEvent: { type: 'device.replaced' as const, at: now },
      };
      const suspected = anEvent(device, 'device.clone_suspected', { userId: device.userId });
      const saved = await at.store.devices.save({
        device,
        states: ['pending'],
        now,
        events: [],
        ctr: { value: 1, suspected },
      });
      if (saved.result !== 'saved') throw new Error(saved.result);
      const activated = await at.store.devices.activate({
        ...activate,
        device: saved.device,
        ctr: { value: 2, suspected },
      });
      expect(activated).toMatchObject({ result: 'activated' });
      expect(await at.store.devices.get(device.id)).toMatchObject({ state: 'active', ctr: 2 });
      expect(await at.store.events.ofUser(device.userId, 9)).toEqual([]);
    });

    test('a key that is held says by whom', async () => {
      const device = await withDevice(at.store, await withUser(at.store));
      const thumbprint = aHash();
      expect(await at.store.devices.keyHolder(thumbprint)).toBeUndefined();
      await at.store.devices.claimKey(thumbprint, device.id, T0);
      expect(await at.store.devices.keyHolder(thumbprint)).toEqual(device);
      const unborn = aHash();
      await at.store.devices.claimKey(unborn, aDevice(aUser()).id, T0);
      expect(await at.store.devices.keyHolder(unborn)).toBeUndefined();
    });
  });
};
