import { SECOND } from '../../src/support/clock.ts';
import { partitionOf } from '../../src/support/ids.ts';
import { aDecision, anEvent, anOperation, aTicket, T0 } from '../support/records.ts';
import { HUNDRED, type Suite, storeForEach, tally } from './harness.ts';
import {
  approved,
  asked,
  attemptOf,
  commitOf,
  committed,
  decideOf,
  failureOf,
  pollOf,
  startOf,
  withDevice,
} from './scenes.ts';

export const redemptionSuite: Suite = (name, open) => {
  describe(`${name}: polls of a pending operation`, () => {
    const at = storeForEach(open);
    const pending = { result: 'pending' };
    const slowDown = (intervalSeconds: number) => ({ result: 'slow_down', intervalSeconds });

    /** Polls of one client at these seconds after the start. */
    const polling = (operation: Parameters<typeof pollOf>[0]) => (seconds: number) =>
      at.store.operations.poll(pollOf(operation, { now: T0 + seconds * SECOND }));

    test('the first poll is free, the next ones keep the interval', async () => {
      const poll = polling((await asked(at.store)).operation);
      expect(await poll(0)).toEqual(pending);
      expect(await poll(5)).toEqual(pending);
      expect(await poll(10)).toEqual(pending);
    });

    test('a second too early is tolerated, more is not', async () => {
      const poll = polling((await asked(at.store)).operation);
      await poll(0);
      expect(await poll(4)).toEqual(pending);
      expect(await poll(7.999)).toEqual(slowDown(10));
    });

    test('TH-16 too fast: the interval grows by the step up to the maximum, and is remembered', async () => {
      const poll = polling((await asked(at.store)).operation);
      await poll(0);
      for (const interval of [10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60, 60])
        expect(await poll(1)).toEqual(slowDown(interval));
      expect(await poll(58.999)).toEqual(slowDown(60));
      expect(await poll(59)).toEqual(pending);
      expect(await poll(117)).toEqual(slowDown(60));
      expect(await poll(119)).toEqual(pending);
    });

    test('a poll that was too fast does not move the time of the last accepted one', async () => {
      const poll = polling((await asked(at.store)).operation);
      await poll(0);
      expect(await poll(8 - 5)).toEqual(slowDown(10));
      // Ten seconds after the accepted poll, not after the refused one; a second is tolerated.
      expect(await poll(9)).toEqual(pending);
    });

    test('TH-14 after the clock was set back five minutes the interval runs from the next poll, and a hold is not longer', async () => {
      const poll = polling((await asked(at.store)).operation);
      await poll(0);
      expect(await poll(6 - 300)).toEqual(slowDown(10));
      expect(await poll(17 - 300)).toEqual(pending);
      expect(await poll(27 - 300)).toEqual(pending);

      const { operation } = await asked(at.store);
      const held = pollOf(operation, { now: T0, holdMs: 20 * SECOND });
      expect(await at.store.operations.poll(held)).toEqual(pending);
      const back = polling(operation);
      expect(await back(7 - 300)).toEqual(slowDown(10));
      expect(await back(26 - 300)).toEqual(slowDown(15));
      expect(await back(27 - 300)).toEqual(pending);
    });

    test('TH-16 of a hundred first polls at once, one is accepted', async () => {
      const { operation } = await asked(at.store);
      const answers = await at.race(HUNDRED, (store) => store.operations.poll(pollOf(operation)));
      expect(tally(answers)).toEqual({ pending: 1, slow_down: HUNDRED - 1 });
    });

    test('the interval of the acknowledgement holds, also where it is not five', async () => {
      const poll = polling((await asked(at.store, { poll: { intervalSeconds: 2 } })).operation);
      await poll(0);
      expect(await poll(1)).toEqual(pending);
      expect(await poll(1.5)).toEqual(slowDown(7));
    });

    test('each operation has its own pace', async () => {
      const [one, two] = [await asked(at.store), await asked(at.store)];
      expect(await polling(one.operation)(0)).toEqual(pending);
      expect(await polling(two.operation)(0)).toEqual(pending);
    });

    test('TH-07 another client’s poll, a ticket’s, and an unknown one are missing and change nothing', async () => {
      const { operation, user } = await asked(at.store);
      const foreign = pollOf(operation, { clientId: 'demo-tv', now: T0 });
      expect(await at.store.operations.poll(foreign)).toEqual({ result: 'missing' });
      expect(await at.store.operations.poll(pollOf(anOperation(user)))).toEqual({ result: 'missing' });
      const ticket = aTicket(user);
      await at.store.operations.start(startOf(ticket));
      expect(await at.store.operations.poll(pollOf(ticket))).toEqual({ result: 'missing' });
      expect(await polling(operation)(0)).toEqual(pending);
      expect(await at.store.operations.poll({ ...foreign, now: T0 + SECOND })).toEqual({ result: 'missing' });
      expect(await polling(operation)(5)).toEqual(pending);
    });

    test('pacing ends with the wait: the decision is given to a poll that comes too soon', async () => {
      const scene = await asked(at.store);
      await polling(scene.operation)(0);
      await at.store.operations.decide(decideOf(scene));
      expect(await polling(scene.operation)(0.1)).toMatchObject({ result: 'leased' });
    });

    test('promise 10: how it ended is told again and again, and to nobody else', async () => {
      const scene = await asked(at.store);
      const decision = aDecision(scene.device, { approved: false, reason: 'not_me' });
      await at.store.operations.decide(decideOf(scene, { decision }));
      const ended = { result: 'ended', state: 'denied', endReason: 'not_me' };
      for (let i = 0; i < 3; i++) expect(await polling(scene.operation)(i / 10)).toEqual(ended);
      expect(await at.store.operations.poll(pollOf(scene.operation, { clientId: 'demo-tv' }))).toEqual({
        result: 'missing',
      });
    });

    test('expired from the very instant, before a sweep and after it', async () => {
      const { operation } = await asked(at.store);
      const late = pollOf(operation, { now: operation.expiresAt });
      expect(await at.store.operations.poll(pollOf(operation, { now: operation.expiresAt - 1 }))).toEqual(pending);
      for (let i = 0; i < 2; i++) {
        expect(await at.store.operations.poll(late)).toEqual({ result: 'ended', state: 'expired' });
        const event = { type: 'operation.expired' as const, at: T0 };
        await at.store.operations.expireDue({
          partitions: [partitionOf(operation.id)],
          now: late.now,
          limit: 9,
          event,
        });
      }
    });

    test('cancelled and failed operations say so', async () => {
      const scene = await asked(at.store);
      await at.store.operations.failAttempt(failureOf(scene, { failOperation: true }));
      expect(await polling(scene.operation)(0)).toEqual({ result: 'ended', state: 'failed', endReason: 'attempts' });
      const other = await asked(at.store);
      const cancel = { operationId: other.operation.id, reason: 'cancelled_by_client' as const, now: T0, events: [] };
      await at.store.operations.cancel({ ...cancel, outbox: [] });
      expect(await polling(other.operation)(0)).toEqual({
        result: 'ended',
        state: 'cancelled',
        endReason: 'cancelled_by_client',
      });
    });
  });

  describe(`${name}: promise 3, an approval yields one token set`, () => {
    const at = storeForEach(open);
    const poll = (operation: Parameters<typeof pollOf>[0], overrides: Parameters<typeof pollOf>[1]) =>
      at.store.operations.poll(pollOf(operation, overrides));
    const seconds = (count: number) => T0 + count * SECOND;

    test('the first poll after an approval leases it, with user and device as they are at that instant', async () => {
      const { user, device, operation } = await approved(at.store);
      const lock = { id: user.id, from: ['active' as const], to: 'locked' as const, closePending: false, now: T0 };
      await at.store.users.changeState({ ...lock, events: [] });
      const leased = await poll(operation, { holder: 'h', now: seconds(2) });
      expect(leased).toMatchObject({
        result: 'leased',
        operation: { id: operation.id, state: 'approved', decision: { deviceId: device.id } },
        user: { id: user.id, state: 'locked' },
        device: { id: device.id, state: 'active' },
      });
      expect(await at.store.operations.get(operation.id)).toMatchObject({
        redemption: { state: 'leased', holder: 'h', until: seconds(7) },
      });
    });

    test('TH-08 of a hundred polls at once, one leases', async () => {
      const { operation } = await approved(at.store);
      const answers = await at.race(HUNDRED, (store) => store.operations.poll(pollOf(operation)));
      expect(tally(answers)).toEqual({ leased: 1, busy: HUNDRED - 1 });
    });

    test('a lease that runs out goes to one of a hundred, and its former holder commits nothing', async () => {
      const { operation } = await approved(at.store);
      await poll(operation, { holder: 'slow', now: seconds(2) });
      expect(await poll(operation, { holder: 'early', now: seconds(7) - 1 })).toEqual({ result: 'busy' });
      const answers = await at.race(HUNDRED, (store) => store.operations.poll(pollOf(operation, { now: seconds(7) })));
      expect(tally(answers)).toEqual({ leased: 1, busy: HUNDRED - 1 });
      expect(await at.store.operations.commit(commitOf(operation, { holder: 'slow', now: seconds(8) }))).toEqual({
        result: 'lost',
      });
    });

    test('TH-14 after the clock was set back nobody waits for longer than a lease, for an approval or for its response', async () => {
      const one = await approved(at.store);
      await poll(one.operation, { holder: 'gone', now: seconds(2) });
      expect(await poll(one.operation, { now: seconds(-298) })).toEqual({ result: 'busy' });
      expect(await poll(one.operation, { now: seconds(-293) - 1 })).toEqual({ result: 'busy' });
      expect(await poll(one.operation, { now: seconds(-293) })).toMatchObject({ result: 'leased' });
      const other = await committed(at.store);
      expect(await poll(other.operation, { now: seconds(-298) })).toEqual({ result: 'busy' });
      expect(await poll(other.operation, { now: seconds(-293) })).toMatchObject({ result: 'committed' });
    });

    test('the holder gets its own lease again: its first call may have timed out after it was done', async () => {
      const { operation } = await approved(at.store);
      await poll(operation, { holder: 'h', now: seconds(2) });
      expect(await poll(operation, { holder: 'h', now: seconds(3) })).toMatchObject({ result: 'leased' });
      expect(await poll(operation, { holder: 'other', now: seconds(7.5) })).toEqual({ result: 'busy' });
    });

    test('a lease that ran out still commits while nobody else has leased', async () => {
      const { operation } = await approved(at.store);
      await poll(operation, { holder: 'holder-1', now: seconds(2) });
      expect(await at.store.operations.commit(commitOf(operation, { now: seconds(20), until: seconds(25) }))).toEqual({
        result: 'committed',
      });
    });

    test('an approval is redeemed in time or not at all', async () => {
      const { operation } = await approved(at.store);
      expect(await poll(operation, { now: operation.expiresAt })).toEqual({ result: 'expired' });
      expect(await poll(operation, { now: operation.expiresAt + 1 })).toEqual({ result: 'expired' });
    });

    test('a lease from the last second may commit; once `expired` was answered nothing does', async () => {
      const { operation } = await approved(at.store);
      const last = operation.expiresAt - 1;
      await poll(operation, { holder: 'holder-1', now: last });
      expect(await poll(operation, { now: last + 2 })).toEqual({ result: 'busy' });
      const over = last + 5 * SECOND;
      expect(await poll(operation, { now: over })).toEqual({ result: 'expired' });
      expect(await at.store.operations.commit(commitOf(operation, { now: over }))).toEqual({ result: 'lost' });

      const other = (await approved(at.store)).operation;
      await poll(other, { holder: 'holder-1', now: last });
      const commit = commitOf(other, { now: last + SECOND, until: over, replayUntil: over + SECOND });
      expect(await at.store.operations.commit(commit)).toEqual({ result: 'committed' });
      expect(await poll(other, { holder: 'next', now: over })).toMatchObject({ result: 'committed' });
    });

    test('a lease that ended after the operation did commits nothing, whether or not anybody polled since', async () => {
      const { operation } = await approved(at.store);
      const leasedAt = operation.expiresAt - SECOND;
      await poll(operation, { holder: 'holder-1', now: leasedAt });
      const over = leasedAt + 5 * SECOND;
      expect(await at.store.operations.commit(commitOf(operation, { now: over }))).toEqual({ result: 'lost' });
    });

    test('nothing is committed without a lease', async () => {
      const { operation, user } = await approved(at.store);
      expect(await at.store.operations.commit(commitOf(operation))).toEqual({ result: 'lost' });
      expect(await at.store.operations.commit(commitOf(anOperation(user)))).toEqual({ result: 'lost' });
      await poll(operation, { holder: 'somebody else' });
      expect(await at.store.operations.commit(commitOf(operation))).toEqual({ result: 'lost' });
      expect(await poll(operation, { now: seconds(10) })).toMatchObject({ result: 'leased' });
    });

    test('RL-02 of a hundred commits under one lease, one response is kept, with its events', async () => {
      const { operation } = await approved(at.store);
      await poll(operation, { holder: 'holder-1' });
      const before = await at.store.events.ofOperation(operation.id);
      const answers = await at.race(HUNDRED, (store, i) =>
        store.operations.commit(
          commitOf(operation, {
            response: `sealed.${i}`,
            events: [anEvent(operation, 'operation.redeemed', { operationId: operation.id, data: { i } })],
          }),
        ),
      );
      expect(tally(answers)).toEqual({ committed: 1, lost: HUNDRED - 1 });
      const winner = answers.findIndex(({ result }) => result === 'committed');
      const again = await poll(operation, { holder: 'next', now: seconds(20) });
      expect(again).toMatchObject({ result: 'committed', response: `sealed.${winner}` });
      const events = (await at.store.events.ofOperation(operation.id)).slice(before.length);
      expect(events.map(({ data }) => data)).toEqual([{ i: winner }]);
    });

    test('the same commit again is committed, with one event: the first call may have timed out', async () => {
      const { operation } = await approved(at.store);
      await poll(operation, { holder: 'holder-1' });
      const commit = commitOf(operation, {
        events: [anEvent(operation, 'operation.redeemed', { operationId: operation.id })],
      });
      expect(await at.store.operations.commit(commit)).toEqual({ result: 'committed' });
      expect(await at.store.operations.commit(commit)).toEqual({ result: 'committed' });
      expect(await at.store.events.ofOperation(operation.id)).toEqual(commit.events);
    });

    test('a response that was never delivered is given again, to one of a hundred', async () => {
      const { user, device, operation } = await committed(at.store);
      expect(await poll(operation, { now: seconds(8) - 1 })).toEqual({ result: 'busy' });
      const answers = await at.race(HUNDRED, (store) => store.operations.poll(pollOf(operation, { now: seconds(8) })));
      expect(tally(answers)).toEqual({ committed: 1, busy: HUNDRED - 1 });
      expect(answers.find(({ result }) => result === 'committed')).toMatchObject({
        response: 'sealed.tokens',
        binding: 'jkt-1',
        operation: { id: operation.id },
        user: { id: user.id },
        device: { id: device.id },
      });
      // Whoever took it has it for the length of a lease.
      expect(await poll(operation, { now: seconds(13) - 1 })).toEqual({ result: 'busy' });
      expect(await poll(operation, { now: seconds(13) })).toMatchObject({ result: 'committed' });
    });

    test('a response is given again until `replayUntil`, not from then on', async () => {
      const { operation } = await committed(at.store);
      expect(await poll(operation, { now: seconds(60) - 1 })).toMatchObject({ result: 'committed' });
      expect(await poll(operation, { now: seconds(60) })).toEqual({ result: 'delivered' });
    });

    test('delivered: the response is gone, and every later poll is told so', async () => {
      const { operation } = await committed(at.store);
      const delivered = { operationId: operation.id, holder: 'holder-1', now: seconds(4) };
      const event = anEvent(operation, 'operation.delivered', { operationId: operation.id });
      expect(await at.store.operations.delivered({ ...delivered, holder: 'other', events: [event] })).toBe(false);
      expect(await at.store.operations.delivered({ ...delivered, events: [event] })).toBe(true);
      expect(await at.store.operations.delivered({ ...delivered, events: [event] })).toBe(false);
      for (const now of [seconds(5), seconds(30), operation.expiresAt + 1])
        expect(await poll(operation, { now })).toEqual({ result: 'delivered' });
      const stored = await at.store.operations.get(operation.id);
      expect(stored).toMatchObject({ state: 'approved', redemption: { state: 'delivered', at: seconds(4) } });
      expect(JSON.stringify(stored)).not.toContain('sealed.tokens');
      expect(await at.store.events.ofOperation(operation.id)).toEqual([event]);
    });

    test('a former holder marks nothing delivered once another has taken the response', async () => {
      const { operation } = await committed(at.store);
      await poll(operation, { holder: 'holder-2', now: seconds(8) });
      const delivered = { operationId: operation.id, now: seconds(9), events: [] };
      expect(await at.store.operations.delivered({ ...delivered, holder: 'holder-1' })).toBe(false);
      expect(await at.store.operations.delivered({ ...delivered, holder: 'holder-2' })).toBe(true);
    });

    test('a connection that broke frees its lease, or its response, at once, and only its own', async () => {
      const { operation } = await approved(at.store);
      const release = (holder: string) =>
        at.store.operations.release({ operationId: operation.id, holder, now: seconds(2) });
      await poll(operation, { holder: 'a', now: seconds(2) });
      await release('somebody else');
      expect(await poll(operation, { holder: 'b', now: seconds(2) })).toEqual({ result: 'busy' });
      await release('a');
      expect(await poll(operation, { holder: 'holder-1', now: seconds(2) })).toMatchObject({ result: 'leased' });
      await at.store.operations.commit(commitOf(operation, { now: seconds(2) }));
      await release('a');
      expect(await poll(operation, { holder: 'c', now: seconds(2) })).toEqual({ result: 'busy' });
      await release('holder-1');
      expect(await poll(operation, { holder: 'c', now: seconds(2) })).toMatchObject({ result: 'committed' });
      await release(anOperation({ id: operation.userId }).id);
    });

    test('what was delivered is not brought back by a release', async () => {
      const { operation } = await committed(at.store);
      await at.store.operations.delivered({
        operationId: operation.id,
        holder: 'holder-1',
        now: seconds(4),
        events: [],
      });
      await at.store.operations.release({ operationId: operation.id, holder: 'holder-1', now: seconds(5) });
      expect(await poll(operation, { now: seconds(6) })).toEqual({ result: 'delivered' });
    });

    test('RL-04 decision against redemption: nothing is leased that was not approved', async () => {
      for (let round = 0; round < 10; round++) {
        const scene = await asked(at.store);
        const decision = aDecision(scene.device, { approved: round % 2 === 0 });
        const polls = at.race(10, (store) => store.operations.poll(pollOf(scene.operation)));
        await at.store.operations.decide(decideOf(scene, { decision }));
        const won = (await polls).filter(({ result }) => result === 'leased');
        expect(won.length).toBeLessThanOrEqual(decision.approved ? 1 : 0);
      }
    });

    test('another client’s poll never leases, takes or learns anything', async () => {
      const { operation } = await committed(at.store);
      expect(await poll(operation, { clientId: 'demo-tv', now: seconds(9) })).toEqual({ result: 'missing' });
      expect(await poll(operation, { now: seconds(9) })).toMatchObject({ result: 'committed' });
    });

    test('promise 6: counters on the device outlast the operation that they grew in', async () => {
      const scene = await asked(at.store);
      await at.store.operations.reserveAttempt(attemptOf(scene));
      await at.store.operations.cancel({
        operationId: scene.operation.id,
        reason: 'cancelled_by_client',
        now: T0,
        events: [],
        outbox: [],
      });
      await withDevice(at.store, scene.user);
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ failures: { pin: 1, pinLifetime: 1 } });
    });
  });
};
