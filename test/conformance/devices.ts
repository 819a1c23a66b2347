import type { Device } from '../../src/domain/device.ts';
import { SECOND } from '../../src/support/clock.ts';
import { partitionOf } from '../../src/support/ids.ts';
import { aDevice, aHash, anEvent, aReceipt, aTicket, aUser, T0 } from '../support/records.ts';
import { type ConformingStore, HUNDRED, type Suite, storeForEach, tally } from './harness.ts';
import {
  asked,
  attemptOf,
  decideOf,
  failureOf,
  LEASE_MS,
  startOf,
  withDevice,
  withOperation,
  withPendingDevice,
  withUser,
} from './scenes.ts';

const replacedEvent = { type: 'device.replaced' as const, at: T0 };

export const deviceStoreSuite: Suite = (name, open) => {
  describe(`${name}: devices`, () => {
    const at = storeForEach(open);

    const activate = (device: Device, overrides: Partial<Parameters<ConformingStore['devices']['activate']>[0]> = {}) =>
      at.store.devices.activate({ device, mode: 'single', now: T0 + 1, events: [], replacedEvent, ...overrides });

    test('a device comes back as it was bound, alone, with its user, and among the user’s', async () => {
      const user = await withUser(at.store);
      const first = await withPendingDevice(at.store, user, { createdAt: T0 });
      const second = await withPendingDevice(at.store, user, { createdAt: T0 + 1 });
      await withPendingDevice(at.store, await withUser(at.store));
      expect(await at.store.devices.get(first.id)).toEqual(first);
      expect(await at.store.devices.withUser(first.id)).toEqual({ device: first, userState: 'active' });
      expect(await at.store.devices.ofUser(user.id)).toEqual([first, second]);
      expect(await at.store.devices.get(aDevice(user).id)).toBeUndefined();
      expect(await at.store.devices.withUser(aDevice(user).id)).toBeUndefined();
      expect(await at.store.devices.ofUser(aUser().id)).toEqual([]);
    });

    describe('save', () => {
      test('replaces the record and grows the version; state, lock and failures stay as stored', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const wanted: Device = {
          ...device,
          info: { name: 'New name' },
          state: 'locked',
          lockReason: 'admin',
          failures: { pin: 9, number: 9, pinLifetime: 9 },
        };
        const event = anEvent(device, 'device.enrolled', { deviceId: device.id, userId: device.userId });
        const saved = await at.store.devices.save({ device: wanted, states: ['active'], now: T0, events: [event] });
        const stored = { ...device, info: wanted.info, version: device.version + 1 };
        expect(saved).toEqual({ result: 'saved', device: stored });
        expect(await at.store.devices.get(device.id)).toEqual(stored);
        expect(await at.store.events.ofUser(device.userId, 1)).toEqual([event]);
      });

      test('of an older version, in another state, or of no device changes nothing', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const save = (change: Partial<Device>, states: Device['state'][] = ['active']) =>
          at.store.devices.save({ device: { ...device, ...change }, states, now: T0, events: [] });
        expect(await save({ version: device.version - 1 })).toEqual({ result: 'stale' });
        expect(await save({}, ['pending', 'locked'])).toEqual({ result: 'refused', state: 'active' });
        expect(await save({ id: aDevice({ id: device.userId }).id })).toEqual({ result: 'missing' });
        expect(await at.store.devices.get(device.id)).toEqual(device);
      });

      test('of one version by a hundred is done once', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const answers = await at.race(HUNDRED, (store, i) =>
          store.devices.save({
            device: { ...device, info: { name: `${i}` } },
            states: ['active'],
            now: T0,
            events: [],
          }),
        );
        expect(tally(answers)).toEqual({ saved: 1, stale: HUNDRED - 1 });
      });
    });

    describe('receipts', () => {
      const saveWith = (device: Device, receipt: ReturnType<typeof aReceipt>) =>
        at.store.devices.save({
          device,
          states: ['active'],
          now: T0,
          events: [anEvent(device, 'device.enrolled', { userId: device.userId })],
          receipt,
        });

      test('the same message again gets the first outcome and changes nothing', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const receipt = aReceipt(device);
        expect(await saveWith(device, receipt)).toMatchObject({ result: 'saved' });
        const again = { ...receipt, outcome: 'another outcome' };
        expect(await saveWith(device, again)).toEqual({ result: 'repeated', outcome: receipt.outcome });
        expect(await at.store.devices.get(device.id)).toMatchObject({ version: device.version + 1 });
        expect(await at.store.events.ofUser(device.userId, 10)).toHaveLength(1);
      });

      test('RL-03 another message with a jti that was used is refused', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const receipt = aReceipt(device);
        await saveWith(device, receipt);
        const current = (await at.store.devices.get(device.id))!;
        expect(await saveWith(current, { ...receipt, jwsHash: aHash() })).toEqual({ result: 'message_reused' });
        expect(await at.store.devices.get(device.id)).toEqual(current);
      });

      test('a jti belongs to its device: two devices may draw the same one', async () => {
        const user = await withUser(at.store);
        const [one, two] = [await withDevice(at.store, user), await withDevice(at.store, user)];
        const receipt = aReceipt(one);
        expect(await saveWith(one, receipt)).toMatchObject({ result: 'saved' });
        expect(await saveWith(two, { ...receipt, deviceId: two.id })).toMatchObject({ result: 'saved' });
      });

      test('RL-03 of a hundred arrivals of one message one changes something, the others get its outcome', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const receipt = aReceipt(device);
        const answers = await at.race(HUNDRED, (store) =>
          store.devices.save({ device, states: ['active'], now: T0, events: [], receipt }),
        );
        expect(tally(answers)).toEqual({ saved: 1, repeated: HUNDRED - 1 });
      });

      test('a refused change leaves no receipt: the message may be tried again', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const receipt = aReceipt(device);
        const stale = { ...device, version: device.version + 5 };
        expect(await saveWith(stale, receipt)).toEqual({ result: 'stale' });
        expect(await saveWith(device, receipt)).toMatchObject({ result: 'saved' });
      });

      test('change of state and activation know them too', async () => {
        const user = await withUser(at.store);
        const device = await withPendingDevice(at.store, user);
        const first = aReceipt(device);
        expect(await activate(device, { receipt: first })).toMatchObject({ result: 'activated' });
        expect(await activate(device, { receipt: first })).toEqual({ result: 'repeated', outcome: first.outcome });
        const leave = { id: device.id, from: ['active' as const], to: 'deactivated' as const, now: T0, events: [] };
        const second = aReceipt(device);
        expect(await at.store.devices.changeState({ ...leave, receipt: second })).toMatchObject({ result: 'changed' });
        expect(await at.store.devices.changeState({ ...leave, receipt: second })).toEqual({
          result: 'repeated',
          outcome: second.outcome,
        });
        expect(await at.store.devices.changeState({ ...leave, receipt: { ...second, jwsHash: aHash() } })).toEqual({
          result: 'message_reused',
        });
      });
    });

    describe('what a device changes about itself', () => {
      const limits = { pin: 3, pinLifetime: 100 };
      const proofOf = (device: Device, overrides = {}) => {
        const { deviceId, jti, jwsHash, until } = aReceipt(device);
        return {
          deviceId,
          jti,
          jwsHash,
          pinKey: device.keys.pin,
          limits,
          now: T0,
          leaseMs: LEASE_MS,
          until,
          ...overrides,
        };
      };
      const save = (device: Device, overrides: Partial<Parameters<ConformingStore['devices']['save']>[0]> = {}) =>
        at.store.devices.save({ device, states: ['active'], now: T0, events: [], ...overrides });
      const failuresOf = async ({ id }: Device) => (await at.store.devices.get(id))!.failures;

      test('promise 6: a try is counted before the proof is looked at, once for each message', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const proof = proofOf(device);
        const failures = { pin: 1, number: 0, pinLifetime: 1 };
        expect(await at.store.devices.reserveProof(proof)).toEqual({ result: 'reserved', failures, underWay: 0 });
        // a process that died before the outcome: the message comes again
        expect(await at.store.devices.reserveProof(proof)).toEqual({ result: 'again', failures, underWay: 0 });
        expect(await failuresOf(device)).toEqual(failures);
        expect(await at.store.devices.get(device.id)).toMatchObject({ version: device.version });
      });

      test('promise 6: of a hundred guesses at once, as many are looked at as the limit says', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const answers = await at.race(HUNDRED, (store) => store.devices.reserveProof(proofOf(device)));
        expect(tally(answers)).toEqual({ reserved: limits.pin, exhausted: HUNDRED - limits.pin });
        expect(await failuresOf(device)).toMatchObject({ pin: limits.pin, pinLifetime: limits.pin });
        const ofLife = { limits: { pin: 5, pinLifetime: 3 } };
        expect(await at.store.devices.reserveProof(proofOf(device, ofLife))).toMatchObject({
          result: 'exhausted',
          which: 'pin_lifetime',
        });
      });

      test('tries of a device that is locked, or of none, are not counted', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        expect(await at.store.devices.reserveProof(proofOf(aDevice(aUser())))).toEqual({ result: 'missing' });
        const lock = { id: device.id, from: ['active' as const], to: 'locked' as const, now: T0, events: [] };
        await at.store.devices.changeState(lock);
        expect(await at.store.devices.reserveProof(proofOf(device))).toEqual({ result: 'refused', state: 'locked' });
        expect(await failuresOf(device)).toMatchObject({ pin: 0 });
      });

      test('a wrong proof: its outcome is kept, so that the message costs no second try; the last one locks', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const receipt = aReceipt(device);
        const event = anEvent(device, 'device.locked', { userId: device.userId, deviceId: device.id });
        const failed = { deviceId: device.id, now: T0, receipt, events: [event] };
        await at.store.devices.reserveProof(proofOf(device, receipt));
        expect(await at.store.devices.failProof({ ...failed, lockDevice: 'attempts' })).toEqual({ result: 'recorded' });
        const locked = await at.store.devices.get(device.id);
        expect(locked).toMatchObject({ state: 'locked', lockReason: 'attempts', methods: ['device'] });
        expect(locked!.keys.pin).toBeUndefined();
        const repeated = { result: 'repeated', outcome: receipt.outcome };
        expect(await at.store.devices.failProof(failed)).toEqual(repeated);
        expect(await at.store.devices.reserveProof(proofOf(device, receipt))).toEqual(repeated);
        expect(await at.store.devices.withUser(device.id, { jti: receipt.jti, now: T0 })).toMatchObject({ receipt });
        expect(await at.store.devices.withUser(device.id, { jti: receipt.jti, now: receipt.until })).not.toHaveProperty(
          'receipt',
        );
        const other = { ...receipt, jwsHash: aHash() };
        expect(await at.store.devices.failProof({ ...failed, receipt: other })).toEqual({ result: 'message_reused' });
        expect(await at.store.events.ofUser(device.userId, 10)).toEqual([event]);
        const nobody = aDevice(aUser());
        expect(await at.store.devices.failProof({ ...failed, deviceId: nobody.id, receipt: aReceipt(nobody) })).toEqual(
          { result: 'missing' },
        );
      });

      test('a try at a PIN key that is another one by now is not counted against the new one', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const [before, after] = [proofOf(device), proofOf(device)];
        await at.store.devices.reserveProof(before);
        await save({ ...device, keys: { ...device.keys, pin: 'sealed.other' } }, { pin: 'renewed' });
        for (const proof of [before, after]) {
          expect(await at.store.devices.reserveProof(proof)).toEqual({ result: 'stale' });
        }
        expect(await failuresOf(device)).toMatchObject({ pin: 0, pinLifetime: 0 });
      });

      test('a right PIN clears its failures and takes its own try back; a new PIN key begins at zero', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        for (let i = 0; i < 2; i++) await at.store.devices.reserveProof(proofOf(device));
        expect(await save(device, { pin: 'right', now: T0 + LEASE_MS })).toMatchObject({
          result: 'saved',
          device: { failures: { pin: 0, pinLifetime: 1 } },
        });
        await at.store.devices.reserveProof(proofOf(device));
        const current = (await at.store.devices.get(device.id))!;
        expect(await save(current, { pin: 'renewed' })).toMatchObject({
          device: { failures: { pin: 0, pinLifetime: 0 } },
        });
      });

      test('a ticket that stands in for a proof is spent with the change, by one of a hundred', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const ticket = aTicket(user);
        await at.store.operations.start(startOf(ticket));
        const wanted = { ...device, keys: { ...device.keys, pin: 'sealed.other' } };
        const answers = await at.race(HUNDRED, (store, i) =>
          store.devices.save({
            device: wanted,
            states: ['active'],
            now: T0 + 1,
            events: [],
            spends: ticket.id,
            receipt: aReceipt(device, { jti: `${i}` }),
          }),
        );
        expect(tally(answers)).toEqual({ saved: 1, stale: HUNDRED - 1 });
        expect(await at.store.operations.get(ticket.id)).toMatchObject({
          state: 'approved',
          finishedAt: T0 + 1,
          ticket: { deviceId: device.id },
        });
        const current = (await at.store.devices.get(device.id))!;
        expect(current.keys.pin).toBe('sealed.other');
        expect(await save(current, { spends: ticket.id })).toEqual({ result: 'ticket_closed' });
        const bind = { operationId: ticket.id, thumbprint: aHash(), device: aDevice(user), now: T0, events: [] };
        expect(await at.store.operations.bindTicket(bind)).toEqual({ result: 'closed' });
      });

      test('a ticket of another user, past its time, bound to a key, or none at all changes nothing', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const bound = await withPendingDevice(at.store, user);
        const [own, others] = [aTicket(user), aTicket(await withUser(at.store, { id: aDevice(user).id }))];
        for (const ticket of [own, others]) await at.store.operations.start(startOf(ticket));
        const asked = await withOperation(at.store, user);
        const receipt = aReceipt(device);
        for (const spends of [others.id, bound.operationId, asked.id, aTicket(user).id]) {
          expect(await save(device, { spends, receipt })).toEqual({ result: 'ticket_closed' });
        }
        const late = { spends: own.id, receipt, now: own.expiresAt };
        expect(await save(device, late)).toEqual({ result: 'ticket_closed' });
        expect(await at.store.devices.get(device.id)).toEqual(device);
        expect(await save(device, { spends: own.id, receipt })).toMatchObject({ result: 'saved' });
      });

      test('a ticket that a device asks for is there when the answer is, and there once', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const opens = aTicket(user, { createdAt: T0 });
        const receipt = aReceipt(device);
        const answers = await at.race(HUNDRED, (store) =>
          store.devices.save({ device, states: ['active'], now: T0, events: [], receipt, opens }),
        );
        expect(tally(answers)).toEqual({ saved: 1, repeated: HUNDRED - 1 });
        expect(await at.store.operations.ticketsOf(user.id, T0)).toEqual([opens]);
        expect(await at.store.operations.get(opens.id)).toEqual(opens);

        const lock = { id: user.id, from: ['active' as const], to: 'locked' as const, now: T0, events: [] };
        await at.store.users.changeState({ ...lock, closePending: false });
        const current = (await at.store.devices.get(device.id))!;
        expect(await save(current, { opens: aTicket(user) })).toEqual({ result: 'user_not_active' });
      });

      test('the counter of messages only grows; one that is not above it is told of and refused nothing', async () => {
        const scene = await asked(at.store);
        const { device, user } = scene;
        const counter = (value: number) => ({
          value,
          suspected: anEvent(device, 'device.clone_suspected', { userId: user.id, deviceId: device.id }),
        });
        const highest = async () => (await at.store.devices.get(device.id))!.ctr;
        const suspicions = async () =>
          (await at.store.events.ofUser(user.id, 20)).filter(({ type }) => type === 'device.clone_suspected').length;

        expect(await save(device, { ctr: counter(7) })).toMatchObject({ result: 'saved', device: { ctr: 7 } });
        const attempt = attemptOf(scene);
        await at.store.operations.reserveAttempt(attempt);
        const failure = failureOf(scene, { ctr: counter(8) });
        await at.store.operations.failAttempt(failure);
        // the same message again is answered from its receipt
        await at.store.operations.failAttempt(failure);
        expect(await highest()).toBe(8);
        expect(await suspicions()).toBe(0);

        const decide = decideOf(scene, { ctr: counter(8) });
        expect(await at.store.operations.decide(decide)).toMatchObject({ result: 'decided' });
        expect(await at.store.operations.decide(decide)).toMatchObject({ result: 'repeated' });
        expect(await suspicions()).toBe(1);
        const failed = { deviceId: device.id, now: T0, receipt: aReceipt(device), ctr: counter(3), events: [] };
        await at.store.devices.failProof(failed);
        const leave = { id: device.id, from: ['active' as const], to: 'deactivated' as const, now: T0, events: [] };
        expect(await at.store.devices.changeState({ ...leave, ctr: counter(9) })).toMatchObject({
          result: 'changed',
          device: { ctr: 9 },
        });
        expect(await highest()).toBe(9);
        expect(await suspicions()).toBe(2);
      });

      test('of a hundred messages with one counter, all but one are told of', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        await at.race(HUNDRED, (store) =>
          store.devices.failProof({
            deviceId: device.id,
            now: T0,
            receipt: aReceipt(device),
            ctr: { value: 5, suspected: anEvent(device, 'device.clone_suspected', { userId: device.userId }) },
            events: [],
          }),
        );
        expect(await at.store.events.ofUser(device.userId, HUNDRED)).toHaveLength(HUNDRED - 1);
      });
    });

    describe('activate', () => {
      test('makes a pending device active and approves its ticket, in one step', async () => {
        const device = await withPendingDevice(at.store, await withUser(at.store), { enrollNonce: 'nonce' });
        const { enrollNonce: _spent, ...proved } = device;
        const event = anEvent(device, 'device.activated', { deviceId: device.id, userId: device.userId });
        const activated = await activate({ ...proved, methods: ['device', 'pin'] }, { events: [event] });
        const stored = {
          ...proved,
          methods: ['device', 'pin'],
          state: 'active',
          activatedAt: T0 + 1,
          version: device.version + 1,
        };
        expect(activated).toEqual({ result: 'activated', device: stored, replaced: [] });
        expect(await at.store.devices.get(device.id)).toEqual(stored);
        expect(await at.store.operations.get(device.operationId)).toMatchObject({
          state: 'approved',
          finishedAt: T0 + 1,
        });
        expect(await at.store.events.ofUser(device.userId, 10)).toEqual([event]);
      });

      test('refuses a device that is not pending, an older version, and no device', async () => {
        const user = await withUser(at.store);
        const active = await withDevice(at.store, user, { applicationId: 'another' });
        const pending = await withPendingDevice(at.store, user);
        expect(await activate(active)).toEqual({ result: 'refused', state: 'active' });
        expect(await activate({ ...pending, version: pending.version + 1 })).toEqual({ result: 'stale' });
        expect(await activate(aDevice(user))).toEqual({ result: 'missing' });
        expect(await at.store.devices.get(pending.id)).toEqual(pending);
      });

      test('refuses when the ticket is over: cancelled, or past its time', async () => {
        const user = await withUser(at.store);
        const one = await withPendingDevice(at.store, user);
        const two = await withPendingDevice(at.store, user);
        const cancel = { operationId: one.operationId, reason: 'cancelled_by_client' as const, now: T0, events: [] };
        await at.store.operations.cancel({ ...cancel, outbox: [] });
        expect(await activate(one)).toEqual({ result: 'operation_closed' });
        const { expiresAt } = (await at.store.operations.get(two.operationId))!;
        expect(await activate(two, { now: expiresAt })).toEqual({ result: 'operation_closed' });
        expect(await at.store.devices.get(one.id)).toEqual(one);
      });

      test.each(['active', 'locked'] as const)(
        'single: a %s device of the application stands in the way',
        async (state) => {
          const user = await withUser(at.store);
          const old = await withDevice(at.store, user);
          if (state === 'locked') {
            const lock = { id: old.id, from: ['active' as const], to: state, now: T0, events: [] };
            await at.store.devices.changeState({ ...lock, reason: 'admin' });
          }
          const fresh = await withPendingDevice(at.store, user);
          expect(await activate(fresh)).toEqual({ result: 'conflict', deviceId: old.id });
          expect(await at.store.devices.get(old.id)).toMatchObject({ state });
          expect(await at.store.devices.get(fresh.id)).toEqual(fresh);
          expect(await at.store.operations.get(fresh.operationId)).toMatchObject({ state: 'pending' });
        },
      );

      test('single: devices of other applications, and deactivated ones, do not', async () => {
        const user = await withUser(at.store);
        await withDevice(at.store, user, { applicationId: 'assent-simulator' });
        const gone = await withDevice(at.store, user);
        const leave = { id: gone.id, from: ['active' as const], to: 'deactivated' as const, now: T0, events: [] };
        await at.store.devices.changeState(leave);
        expect(await activate(await withPendingDevice(at.store, user))).toMatchObject({ result: 'activated' });
      });

      test('override: the others of the application go, with their operations, and an event tells of each', async () => {
        const user = await withUser(at.store);
        const old = await withDevice(at.store, user);
        const elsewhere = await withDevice(at.store, user, { applicationId: 'assent-simulator' });
        const named = await withOperation(at.store, user, { deviceId: old.id });
        const open = await withOperation(at.store, user);
        const fresh = await withPendingDevice(at.store, user);
        expect(await activate(fresh, { mode: 'override' })).toMatchObject({ result: 'activated', replaced: [old.id] });
        expect(await at.store.devices.get(old.id)).toMatchObject({ state: 'deactivated' });
        expect(await at.store.devices.get(elsewhere.id)).toEqual(elsewhere);
        expect(await at.store.operations.get(named.id)).toMatchObject({
          state: 'cancelled',
          endReason: 'device_deactivated',
        });
        expect(await at.store.operations.get(open.id)).toMatchObject({ state: 'pending' });
        expect(await at.store.events.ofUser(user.id, 10)).toEqual([]);
      });

      test('override: the event has the replaced device’s id in its own', async () => {
        const user = await withUser(at.store);
        const old = await withDevice(at.store, user);
        const fresh = await withPendingDevice(at.store, user);
        await activate(fresh, { mode: 'override', replacedEvent: { ...replacedEvent, userId: user.id } });
        expect(await at.store.events.ofUser(user.id, 10)).toEqual([
          { ...replacedEvent, id: `${old.id}.device.replaced`, deviceId: old.id, userId: user.id },
        ]);
      });

      test('multiple: everybody stays', async () => {
        const user = await withUser(at.store);
        const old = await withDevice(at.store, user);
        const fresh = await withPendingDevice(at.store, user);
        expect(await activate(fresh, { mode: 'multiple' })).toMatchObject({ result: 'activated', replaced: [] });
        expect(await at.store.devices.get(old.id)).toEqual(old);
      });

      test('single: of a hundred devices that confirm at once, one becomes active', async () => {
        const user = await withUser(at.store);
        const devices = await Promise.all(Array.from({ length: HUNDRED }, () => withPendingDevice(at.store, user)));
        const answers = await at.race(HUNDRED, (store, i) =>
          store.devices.activate({
            device: devices[i]!,
            mode: 'single',
            now: T0,
            events: [anEvent(user, 'device.activated', { userId: user.id, deviceId: devices[i]!.id })],
            replacedEvent,
          }),
        );
        expect(tally(answers)).toEqual({ activated: 1, conflict: HUNDRED - 1 });
        const winner = devices[answers.findIndex(({ result }) => result === 'activated')]!;
        for (const answer of answers) if (answer.result === 'conflict') expect(answer.deviceId).toBe(winner.id);
        const states = (await at.store.devices.ofUser(user.id)).map(({ state }) => state);
        expect(states.filter((state) => state === 'active')).toHaveLength(1);
        expect(await at.store.events.ofUser(user.id, HUNDRED)).toHaveLength(1);
      });
    });

    describe('change of state', () => {
      test('locks with a reason and unlocks with fresh counters; the PIN key’s lifetime count stays', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const operation = await withOperation(at.store, user);
        const attempt = attemptOf({ user, device, operation }, { counts: ['pin', 'number'] });
        expect(await at.store.operations.reserveAttempt(attempt)).toMatchObject({ result: 'reserved' });

        const lock = { id: device.id, from: ['active' as const], to: 'locked' as const, now: T0, events: [] };
        expect(await at.store.devices.changeState({ ...lock, reason: 'admin' })).toMatchObject({
          result: 'changed',
          device: { state: 'locked', lockReason: 'admin', failures: { pin: 1, number: 1, pinLifetime: 1 } },
          closed: [],
        });
        expect(await at.store.devices.changeState({ ...lock, reason: 'admin' })).toEqual({
          result: 'refused',
          state: 'locked',
        });
        await at.store.devices.changeState({ id: device.id, from: ['locked'], to: 'active', now: T0, events: [] });
        const unlocked = (await at.store.devices.get(device.id))!;
        expect(unlocked).toMatchObject({ state: 'active', failures: { pin: 0, number: 0, pinLifetime: 1 } });
        expect(unlocked).not.toHaveProperty('lockReason');
        expect(unlocked.version).toBe(device.version + 2);
      });

      test('deactivation cancels the pending operations that name the device, and only those', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const named = await withOperation(at.store, user, { deviceId: device.id });
        const past = await withOperation(at.store, user, { deviceId: device.id, expiresAt: T0 + SECOND });
        const open = await withOperation(at.store, user);
        const changed = await at.store.devices.changeState({
          id: device.id,
          from: ['pending', 'active', 'locked'],
          to: 'deactivated',
          now: T0 + 2 * SECOND,
          events: [anEvent(device, 'device.deactivated', { userId: user.id })],
        });
        expect(changed).toMatchObject({ result: 'changed', device: { state: 'deactivated' }, closed: [named.id] });
        expect(await at.store.operations.get(named.id)).toMatchObject({
          state: 'cancelled',
          endReason: 'device_deactivated',
        });
        expect((await at.store.operations.get(past.id))?.state).not.toBe('cancelled');
        expect(await at.store.operations.get(open.id)).toMatchObject({ state: 'pending' });
        expect(await at.store.events.ofUser(user.id, 10)).toHaveLength(1);
      });

      test('of a hundred at once, one is done, with its events', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const answers = await at.race(HUNDRED, (store) =>
          store.devices.changeState({
            id: device.id,
            from: ['active'],
            to: 'locked',
            reason: 'admin',
            now: T0,
            events: [anEvent(device, 'device.locked', { userId: device.userId })],
          }),
        );
        expect(tally(answers)).toEqual({ changed: 1, refused: HUNDRED - 1 });
        expect(await at.store.events.ofUser(device.userId, HUNDRED)).toHaveLength(1);
      });

      test('of no device is missing', async () => {
        const nobody = aDevice(aUser());
        const change = { id: nobody.id, from: ['active' as const], to: 'locked' as const, now: T0, events: [] };
        expect(await at.store.devices.changeState(change)).toEqual({ result: 'missing' });
      });
    });

    describe('a box pair of its own', () => {
      const box = (n: number) => ({ thumbprint: `thumbprint-${n}`, sealed: `sealed.${n}`, createdAt: T0 + n });

      test('stays with the device as it was saved, and goes when the device is deactivated', async () => {
        const user = await withUser(at.store);
        const device = await withPendingDevice(at.store, user, { box: box(1) });
        expect(await at.store.devices.get(device.id)).toEqual(device);
        const activated = await activate(device);
        expect(activated).toMatchObject({ result: 'activated', device: { box: box(1) } });
        const current = (await at.store.devices.get(device.id))!;
        const next = { ...box(2), former: { ...box(1), until: T0 + 9 } };
        await at.store.devices.save({ device: { ...current, box: next }, states: ['active'], now: T0, events: [] });
        expect((await at.store.devices.get(device.id))?.box).toEqual(next);
        const lock = { id: device.id, from: ['active' as const], to: 'locked' as const, now: T0, events: [] };
        expect(await at.store.devices.changeState(lock)).toMatchObject({ device: { box: next } });
        await at.store.devices.changeState({ ...lock, from: ['locked'], to: 'deactivated' });
        expect((await at.store.devices.get(device.id))?.box).toBeUndefined();
      });

      test('of a device that is replaced goes, too', async () => {
        const user = await withUser(at.store);
        const old = await withDevice(at.store, user, { box: box(1) });
        await activate(await withPendingDevice(at.store, user), { mode: 'override' });
        expect((await at.store.devices.get(old.id))?.box).toBeUndefined();
      });

      test('of a ticket goes with its end, whichever it is', async () => {
        const user = await withUser(at.store);
        const ticket = aTicket(user, { ticket: { wrongCodes: 0, box: box(1) } });
        await at.store.operations.start(startOf(ticket));
        expect(await at.store.operations.get(ticket.id)).toEqual(ticket);
        const device = aDevice(user, { operationId: ticket.id, box: box(2) });
        const bind = { operationId: ticket.id, thumbprint: aHash(), device, now: T0, events: [] };
        await at.store.operations.bindTicket(bind);
        expect((await at.store.operations.get(ticket.id))?.ticket?.box).toEqual(box(1));
        await activate(device);
        expect((await at.store.operations.get(ticket.id))?.ticket).toEqual({
          wrongCodes: 0,
          boundTo: bind.thumbprint,
          deviceId: device.id,
        });
        const over = aTicket(user, { ticket: { wrongCodes: 0, box: box(3) } });
        await at.store.operations.start(startOf(over));
        const reason = 'cancelled_by_user' as const;
        await at.store.operations.cancel({ operationId: over.id, reason, now: T0, events: [], outbox: [] });
        expect((await at.store.operations.get(over.id))?.ticket).toEqual({ wrongCodes: 0 });
      });
    });

    describe('notices', () => {
      const noticed = (user: { id: string }, at: number, noticeUntil: number) =>
        anEvent(user, 'device.locked', { userId: user.id, at, noticeUntil });

      test('come with the device where they are asked for, oldest first, until their time', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const [first, second] = [noticed(user, T0, T0 + 10), noticed(user, T0 + 1, T0 + 20)];
        const silent = anEvent(user, 'device.locked', { userId: user.id });
        const lock = { id: device.id, from: ['active' as const], to: 'locked' as const, now: T0 };
        await at.store.devices.changeState({ ...lock, events: [first, silent] });
        await at.store.events.write(partitionOf(user.id), [second]);
        // the same event again is one notice
        await at.store.events.write(partitionOf(user.id), [second]);
        const noticesAt = async (now: number) => (await at.store.devices.withUser(device.id, undefined, now))?.notices;
        expect(await noticesAt(T0 + 9)).toEqual([first, second]);
        expect(await noticesAt(T0 + 10)).toEqual([second]);
        expect(await noticesAt(T0 + 20)).toBeUndefined();
        expect(await at.store.devices.withUser(device.id)).not.toHaveProperty('notices');
        const stranger = await withDevice(at.store, await withUser(at.store));
        expect(await at.store.devices.withUser(stranger.id, undefined, T0)).not.toHaveProperty('notices');
      });

      test('of many, the newest twenty', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const events = Array.from({ length: 25 }, (_, i) => noticed(user, T0 + i, T0 + 100));
        await at.store.events.write(partitionOf(user.id), events);
        const { notices } = (await at.store.devices.withUser(device.id, undefined, T0))!;
        expect(notices).toEqual(events.slice(5));
      });

      test('a device that is replaced is told of as its event says', async () => {
        const user = await withUser(at.store);
        const old = await withDevice(at.store, user);
        const fresh = await withPendingDevice(at.store, user);
        const told = { ...replacedEvent, userId: user.id, noticeUntil: T0 + 10 };
        await activate(fresh, { mode: 'override', replacedEvent: told });
        const { notices } = (await at.store.devices.withUser(fresh.id, undefined, T0))!;
        expect(notices).toEqual([{ ...told, id: `${old.id}.device.replaced`, deviceId: old.id }]);
      });
    });

    describe('a public key belongs to one device', () => {
      const keyMs = 30 * SECOND;

      test('of a hundred devices that claim it at once, one gets it', async () => {
        const thumbprint = aHash();
        const devices = Array.from({ length: HUNDRED }, () => aDevice(aUser()));
        const answers = await at.race(HUNDRED, (store, i) => store.devices.claimKey(thumbprint, devices[i]!.id, T0));
        expect(tally(answers)).toEqual({ true: 1, false: HUNDRED - 1 });
      });

      test('the same device may claim it again', async () => {
        const [thumbprint, device] = [aHash(), aDevice(aUser())];
        expect(await at.store.devices.claimKey(thumbprint, device.id, T0)).toBe(true);
        expect(await at.store.devices.claimKey(thumbprint, device.id, T0 + 1)).toBe(true);
        expect(await at.store.devices.claimKey(aHash(), device.id, T0)).toBe(true);
      });

      test('a claim whose device never came is taken over after 30 s, not before', async () => {
        const thumbprint = aHash();
        await at.store.devices.claimKey(thumbprint, aDevice(aUser()).id, T0);
        const claim = (now: number) => at.store.devices.claimKey(thumbprint, aDevice(aUser()).id, now);
        expect(await claim(T0 + keyMs - 1)).toBe(false);
        expect(await claim(T0 + keyMs)).toBe(true);
        expect(await claim(T0 + keyMs + 1)).toBe(false);
      });

      test('one of a hundred takes a left claim over', async () => {
        const thumbprint = aHash();
        await at.store.devices.claimKey(thumbprint, aDevice(aUser()).id, T0);
        const devices = Array.from({ length: HUNDRED }, () => aDevice(aUser()));
        const answers = await at.race(HUNDRED, (store, i) =>
          store.devices.claimKey(thumbprint, devices[i]!.id, T0 + keyMs),
        );
        expect(tally(answers)).toEqual({ true: 1, false: HUNDRED - 1 });
      });

      test.each(['pending', 'active', 'locked'] as const)('a %s device keeps it while it is there', async (state) => {
        const user = await withUser(at.store);
        const device = await (state === 'pending' ? withPendingDevice : withDevice)(at.store, user);
        if (state === 'locked') {
          const lock = { id: device.id, from: ['active' as const], to: state, now: T0, events: [] };
          await at.store.devices.changeState({ ...lock, reason: 'admin' });
        }
        const thumbprint = aHash();
        expect(await at.store.devices.claimKey(thumbprint, device.id, T0)).toBe(true);
        expect(await at.store.devices.claimKey(thumbprint, aDevice(aUser()).id, T0 + 1000 * keyMs)).toBe(false);
      });

      test('a deactivated device has lost it at once', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const thumbprint = aHash();
        await at.store.devices.claimKey(thumbprint, device.id, T0);
        const leave = { id: device.id, from: ['active' as const], to: 'deactivated' as const, now: T0, events: [] };
        await at.store.devices.changeState(leave);
        expect(await at.store.devices.claimKey(thumbprint, aDevice(aUser()).id, T0)).toBe(true);
      });
    });
  });

  describe(`${name}: tickets`, () => {
    const at = storeForEach(open);

    const opened = async () => {
      const user = await withUser(at.store);
      const ticket = aTicket(user);
      await at.store.operations.start(startOf(ticket));
      return { user, ticket };
    };

    test('a ticket is bound to the first key, which gets the same device again; another key is refused', async () => {
      const { user, ticket } = await opened();
      const thumbprint = aHash();
      const device = aDevice(user, { operationId: ticket.id });
      const bind = { operationId: ticket.id, thumbprint, device, now: T0, events: [] };
      expect(await at.store.operations.bindTicket(bind)).toEqual({ result: 'bound', device });
      const again = aDevice(user, { operationId: ticket.id });
      expect(await at.store.operations.bindTicket({ ...bind, device: again })).toEqual({ result: 'again', device });
      expect(await at.store.operations.bindTicket({ ...bind, thumbprint: aHash(), device: again })).toEqual({
        result: 'bound_to_other',
      });
      expect(await at.store.devices.ofUser(user.id)).toEqual([device]);
      expect(await at.store.operations.get(ticket.id)).toMatchObject({
        state: 'pending',
        ticket: { boundTo: thumbprint, deviceId: device.id },
      });
    });

    test('RL-03 of a hundred keys that redeem one ticket, one is bound', async () => {
      const { user, ticket } = await opened();
      const answers = await at.race(HUNDRED, (store) => {
        const device = aDevice(user, { operationId: ticket.id });
        const event = anEvent(user, 'device.redeemed', { userId: user.id, deviceId: device.id });
        const bind = { operationId: ticket.id, thumbprint: aHash(), device, now: T0, events: [event] };
        return store.operations.bindTicket(bind);
      });
      expect(tally(answers)).toEqual({ bound: 1, bound_to_other: HUNDRED - 1 });
      expect(await at.store.devices.ofUser(user.id)).toHaveLength(1);
      expect(await at.store.events.ofUser(user.id, HUNDRED)).toHaveLength(1);
    });

    test('a ticket that is over, past its time, or none is not bound', async () => {
      const { user, ticket } = await opened();
      const device = aDevice(user, { operationId: ticket.id });
      const bind = { operationId: ticket.id, thumbprint: aHash(), device, now: T0, events: [] };
      expect(await at.store.operations.bindTicket({ ...bind, now: ticket.expiresAt })).toEqual({ result: 'closed' });
      expect(await at.store.operations.bindTicket({ ...bind, operationId: aTicket(user).id })).toEqual({
        result: 'missing',
      });
      const asked = await withOperation(at.store, user);
      expect(await at.store.operations.bindTicket({ ...bind, operationId: asked.id })).toEqual({ result: 'missing' });
      expect(await at.store.operations.bindTicket(bind)).toMatchObject({ result: 'bound' });
      await at.store.devices.activate({ device, mode: 'single', now: T0, events: [], replacedEvent });
      // Active: the ticket is used up, also for the key that it was bound to.
      expect(await at.store.operations.bindTicket(bind)).toEqual({ result: 'closed' });
    });

    test('promise 6: tries of the typed code are counted before they are compared; the one past the limit ends it', async () => {
      const { ticket } = await opened();
      const reserve = { operationId: ticket.id, limit: 5, now: T0 };
      const answers = await at.race(5, (store) => store.operations.reserveCode(reserve));
      expect(answers.map((answer) => answer.result === 'reserved' && answer.used).sort()).toEqual([1, 2, 3, 4, 5]);
      expect(await at.store.operations.get(ticket.id)).toMatchObject({ state: 'pending', ticket: { wrongCodes: 5 } });
      expect(await at.store.operations.reserveCode(reserve)).toEqual({ result: 'closed' });
      expect(await at.store.operations.get(ticket.id)).toMatchObject({ state: 'failed', endReason: 'attempts' });
      expect(await at.store.operations.reserveCode(reserve)).toEqual({ result: 'closed' });
    });

    test('promise 6: tries of a new device’s digits are counted apart; the one past the limit ends it with its events', async () => {
      const { user, ticket } = await opened();
      const failed = anEvent(user, 'operation.failed', { operationId: ticket.id, userId: user.id });
      const reserve = { operationId: ticket.id, code: 'confirm' as const, limit: 3, now: T0, events: [failed] };
      const answers = await at.race(3, (store) => store.operations.reserveCode(reserve));
      expect(answers.map((answer) => answer.result === 'reserved' && answer.used).sort()).toEqual([1, 2, 3]);
      expect(await at.store.operations.get(ticket.id)).toMatchObject({
        state: 'pending',
        ticket: { wrongCodes: 0, confirmTries: 3 },
      });
      expect(await at.store.events.ofOperation(ticket.id)).toEqual([]);
      expect(await at.store.operations.reserveCode(reserve)).toEqual({ result: 'closed' });
      expect(await at.store.operations.reserveCode(reserve)).toEqual({ result: 'closed' });
      expect(await at.store.operations.get(ticket.id)).toMatchObject({ state: 'failed', endReason: 'attempts' });
      expect(await at.store.events.ofOperation(ticket.id)).toEqual([failed]);
    });

    test('the digits are right once: of a hundred confirmations one is written, all are told the same', async () => {
      const { user, ticket } = await opened();
      const answers = await at.race(HUNDRED, (store, i) =>
        store.operations.confirmTicket({
          operationId: ticket.id,
          now: T0 + i,
          events: [anEvent(user, 'ticket.confirmed', { operationId: ticket.id })],
        }),
      );
      expect(tally(answers)).toEqual({ confirmed: HUNDRED });
      const stored = (await at.store.operations.get(ticket.id))!;
      for (const answer of answers) expect(answer).toEqual({ result: 'confirmed', operation: stored });
      expect(stored.ticket?.confirmedAt).toBeGreaterThanOrEqual(T0);
      const again = { operationId: ticket.id, code: 'confirm' as const, limit: 0, now: T0 };
      expect(await at.store.operations.reserveCode(again)).toEqual({ result: 'confirmed' });
      expect(await at.store.events.ofOperation(ticket.id)).toHaveLength(1);
      const device = aDevice(user, { operationId: ticket.id });
      const bind = { operationId: ticket.id, thumbprint: aHash(), device, now: T0, events: [] };
      expect(await at.store.operations.bindTicket(bind)).toMatchObject({ result: 'bound' });
      expect((await at.store.operations.get(ticket.id))?.ticket?.confirmedAt).toBe(stored.ticket?.confirmedAt);
    });

    test('a ticket that is over, past its time, or none is not confirmed', async () => {
      const { user, ticket } = await opened();
      const confirm = { operationId: ticket.id, now: ticket.expiresAt, events: [] };
      expect(await at.store.operations.confirmTicket(confirm)).toEqual({ result: 'closed' });
      const asked = await withOperation(at.store, user);
      expect(await at.store.operations.confirmTicket({ ...confirm, operationId: asked.id, now: T0 })).toEqual({
        result: 'missing',
      });
      const reason = 'cancelled_by_user' as const;
      await at.store.operations.cancel({ operationId: ticket.id, reason, now: T0, events: [], outbox: [] });
      expect(await at.store.operations.confirmTicket({ ...confirm, now: T0 })).toEqual({ result: 'closed' });
      expect((await at.store.operations.get(ticket.id))?.ticket).toEqual(ticket.ticket);
    });

    test('tries of a ticket past its time, or of none, are not counted', async () => {
      const { user, ticket } = await opened();
      const reserve = { operationId: ticket.id, limit: 5, now: ticket.expiresAt };
      expect(await at.store.operations.reserveCode(reserve)).toEqual({ result: 'closed' });
      const asked = await withOperation(at.store, user);
      expect(await at.store.operations.reserveCode({ ...reserve, operationId: asked.id })).toEqual({
        result: 'missing',
      });
      expect(await at.store.operations.get(ticket.id)).toEqual(ticket);
    });

    test('the user’s open tickets with a typed code, newest first', async () => {
      const user = await withUser(at.store);
      const tickets = [aTicket(user), aTicket(user, { createdAt: T0 + 1 }), aTicket(user, { createdAt: T0 + 2 })];
      const silent = aTicket(user, { ticket: { wrongCodes: 0 } });
      const past = aTicket(user, { expiresAt: T0 + SECOND });
      for (const ticket of [...tickets, silent, past]) await at.store.operations.start(startOf(ticket));
      await withOperation(at.store, user);
      expect(await at.store.operations.ticketsOf(user.id, T0 + SECOND)).toEqual(tickets.reverse());
      expect(await at.store.operations.ticketsOf(aUser().id, T0)).toEqual([]);
    });
  });
};
