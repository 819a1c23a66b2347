import type { Device } from '../../src/domain/device.ts';
import type { DeviceBox } from '../../src/domain/own-boxes.ts';
import { HOUR } from '../../src/support/clock.ts';
import { ALL_PARTITIONS } from '../../src/support/ids.ts';
import { aDevice, aHash, aTicket, aUser, T0 } from '../support/records.ts';
import { type Suite, storeForEach } from './harness.ts';
import { withDevice, withPendingDevice, withUser } from './scenes.ts';

/** What becomes of devices, their claims and their box pairs when nobody comes. */
export const deviceUpkeepSuite: Suite = (name, open) => {
  describe(`${name}: upkeep of devices`, () => {
    const at = storeForEach(open);

    describe('claims are reviewed', () => {
      const due = (now: number, limit = 100) => at.store.devices.claimsDue({ partitions: ALL_PARTITIONS, now, limit });

      test('an hour after they were made, and then when the last review said', async () => {
        const [thumbprint, device] = [aHash(), aDevice(aUser())];
        await at.store.devices.claimKey(thumbprint, device.id, T0);
        expect(await due(T0 + HOUR - 1)).toEqual([]);
        const claim = { thumbprint, deviceId: device.id, claimedAt: T0 };
        expect(await due(T0 + HOUR)).toEqual([claim]);
        expect(await at.store.devices.settleClaim(claim, { reviewAt: T0 + 2 * HOUR, formerSince: T0 + 5 })).toBe(true);
        expect(await due(T0 + 2 * HOUR - 1)).toEqual([]);
        expect(await due(T0 + 2 * HOUR)).toEqual([{ ...claim, formerSince: T0 + 5 }]);
        expect(await at.store.devices.settleClaim(claim, { reviewAt: T0 + 3 * HOUR })).toBe(true);
        expect(await due(T0 + 3 * HOUR)).toEqual([claim]);
      });

      test('a claim that is dropped is nobody’s', async () => {
        const device = await withDevice(at.store, await withUser(at.store));
        const [thumbprint, other] = [aHash(), aDevice(aUser())];
        await at.store.devices.claimKey(thumbprint, device.id, T0);
        expect(await at.store.devices.claimKey(thumbprint, other.id, T0 + HOUR)).toBe(false);
        const [claim] = await due(T0 + HOUR);
        expect(await at.store.devices.settleClaim(claim!, undefined)).toBe(true);
        expect(await at.store.devices.settleClaim(claim!, undefined)).toBe(false);
        expect(await due(T0 + 1000 * HOUR)).toEqual([]);
        expect(await at.store.devices.claimKey(thumbprint, other.id, T0 + HOUR)).toBe(true);
      });

      test('one that was made anew meanwhile stays, and is reviewed an hour after that', async () => {
        const [thumbprint, device, other] = [aHash(), aDevice(aUser()), aDevice(aUser())];
        await at.store.devices.claimKey(thumbprint, device.id, T0);
        for (const [i, next] of [device, other].entries()) {
          const [claim] = await due(T0 + (2 * i + 1) * HOUR);
          const anew = T0 + (2 * i + 2) * HOUR;
          expect(await at.store.devices.claimKey(thumbprint, next.id, anew)).toBe(true);
          expect(await at.store.devices.settleClaim(claim!, undefined)).toBe(false);
          expect(await due(anew + HOUR)).toEqual([{ thumbprint, deviceId: next.id, claimedAt: anew }]);
        }
      });

      test('RL-16 as many at once as asked for; together all, each as often as it is due', async () => {
        const device = aDevice(aUser());
        const thumbprints = Array.from({ length: 30 }, aHash);
        for (const thumbprint of thumbprints) await at.store.devices.claimKey(thumbprint, device.id, T0);
        const seen: string[] = [];
        for (let claims = await due(T0 + HOUR, 7); claims.length > 0; claims = await due(T0 + HOUR, 7)) {
          expect(claims.length).toBeLessThanOrEqual(7);
          for (const claim of claims) {
            seen.push(claim.thumbprint);
            await at.store.devices.settleClaim(claim, { reviewAt: T0 + 2 * HOUR });
          }
        }
        expect(seen.sort()).toEqual(thumbprints.sort());
      });
    });

    describe('box pairs that are due', () => {
      const aBox = (overrides: Partial<DeviceBox> = {}): DeviceBox => ({
        thumbprint: aHash(),
        sealed: 'sealed.box',
        createdAt: T0,
        ...overrides,
      });
      const due = async (madeUntil: number, now: number, limit = 100) => {
        const found = await at.store.devices.boxesDue({ partitions: ALL_PARTITIONS, madeUntil, now, limit });
        return found.map(({ id }) => id).sort();
      };
      const save = async (device: Device, box: DeviceBox) => {
        const change = { states: ['active' as const, 'locked' as const], now: T0, events: [] };
        const saved = await at.store.devices.save({ device: { ...device, box }, ...change });
        if (saved.result !== 'saved') throw new Error(saved.result);
        return saved.device;
      };

      test('are found by when they were made, as they were bound and as they were saved last, alone or locked', async () => {
        const user = await withUser(at.store);
        await withDevice(at.store, user);
        const old = await withDevice(at.store, user, { box: aBox() });
        const pending = await withPendingDevice(at.store, user, { box: aBox({ createdAt: T0 + 10 }) });
        await at.store.devices.changeState({ id: old.id, from: ['active'], to: 'locked', now: T0, events: [] });
        expect(await due(T0 - 1, T0)).toEqual([]);
        expect(await due(T0, T0)).toEqual([old.id]);
        expect(await due(T0 + 10, T0)).toEqual([old.id, pending.id].sort());
        const [found] = await at.store.devices.boxesDue({
          partitions: ALL_PARTITIONS,
          madeUntil: T0,
          now: T0,
          limit: 1,
        });
        expect(found).toEqual(await at.store.devices.get(old.id));
        await save(found!, aBox({ createdAt: T0 + 20 }));
        expect(await due(T0 + 19, T0)).toEqual([pending.id]);
      });

      test('are found by the end of the former, until it is erased', async () => {
        const device = await withDevice(at.store, await withUser(at.store), { box: aBox() });
        const { former: _none, ...former } = aBox();
        const saved = await save(device, aBox({ createdAt: T0 + 5, former: { ...former, until: T0 + 9 } }));
        expect(await due(T0, T0 + 8)).toEqual([]);
        expect(await due(T0, T0 + 9)).toEqual([device.id]);
        // due for both reasons, and one device
        expect(await due(T0 + 5, T0 + 9)).toEqual([device.id]);
        await save(saved, aBox({ createdAt: T0 + 5 }));
        expect(await due(T0, T0 + 9)).toEqual([]);
      });

      test('of a device that is deactivated or replaced are none', async () => {
        const user = await withUser(at.store);
        const [left, old] = [
          await withDevice(at.store, user, { box: aBox() }),
          await withDevice(at.store, user, { box: aBox() }),
        ];
        await at.store.devices.changeState({ id: left.id, from: ['active'], to: 'deactivated', now: T0, events: [] });
        expect(await due(T0, T0)).toEqual([old.id]);
        const fresh = await withPendingDevice(at.store, user);
        const replacedEvent = { type: 'device.replaced' as const, at: T0 };
        const change = { mode: 'override' as const, now: T0, events: [], replacedEvent };
        await at.store.devices.activate({ device: fresh, ...change });
        expect(await due(T0, T0)).toEqual([]);
      });

      test('RL-16 come as many at once as asked for', async () => {
        const user = await withUser(at.store);
        for (let i = 0; i < 5; i++) await withDevice(at.store, user, { box: aBox({ createdAt: T0 + i }) });
        expect(await due(T0 + 5, T0, 2)).toHaveLength(2);
        expect(await due(T0 + 5, T0, 9)).toHaveLength(5);
      });
    });

    describe('a device that has not become active goes an hour after its registration’s retention', () => {
      const { retainUntil } = aTicket(aUser());
      const collect = (now: number, limit = 100) => at.store.collectGarbage({ partitions: ALL_PARTITIONS, now, limit });

      test('with its places in the lists; one that is or was in use stays', async () => {
        const user = await withUser(at.store);
        const [active, left, locked] = [
          await withDevice(at.store, user),
          await withDevice(at.store, user),
          await withDevice(at.store, user),
        ];
        await at.store.devices.changeState({ id: left.id, from: ['active'], to: 'deactivated', now: T0, events: [] });
        await at.store.devices.changeState({ id: locked.id, from: ['active'], to: 'locked', now: T0, events: [] });
        const [pending, withdrawn] = [await withPendingDevice(at.store, user), await withPendingDevice(at.store, user)];
        await at.store.devices.changeState({
          id: withdrawn.id,
          from: ['pending'],
          to: 'deactivated',
          now: T0,
          events: [],
        });

        await collect(retainUntil + HOUR - 1);
        expect(await at.store.devices.get(pending.id)).toEqual(pending);
        await collect(retainUntil + HOUR);
        expect(await at.store.devices.get(pending.id)).toBeUndefined();
        expect(await at.store.devices.get(withdrawn.id)).toBeUndefined();
        const stay = [active, left, locked].map(({ id }) => id).sort();
        expect((await at.store.devices.ofUser(user.id)).map(({ id }) => id).sort()).toEqual(stay);
        expect((await at.store.devices.list({ limit: 9 })).items.map(({ id }) => id).sort()).toEqual(stay);
        expect(await at.store.users.get(user.id)).toBeDefined();
      });

      test('RL-16 in batches, also of one user', async () => {
        const user = await withUser(at.store);
        for (let i = 0; i < 12; i++) await withPendingDevice(at.store, user);
        let rounds = 0;
        for (let isLeft = true; isLeft; rounds++) {
          const { deleted, more } = await collect(retainUntil + HOUR, 5);
          expect(deleted).toBeLessThanOrEqual(5);
          isLeft = more;
        }
        expect(await at.store.devices.ofUser(user.id)).toEqual([]);
        expect(rounds).toBeGreaterThan(2);
      });

      test('its keys are free, and its box pair is due no more', async () => {
        const user = await withUser(at.store);
        const box = { thumbprint: aHash(), sealed: 'sealed.box', createdAt: T0 };
        const pending = await withPendingDevice(at.store, user, { box });
        const thumbprint = aHash();
        await at.store.devices.claimKey(thumbprint, pending.id, T0);
        await collect(retainUntil + HOUR);
        const due = { partitions: ALL_PARTITIONS, madeUntil: T0, now: retainUntil, limit: 9 };
        expect(await at.store.devices.boxesDue(due)).toEqual([]);
        expect(await at.store.devices.claimKey(thumbprint, aDevice(aUser()).id, retainUntil + HOUR)).toBe(true);
      });
    });
  });
};
