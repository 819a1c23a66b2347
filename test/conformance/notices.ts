import { ALL_PARTITIONS, partitionOf } from '../../src/support/ids.ts';
import { anEvent, T0 } from '../support/records.ts';
import { HUNDRED, type Suite, storeForEach, tally } from './harness.ts';
import { asked, failureOf, withDevice, withPendingDevice, withUser } from './scenes.ts';

/** What people are told outside of their devices, where the store was opened for it. */
export const noticeSuite: Suite = (name, open) => {
  const noticed = (user: { id: string }, more: { operationId?: string } = {}) =>
    anEvent(user, 'device.locked', { userId: user.id, noticeUntil: T0 + 10, ...more });

  describe(`${name}: notices outside of the devices`, () => {
    const at = storeForEach(() => open({ outsideNotices: true }));
    const owed = async () => {
      const claim = { partitions: ALL_PARTITIONS, now: T0 + 1, limit: 100, holder: 'h', leaseMs: 1 };
      return (await at.store.outbox.claimDue(claim)).map(({ entry }) => entry);
    };

    test('promise 7: they are in the outbox in the step of the change, once, and live as long as devices are told', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const event = noticed(user);
      const silent = anEvent(user, 'device.lock.imminent', { userId: user.id });
      const lock = { id: device.id, from: ['active' as const], to: 'locked' as const, now: T0 };
      const answers = await at.race(HUNDRED, (store, index) =>
        store.devices.changeState({ ...lock, events: index === 0 ? [event, silent] : [noticed(user), silent] }),
      );
      expect(tally(answers)).toEqual({ changed: 1, refused: HUNDRED - 1 });
      const [told] = (await at.store.events.ofUser(user.id, 9)).filter(({ type }) => type === 'device.locked');
      expect(await owed()).toEqual([
        {
          id: `${told!.id}.notice`,
          kind: 'notice',
          operationId: '',
          userId: user.id,
          payload: JSON.stringify(told),
          dueAt: T0,
          expiresAt: T0 + 10,
          attempts: 1,
        },
      ]);
    });

    test('an event that is given twice is told once; one of nobody is not told', async () => {
      const user = await withUser(at.store);
      const event = noticed(user);
      const { userId: _, ...ofNobody } = noticed(user);
      await at.store.events.write(partitionOf(user.id), [event, ofNobody]);
      await at.store.events.write(partitionOf(user.id), [event]);
      expect((await owed()).map(({ id }) => id)).toEqual([`${event.id}.notice`]);
    });

    test('beside other entries of the step, and with its operation; a repeated call writes nothing', async () => {
      const scene = await asked(at.store);
      const { id: operationId } = scene.operation;
      const event = noticed(scene.user, { operationId });
      const failure = failureOf(scene, { failOperation: true, lockDevice: 'attempts', events: [event] });
      await at.store.operations.failAttempt(failure);
      await at.store.operations.failAttempt(failure);
      expect(await owed()).toMatchObject([{ id: `${event.id}.notice`, operationId, payload: JSON.stringify(event) }]);
    });

    test('a device that is replaced is told of, and the new one', async () => {
      const user = await withUser(at.store);
      const old = await withDevice(at.store, user);
      const fresh = await withPendingDevice(at.store, user);
      const replacedEvent = { type: 'device.replaced' as const, at: T0, userId: user.id, noticeUntil: T0 + 10 };
      const activated = noticed(user);
      const activate = { device: fresh, mode: 'override' as const, now: T0, events: [activated], replacedEvent };
      expect(await at.store.devices.activate(activate)).toMatchObject({ result: 'activated', replaced: [old.id] });
      const [replaced, added] = await owed();
      const id = `${old.id}.device.replaced`;
      expect(replaced).toMatchObject({ id: `${id}.notice`, userId: user.id, expiresAt: T0 + 10 });
      expect(JSON.parse(replaced!.payload)).toEqual({ ...replacedEvent, id, deviceId: old.id });
      expect(added).toMatchObject({ id: `${activated.id}.notice` });
    });

    test('a copy of a device that is suspected is told of', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const suspected = noticed(user);
      const change = { id: device.id, from: ['active' as const], to: 'locked' as const, now: T0, events: [] };
      await at.store.devices.changeState({ ...change, ctr: { value: 7, suspected } });
      await at.store.devices.changeState({ ...change, from: ['locked'], to: 'active', ctr: { value: 7, suspected } });
      expect((await owed()).map(({ id }) => id)).toEqual([`${suspected.id}.notice`]);
    });
  });

  describe(`${name}: notices, where nobody tells them outside`, () => {
    const at = storeForEach(open);

    test('nothing is in the outbox', async () => {
      const user = await withUser(at.store);
      await at.store.events.write(partitionOf(user.id), [noticed(user)]);
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 0 });
    });
  });
};
