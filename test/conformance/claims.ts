import type { Operation } from '../../src/domain/operation.ts';
import type { Start } from '../../src/domain/ports/operations.ts';
import { HOUR, SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS, partitionOf } from '../../src/support/ids.ts';
import { aDecision, aHash, anEvent, anOperation, aReceipt, aUser, T0 } from '../support/records.ts';
import { type ConformingStore, HUNDRED, listen, type Suite, storeForEach, tally } from './harness.ts';
import { decideOf, startOf, withDevice, withOperation, withUser } from './scenes.ts';

/** Of nobody, as `src/domain/offers.ts` makes one. */
async function withOffer(store: ConformingStore) {
  const offer = { ...anOperation(aUser()), methods: [], offer: { sealed: 'sealed.offer' } };
  const { context: _none, match: _no, poll: _nor, ...operation } = offer;
  expect(await store.operations.start(startOf(operation, { decoy: true }))).toMatchObject({ result: 'started' });
  return operation;
}

const claimOf = (operationId: string, deviceId: string, sealed = aHash()) => ({
  operationId,
  claimed: { deviceId, sealed },
  now: T0 + SECOND,
  events: [],
});

export const claimSuite: Suite = (name, open) => {
  describe(`${name}: offers`, () => {
    const at = storeForEach(open);

    test('a device takes one: it ends as claimed, says by whom, tells whoever waits, and is kept as it was written', async () => {
      const offer = await withOffer(at.store);
      const { next, stop } = await listen(at.store.wakeups, partitionOf(offer.id));
      const event = anEvent(offer, 'operation.claimed', { operationId: offer.id });
      const taken = await at.store.operations.claim({ ...claimOf(offer.id, 'device-1', 'sealed.1'), events: [event] });
      const operation = {
        ...offer,
        version: offer.version + 1,
        state: 'cancelled',
        endReason: 'claimed',
        finishedAt: T0 + SECOND,
        claimed: { deviceId: 'device-1', sealed: 'sealed.1', at: T0 + SECOND },
      };
      expect(taken).toEqual({ result: 'claimed', operation });
      expect(await at.store.operations.get(offer.id)).toEqual(operation);
      expect(await at.store.events.ofOperation(offer.id)).toEqual([event]);
      await next({ operationId: offer.id, state: 'cancelled' });
      await stop();
      const expireEvent = { type: 'operation.expired' as const, at: T0 + HOUR };
      const expire = { partitions: ALL_PARTITIONS, now: T0 + HOUR, limit: 10, event: expireEvent };
      expect(await at.store.operations.expireDue(expire)).toEqual([]);
    });

    test('of a hundred devices one has it, and stays the one', async () => {
      const offer = await withOffer(at.store);
      const answers = await at.race(HUNDRED, (store, i) => store.operations.claim(claimOf(offer.id, `device-${i}`)));
      expect(tally(answers)).toEqual({ claimed: 1, claimed_by_other: HUNDRED - 1 });
      const late = await at.store.operations.claim(claimOf(offer.id, 'device-late'));
      expect(late).toEqual({ result: 'claimed_by_other' });
    });

    test('the same device again, a hundred times at once or later: what it brought first stays', async () => {
      const offer = await withOffer(at.store);
      const answers = await at.race(HUNDRED, (store) => store.operations.claim(claimOf(offer.id, 'device-1')));
      expect(tally(answers)).toEqual({ claimed: 1, again: HUNDRED - 1 });
      const brought = answers.map((each) => 'operation' in each && each.operation.claimed?.sealed);
      expect(new Set(brought).size).toBe(1);
      const late = await at.store.operations.claim({ ...claimOf(offer.id, 'device-1'), now: offer.expiresAt });
      expect(late).toMatchObject({ result: 'again', operation: { claimed: { sealed: brought[0] } } });
    });

    test('one past its time, or withdrawn, is closed; what is no offer, or not there, is missing; nothing is written', async () => {
      const [late, withdrawn] = [await withOffer(at.store), await withOffer(at.store)];
      const reason = 'cancelled_by_client' as const;
      await at.store.operations.cancel({ operationId: withdrawn.id, reason, now: T0, events: [], outbox: [] });
      const user = await withUser(at.store);
      const ordinary = await withOperation(at.store, user);
      const claim = async (id: string, now = T0 + SECOND) => {
        const events = [anEvent({ id }, 'operation.claimed', { operationId: id })];
        return at.store.operations.claim({ ...claimOf(id, 'device-1'), now, events });
      };
      expect(await claim(late.id, late.expiresAt)).toEqual({ result: 'closed', state: 'expired' });
      expect(await claim(withdrawn.id)).toEqual({ result: 'closed', state: 'cancelled' });
      expect(await claim(ordinary.id)).toEqual({ result: 'missing' });
      expect(await claim(anOperation(user).id)).toEqual({ result: 'missing' });
      expect(await at.store.operations.get(late.id)).toEqual(late);
      expect(await at.store.operations.get(ordinary.id)).toEqual(ordinary);
      for (const { id } of [late, withdrawn, ordinary]) expect(await at.store.events.ofOperation(id)).toEqual([]);
    });

    test('it is pending for nobody, and no device finds it as its own', async () => {
      const offer = await withOffer(at.store);
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      expect(await at.store.operations.pendingOf(user.id, T0)).toEqual([]);
      const { operation } = await at.store.operations.forDevice(offer.id, device.id);
      expect(operation?.userId).not.toBe(user.id);
    });

    test('what came of it starts once for a message: again it is repeated, another with its id is refused, and it counts', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const operation = anOperation(user, { claimOf: 'an offer', deviceId: device.id });
      const receipt = aReceipt(device);
      const suspected = anEvent(user, 'device.clone_suspected', { userId: user.id });
      const ctr = { value: 7, suspected, deviceId: device.id };
      const start = startOf(operation, { receipt, ctr, events: [anEvent(operation, 'operation.started')] });
      const answers = await at.race(HUNDRED, (store) => store.operations.start(start));
      expect(tally(answers)).toEqual({ started: 1, repeated: HUNDRED - 1 });
      expect(await at.store.operations.start(start)).toEqual({ result: 'repeated', outcome: receipt.outcome });
      expect(await at.store.operations.start(startOf(operation))).toEqual({ result: 'exists' });
      const other = startOf(anOperation(user), { receipt: { ...receipt, jwsHash: aHash() } });
      expect(await at.store.operations.start(other)).toEqual({ result: 'message_reused' });
      expect(await at.store.operations.get(operation.id)).toEqual(operation);
      expect((await at.store.devices.get(device.id))?.ctr).toBe(7);
      const lower = { receipt: aReceipt(device), ctr };
      expect(await at.store.operations.start(startOf(anOperation(user), lower))).toMatchObject({ result: 'started' });
      expect(await at.store.events.ofUser(user.id, 10)).toContainEqual(suspected);
    });

    test('while it waits it is in nobody’s way: it neither counts against a cap nor is it superseded by another request', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const claims = [];
      for (const clientId of ['shop', 'shop', 'library']) {
        claims.push(await withOperation(at.store, user, { clientId, claimOf: 'an offer', deviceId: device.id }));
      }
      const cap = { perClient: 1, policy: 'replace', perUser: 1 } as const;
      const started = await at.store.operations.start(startOf(anOperation(user, { clientId: 'shop' }), { cap }));
      expect(started).toEqual({ result: 'started', superseded: [] });
      const more = startOf(anOperation(user, { clientId: 'bank' }), { cap });
      expect(await at.store.operations.start(more)).toMatchObject({ result: 'refused', limit: 'user' });
      for (const claim of claims) expect(await at.store.operations.get(claim.id)).toEqual(claim);
    });

    test('of those that wait on one device the oldest make room; what waits on another, or was asked by a client, stays', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const claim = (clientId: string, deviceId = device.id) =>
        anOperation(user, { clientId, claimOf: 'an offer', deviceId });
      const [first, elsewhere, asked] = [claim('shop'), claim('shop', 'device-2'), anOperation(user)];
      const kept = [elsewhere, asked, claim('library'), claim('shop')];
      for (const each of [first, ...kept]) await at.store.operations.start(startOf(each));
      const supersededEvent = { type: 'operation.superseded' as const, at: T0, userId: user.id };
      const next = startOf(claim('bank'), {
        cap: { perClient: 1, policy: 'refuse', perUser: 1, claims: 3 },
        supersededEvent,
      });
      expect(await at.store.operations.start(next)).toEqual({ result: 'started', superseded: [first.id] });
      expect(await at.store.operations.get(first.id)).toMatchObject({ state: 'cancelled', endReason: 'superseded' });
      expect(await at.store.events.ofOperation(first.id)).toEqual([
        { ...supersededEvent, id: `${first.id}.operation.superseded`, operationId: first.id },
      ]);
      const pending = await at.store.operations.pendingOf(user.id, T0);
      expect(pending.map(({ id }) => id).sort()).toEqual([...kept, next.operation].map(({ id }) => id).sort());
    });

    test('S-02 how it ends says nothing of its client: neither a denial nor that nobody answered holds up the next request', async () => {
      const user = await withUser(at.store);
      const device = await withDevice(at.store, user);
      const rates = { perClient: { starts: 0, windowMs: HOUR }, perUser: { starts: 0, windowMs: HOUR } };
      const limits = { ...rates, backOff: { firstMs: HOUR, maxMs: HOUR }, notMeMs: HOUR };
      const start = (overrides: Partial<Operation> = {}, more: Partial<Start> = {}) => {
        const operation = anOperation(user, overrides);
        return at.store.operations.start(startOf(operation, more)).then(({ result }) => ({ result, operation }));
      };
      expect(await start({}, { limits })).toMatchObject({ result: 'started' });
      const { operation } = await start({ claimOf: 'an offer' });
      const decision = aDecision(device, { approved: false, reason: 'not_me' });
      const denial = decideOf({ user, device, operation }, { decision });
      expect(await at.store.operations.decide(denial)).toMatchObject({ result: 'decided' });
      await start({ claimOf: 'an offer', expiresAt: T0 + 2 * SECOND });
      expect(await start({ createdAt: T0 + 3 * SECOND }, { limits })).toMatchObject({ result: 'started' });
    });
  });
};
