import type { Tally } from '../../src/domain/ports/operations.ts';
import { SECOND } from '../../src/support/clock.ts';
import { aDecision, aHash, anEvent, aReceipt, T0 } from '../support/records.ts';
import { type ConformingStore, HUNDRED, type Suite, storeForEach } from './harness.ts';
import {
  type Asked,
  asked,
  attemptOf,
  decideOf,
  failureOf,
  LEASE_MS,
  withDevice,
  withOperation,
  withUser,
} from './scenes.ts';

const now = T0 + SECOND;
const none = { operation: 0, pin: 0, number: 0 };

type Reply = Awaited<ReturnType<ConformingStore['operations']['reserveAttempt' | 'failAttempt']>>;

function tallyIn(reply: Reply): Tally {
  if (!('underWay' in reply)) throw new Error(reply.result);
  const { used, max, failures, underWay } = reply;
  return { used, max, failures, underWay };
}

/** Tries that are reserved and have no outcome yet: they count, and may still be right. */
export const triesSuite: Suite = (name, open) => {
  describe(`${name}: tries under way (promise 6)`, () => {
    const at = storeForEach(open);

    const reserve = (scene: Asked, overrides: Partial<Parameters<typeof attemptOf>[1]> = {}) =>
      at.store.operations.reserveAttempt(attemptOf(scene, overrides));
    const other = async (scene: Asked): Promise<Asked> => ({
      ...scene,
      operation: await withOperation(at.store, scene.user),
    });
    const failuresOf = async ({ device }: Asked) => (await at.store.devices.get(device.id))!.failures;
    const failing = (scene: Asked, jwsHash: string, overrides = {}) =>
      failureOf(scene, { receipt: aReceipt(scene.device, { jwsHash }), now, ...overrides });

    test('are those of other messages, on what they count on, until a lease is over', async () => {
      const scene = await asked(at.store);
      const second = await other(scene);
      expect(await reserve(scene, { counts: ['pin'] })).toMatchObject({ underWay: none });
      expect(await reserve(scene, { counts: ['number'] })).toMatchObject({
        underWay: { operation: 1, pin: 1, number: 0 },
      });
      expect(await reserve(second, { now: now + LEASE_MS - 1 })).toMatchObject({
        underWay: { operation: 0, pin: 1, number: 1 },
      });
      expect(await reserve(scene, { now: now + LEASE_MS, limits: { pin: 2, number: 2, pinLifetime: 9 } })).toEqual({
        result: 'exhausted',
        which: 'pin',
        used: 2,
        max: 3,
        failures: { pin: 2, number: 1, pinLifetime: 2 },
        underWay: { operation: 0, pin: 1, number: 0 },
      });
    });

    test('a message that comes again is under way anew', async () => {
      const scene = await asked(at.store);
      const jwsHash = aHash();
      await reserve(scene, { jwsHash });
      await reserve(scene, { jwsHash, now: now + LEASE_MS });
      expect(await reserve(await other(scene), { now: now + 2 * LEASE_MS - 1 })).toMatchObject({
        underWay: { pin: 1 },
      });
    });

    test('of other people and devices nothing is seen', async () => {
      const scene = await asked(at.store);
      await reserve(scene);
      const ofSame = { ...(await other(scene)), device: await withDevice(at.store, scene.user) };
      expect(await reserve(ofSame)).toMatchObject({ underWay: none });
      expect(await reserve(await asked(at.store))).toMatchObject({ underWay: none });
    });

    test('a failure is written only while that holds which its consequences were drawn from', async () => {
      const scene = await asked(at.store);
      const [jwsHash, another] = [aHash(), aHash()];
      const tally = tallyIn(await reserve(scene, { jwsHash }));
      await reserve(scene, { jwsHash: another });
      const event = anEvent(scene.operation, 'operation.attempt_failed', { operationId: scene.operation.id });
      const failed = failing(scene, jwsHash, { tally, events: [event], failOperation: true, lockDevice: 'attempts' });
      const changed = await at.store.operations.failAttempt(failed);
      expect(changed).toEqual({
        result: 'changed',
        used: 2,
        max: 3,
        failures: { pin: 2, number: 0, pinLifetime: 2 },
        underWay: { operation: 1, pin: 1, number: 0 },
      });
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ state: 'active' });
      expect(await at.store.operations.get(scene.operation.id)).toMatchObject({ state: 'pending' });
      expect(await at.store.events.ofOperation(scene.operation.id)).toEqual([]);

      const recorded = await at.store.operations.failAttempt(failing(scene, jwsHash, { tally: tallyIn(changed) }));
      expect(recorded).toMatchObject({ result: 'recorded' });
      // it has an outcome now
      expect(await reserve(scene, { jwsHash: another })).toMatchObject({ result: 'again', underWay: none });
    });

    test('what was right clears what has failed, and leaves what is under way counted', async () => {
      const scene = await asked(at.store, { tries: { used: 0, max: 9 } });
      const [failed, right] = [aHash(), aHash()];
      for (const jwsHash of [failed, right, aHash()]) await reserve(scene, { jwsHash, counts: ['pin', 'number'] });
      await at.store.operations.failAttempt(failing(scene, failed));
      const decision = aDecision(scene.device, { jwsHash: right });
      expect(await at.store.operations.decide(decideOf(scene, { decision, clear: ['pin', 'number'] }))).toMatchObject({
        result: 'decided',
      });
      expect(await failuresOf(scene)).toEqual({ pin: 1, number: 1, pinLifetime: 2 });
    });

    test.each(['decided', 'cancelled'] as const)(
      'what was right counts as right where the operation is %s',
      async (end) => {
        const scene = await asked(at.store);
        const jwsHash = aHash();
        await reserve(scene, { jwsHash });
        const denial = aDecision(scene.device, { approved: false });
        if (end === 'decided') await at.store.operations.decide(decideOf(scene, { decision: denial }));
        const { id: operationId } = scene.operation;
        const cancel = { operationId, reason: 'cancelled_by_client' as const, now, events: [], outbox: [] };
        if (end === 'cancelled') await at.store.operations.cancel(cancel);
        const late = decideOf(scene, { decision: aDecision(scene.device, { jwsHash }), clear: ['pin'] });
        const result = end === 'decided' ? 'decided_before' : 'closed';
        expect(await at.store.operations.decide(late)).toMatchObject({ result });
        expect(await failuresOf(scene)).toEqual({ pin: 0, number: 0, pinLifetime: 0 });
        // once, and never without a try
        await at.store.operations.reserveAttempt(attemptOf(await other(scene)));
        expect(await at.store.operations.decide(late)).toMatchObject({ result });
        expect(await failuresOf(scene)).toEqual({ pin: 1, number: 0, pinLifetime: 1 });
      },
    );

    test('of a hundred messages that fail at once, one draws the last consequence', async () => {
      const scene = await asked(at.store, { tries: { used: 0, max: 5 } });
      const answers = await at.race(HUNDRED, async (store) => {
        const attempt = attemptOf(scene);
        const reserved = await store.operations.reserveAttempt(attempt);
        if (reserved.result !== 'reserved') return reserved;
        for (let tally = tallyIn(reserved); ; ) {
          const isLast = tally.failures.pin >= 5 && tally.underWay.pin === 0;
          const lock = isLast ? { failOperation: true, lockDevice: 'attempts' as const } : {};
          const failed = await store.operations.failAttempt(failing(scene, attempt.jwsHash, { tally, ...lock }));
          if (failed.result !== 'changed') return { result: isLast ? 'last' : failed.result };
          tally = tallyIn(failed);
        }
      });
      const results = answers.map(({ result }) => result);
      expect(results.filter((result) => result === 'last')).toHaveLength(1);
      expect(results.filter((result) => result === 'recorded')).toHaveLength(4);
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ state: 'locked', failures: { pin: 5 } });
    });

    test('tries of the PIN for the device itself are among them', async () => {
      const scene = await asked(at.store);
      const proof = () => {
        const { deviceId, jti, jwsHash, until } = aReceipt(scene.device);
        const limits = { pin: 3, pinLifetime: 100 };
        return { deviceId, jti, jwsHash, pinKey: scene.device.keys.pin, limits, now, leaseMs: LEASE_MS, until };
      };
      const first = proof();
      await at.store.devices.reserveProof(first);
      expect(await reserve(scene)).toMatchObject({ underWay: { operation: 0, pin: 1, number: 0 } });
      const second = proof();
      const failures = { pin: 3, number: 0, pinLifetime: 3 };
      expect(await at.store.devices.reserveProof(second)).toEqual({ result: 'reserved', failures, underWay: 2 });
      expect(await at.store.devices.reserveProof(proof())).toEqual({
        result: 'exhausted',
        which: 'pin',
        failures,
        underWay: 3,
      });

      const failed = { deviceId: scene.device.id, now, events: [] };
      const receipt = { ...aReceipt(scene.device), jti: second.jti, jwsHash: second.jwsHash };
      const outdated = { ...failed, receipt, tally: { failures, underWay: 0 }, lockDevice: 'attempts' as const };
      expect(await at.store.devices.failProof(outdated)).toEqual({ result: 'changed', failures, underWay: 2 });
      const { lockDevice: _, ...current } = outdated;
      expect(await at.store.devices.failProof({ ...current, tally: { failures, underWay: 2 } })).toEqual({
        result: 'recorded',
      });
      const right = { ...aReceipt(scene.device), jti: first.jti, jwsHash: first.jwsHash };
      const device = (await at.store.devices.get(scene.device.id))!;
      const saved = await at.store.devices.save({
        device,
        states: ['active'],
        now,
        events: [],
        receipt: right,
        pin: 'right',
      });
      // the approval is under way
      expect(saved).toMatchObject({ result: 'saved', device: { failures: { pin: 1, pinLifetime: 2 } } });
    });

    test('of a person without devices there are none', async () => {
      const user = await withUser(at.store);
      const scene = { user, device: await withDevice(at.store, user), operation: await withOperation(at.store, user) };
      expect(await reserve(scene)).toMatchObject({ underWay: none });
    });
  });
};
