import type { AuditEvent } from '../../src/domain/event.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { Start, StartLimits } from '../../src/domain/ports/operations.ts';
import type { StoredUser } from '../../src/domain/user.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS } from '../../src/support/ids.ts';
import { aDecision, anEvent, anOperation, anOutboxEntry, aUser, idBeside, T0 } from '../support/records.ts';
import { HUNDRED, type Suite, storeForEach, tally } from './harness.ts';
import { decideOf, failureOf, startOf, withDevice, withUser } from './scenes.ts';

const LIMITS: StartLimits = {
  perClient: { starts: 0, windowMs: 10 * MINUTE },
  perUser: { starts: 0, windowMs: HOUR },
  backOff: { firstMs: 10 * SECOND, maxMs: HOUR },
  notMeMs: HOUR,
};
const limited = (limits: Partial<StartLimits>): StartLimits => ({
  ...LIMITS,
  backOff: { firstMs: 0, maxMs: 0 },
  ...limits,
});

type Person = Pick<StoredUser, 'id'>;
const refused = (limit: string, retryAt: number) => ({ result: 'refused', limit, retryAt });

/** S-02. The rules are those of StartLimits; both adapters note the same. */
export const startLimitSuite: Suite = (name, open, { knownDifferences = {} } = {}) => {
  describe(`${name}: S-02, how often a person may be asked`, () => {
    const at = storeForEach(open);
    const start = (now: number, user: Person, more: Partial<Start> = {}, operation: Partial<Operation> = {}) =>
      at.store.operations.start(
        startOf(anOperation(user, { createdAt: now, ...operation }), { limits: LIMITS, ...more }),
      );

    test('of a hundred starts at once with a limit of ten, ten pass', async () => {
      const user = await withUser(at.store);
      const limits = limited({ perClient: { starts: 10, windowMs: 10 * MINUTE } });
      const answers = await at.race(HUNDRED, (store) => store.operations.start(startOf(anOperation(user), { limits })));
      expect(tally(answers)).toEqual({ started: 10, refused: 90 });
      expect(answers.find(({ result }) => result === 'refused')).toEqual(refused('client_rate', T0 + 10 * MINUTE));
      expect(await at.store.operations.pendingOf(user.id, T0)).toHaveLength(10);
    });

    test('a rate holds in any period of its length, for this client and this person alone', async () => {
      const user = await withUser(at.store);
      const limits = limited({ perClient: { starts: 2, windowMs: 10 * MINUTE } });
      for (const minute of [0, 6])
        expect(await start(T0 + minute * MINUTE, user, { limits })).toMatchObject({ result: 'started' });
      expect(await start(T0 + 9 * MINUTE, user, { limits })).toEqual(refused('client_rate', T0 + 10 * MINUTE));
      const others = { now: T0 + 9 * MINUTE, limits };
      expect(await start(others.now, user, others, { clientId: 'demo-tv' })).toMatchObject({ result: 'started' });
      expect(await start(others.now, await withUser(at.store), others)).toMatchObject({ result: 'started' });
      // the first is out, the second is not
      expect(await start(T0 + 10 * MINUTE, user, { limits })).toMatchObject({ result: 'started' });
      expect(await start(T0 + 11 * MINUTE, user, { limits })).toEqual(refused('client_rate', T0 + 16 * MINUTE));
    });

    test('a rate of all clients together, and whoever comes when it is told is let through', async () => {
      const user = await withUser(at.store);
      const limits = limited({ perUser: { starts: 3, windowMs: HOUR }, perClient: { starts: 1, windowMs: MINUTE } });
      for (const clientId of ['a', 'b', 'c']) {
        expect(await start(T0, user, { limits }, { clientId })).toMatchObject({ result: 'started' });
      }
      // the client’s own rate would be over after a minute
      expect(await start(T0, user, { limits }, { clientId: 'a' })).toEqual(refused('user_rate', T0 + HOUR));
      expect(await start(T0 + HOUR - 1, user, { limits }, { clientId: 'd' })).toEqual(refused('user_rate', T0 + HOUR));
      expect(await start(T0 + HOUR, user, { limits }, { clientId: 'a' })).toMatchObject({ result: 'started' });
    });

    test('what is refused is no start: it does not move the time, and writes no operation', async () => {
      const user = await withUser(at.store);
      const limits = limited({ perClient: { starts: 1, windowMs: MINUTE } });
      await start(T0, user, { limits });
      const operation = anOperation(user);
      for (const second of [1, 30, 59]) {
        const again = startOf(operation, { limits, now: T0 + second * SECOND, outbox: [anOutboxEntry(operation)] });
        expect(await at.store.operations.start(again)).toEqual(refused('client_rate', T0 + MINUTE));
      }
      expect(await at.store.operations.get(operation.id)).toBeUndefined();
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 0 });
      expect(await start(T0 + MINUTE, user, { limits })).toMatchObject({ result: 'started' });
    });

    /** Started at `now`, and denied or approved a second later. */
    async function answered(user: StoredUser, now: number, decision: Parameters<typeof aDecision>[1]) {
      const operation = anOperation(user, { createdAt: now });
      expect(await at.store.operations.start(startOf(operation, { limits: LIMITS }))).toMatchObject({
        result: 'started',
      });
      const device = await withDevice(at.store, user);
      const all = { user, device, operation };
      const call = decideOf(all, { decision: aDecision(device, decision), now: now + SECOND });
      expect(await at.store.operations.decide(call)).toMatchObject({ result: 'decided' });
      return now + SECOND;
    }

    test('back-off: 10 s after a denial, twice as long after each further one, an hour at most, and none after an approval', async () => {
      const user = await withUser(at.store);
      let now = T0;
      const waits: number[] = [];
      for (let i = 0; i < 11; i++) {
        const deniedAt = await answered(user, now, { approved: false });
        const refusal = await start(deniedAt, user);
        if (refusal.result !== 'refused') throw new Error(refusal.result);
        expect(refusal.limit).toBe('back_off');
        expect(await start(refusal.retryAt - 1, user)).toEqual(refusal);
        waits.push((refusal.retryAt - deniedAt) / SECOND);
        now = refusal.retryAt;
      }
      expect(waits).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
      expect(await start(now, user, {}, { clientId: 'demo-tv' })).toMatchObject({ result: 'started' });
      now = await answered(user, now, { approved: true });
      expect(await start(now, user)).toMatchObject({ result: 'started' });
      await answered(user, now, { approved: false });
      expect(await start(now + SECOND, user)).toEqual(refused('back_off', now + 11 * SECOND));
    });

    test('back-off: a day without a failure begins anew', async () => {
      const user = await withUser(at.store);
      for (const [when, wait] of [
        [T0, 10],
        [T0 + HOUR, 20],
        [T0 + HOUR + DAY, 10],
      ] as const) {
        const deniedAt = await answered(user, when, { approved: false });
        expect(await start(deniedAt, user)).toEqual(refused('back_off', deniedAt + wait * SECOND));
      }
    });

    test('back-off: what expired unanswered counts, once, whether a sweep has come by or not', async () => {
      const event = { type: 'operation.expired' as const, at: T0 };
      const [swept, unswept] = [await withUser(at.store), await withUser(at.store)];
      for (const user of [swept, unswept]) await start(T0, user, {}, { expiresAt: T0 + MINUTE });
      const now = T0 + MINUTE + 9 * SECOND;
      await at.store.operations.expireDue({ partitions: [swept.id.slice(0, 2)], now, limit: 9, event });
      for (const user of [swept, unswept]) {
        expect(await start(now, user)).toEqual(refused('back_off', T0 + MINUTE + 10 * SECOND));
      }
      await at.store.operations.expireDue({ partitions: ALL_PARTITIONS, now, limit: 9, event });
      expect(await start(now, unswept)).toEqual(refused('back_off', T0 + MINUTE + 10 * SECOND));
      expect(await start(now + SECOND, unswept)).toMatchObject({ result: 'started' });
    });

    test('back-off: what is replaced unanswered counts, and what fails from the second time on; what its client cancels does not', async () => {
      const cap = { perClient: 1, policy: 'replace' as const, perUser: 9 };
      const replaced = await withUser(at.store);
      for (const second of [0, 1]) {
        expect(await start(T0 + second * SECOND, replaced, { cap })).toMatchObject({ result: 'started' });
      }
      expect(await start(T0 + SECOND, replaced, { cap })).toEqual(refused('back_off', T0 + 11 * SECOND));

      const failed = await withUser(at.store);
      const device = await withDevice(at.store, failed);
      for (let i = 0; i < 2; i++) {
        const operation = anOperation(failed);
        const started = await at.store.operations.start(startOf(operation, { limits: LIMITS }));
        expect(started).toMatchObject({ result: 'started' });
        const failure = failureOf({ user: failed, device, operation }, { failOperation: true, now: T0 });
        await at.store.operations.failAttempt(failure);
      }
      expect(await start(T0, failed)).toEqual(refused('back_off', T0 + 10 * SECOND));

      const cancelled = await withUser(at.store);
      const one = anOperation(cancelled);
      await at.store.operations.start(startOf(one, { limits: LIMITS }));
      const cancel = { operationId: one.id, reason: 'cancelled_by_client' as const, now: T0, events: [], outbox: [] };
      await at.store.operations.cancel(cancel);
      expect(await start(T0, cancelled)).toMatchObject({ result: 'started' });
    });

    test('not_me keeps the client from this person for its time, until an operator lifts it', async () => {
      const [alice, bob] = [await withUser(at.store), await withUser(at.store)];
      for (const user of [alice, bob]) {
        const deniedAt = await answered(user, T0, { approved: false, reason: 'not_me' });
        expect(await start(deniedAt, user)).toEqual(refused('not_me', deniedAt + HOUR));
        expect(await start(deniedAt, user, { limits: { ...LIMITS, notMeMs: 0 } })).toEqual(
          refused('back_off', deniedAt + 10 * SECOND),
        );
        expect(await start(deniedAt, user, {}, { clientId: 'demo-tv' })).toMatchObject({ result: 'started' });
      }
      expect(await start(T0 + SECOND + HOUR, bob)).toMatchObject({ result: 'started' });
      const lifted = anEvent(alice, 'user.limits_lifted', { userId: alice.id });
      const lift = { userId: alice.id, clientId: 'demo-helpdesk', now: T0 + MINUTE, events: [lifted] };
      expect(await at.store.operations.liftLimits({ ...lift, clientId: 'nobody' })).toBe(false);
      expect(await at.store.operations.liftLimits(lift)).toBe(true);
      expect(await at.store.operations.liftLimits(lift)).toBe(false);
      expect(await at.store.events.ofUser(alice.id, 9)).toContainEqual(lifted);
      expect(await start(T0 + MINUTE, alice)).toMatchObject({ result: 'started' });
      expect(await at.store.operations.liftLimits({ userId: bob.id, now: T0, events: [] })).toBe(true);
    });

    test('TH-14 after the clock was set back each limit holds for as long as it says, and no longer', async () => {
      const [rated, denied, accused] = [await withUser(at.store), await withUser(at.store), await withUser(at.store)];
      const limits = limited({ perClient: { starts: 1, windowMs: 10 * MINUTE } });
      await start(T0, rated, { limits });
      await answered(denied, T0, { approved: false });
      await answered(accused, T0, { approved: false, reason: 'not_me' });
      const back = T0 - 5 * MINUTE;
      for (const [user, limit, waitMs, more] of [
        [rated, 'client_rate', 10 * MINUTE, { limits }],
        [denied, 'back_off', 10 * SECOND, {}],
        [accused, 'not_me', HOUR, {}],
      ] as const) {
        const refusal = refused(limit, back + waitMs);
        expect(await start(back, user, more)).toEqual(refusal);
        expect(await start(back + waitMs - 1, user, more)).toEqual(refusal);
        expect(await start(back + waitMs, user, more)).toMatchObject({ result: 'started' });
      }
    });

    test('a refusal is told once in the audit trail, until what it told is over', async () => {
      const user = await withUser(at.store);
      const limits = limited({ perClient: { starts: 1, windowMs: MINUTE } });
      const refusedEvent = { type: 'operation.refused' as const, at: T0, userId: user.id, clientId: 'demo-helpdesk' };
      const ids: string[] = [];
      for (const second of [0, 1, 2, 60, 61]) {
        const operation = anOperation(user);
        ids.push(operation.id);
        await at.store.operations.start(startOf(operation, { limits, refusedEvent, now: T0 + second * SECOND }));
      }
      const data = { limit: 'client_rate', told: true };
      const told = (id: string | undefined): AuditEvent => ({ ...refusedEvent, id: `${id}.operation.refused`, data });
      expect(await at.store.events.ofUser(user.id, 9)).toEqual([told(ids[4]), told(ids[1])]);
    });

    test('what is noted stays as long as it can matter, and is collected an hour later', async () => {
      const user = await withUser(at.store);
      const isNoted = async (now: number) => {
        await at.store.collectGarbage({ partitions: ALL_PARTITIONS, now, limit: HUNDRED });
        return at.store.operations.liftLimits({ userId: user.id, now: T0, events: [] });
      };
      await start(T0, user);
      expect(await isNoted(T0 + DAY + HOUR - 1)).toBe(true);
      await start(T0, user);
      if (!knownDifferences.garbageByExpiry) expect(await isNoted(T0 + DAY + HOUR)).toBe(false);
    });

    describe('for a client that must not learn who exists', () => {
      const asNobody = (user: Person, name: string) => {
        const orDecoy = { userId: name, events: [anEvent(user, 'operation.started', { userId: name })], outbox: [] };
        return { more: { orDecoy }, operation: { askedAs: name } };
      };

      test('TH-04 what others ask the person, or that there is none to ask, turns the start into a decoy', async () => {
        const [busy, locked] = [await withUser(at.store), await withUser(at.store)];
        const changed = { id: locked.id, from: ['active' as const], to: 'locked' as const, closePending: false };
        await at.store.users.changeState({ ...changed, now: T0, events: [] });
        const limits = limited({ perUser: { starts: 1, windowMs: HOUR } });
        await start(T0, busy, { limits }, { clientId: 'other' });
        for (const [user, unasked] of [
          [busy, 'user_rate'],
          [locked, 'not_active'],
        ] as const) {
          const decoy = idBeside(user.id);
          const { more, operation } = asNobody(user, decoy);
          const asked = anOperation(user, operation);
          const events = [anEvent(user, 'operation.started', { operationId: asked.id, userId: user.id })];
          const outcome = await at.store.operations.start(startOf(asked, { limits, events, ...more }));
          expect(outcome).toEqual({ result: 'started', superseded: [], unasked });
          const { askedAs: _name, ...stored } = { ...asked, userId: decoy };
          expect(await at.store.operations.get(asked.id)).toEqual(stored);
          expect(await at.store.operations.pendingOf(decoy, T0)).toHaveLength(1);
          expect(await at.store.operations.pendingOf(user.id, T0)).toHaveLength(user === busy ? 1 : 0);
          expect(await at.store.events.ofOperation(asked.id)).toEqual([]);
          expect(await at.store.events.ofUser(decoy, 9)).toEqual(more.orDecoy.events);
        }
      });

      test('TH-04 its own limits come alike for who is there, who is not, and who is there and may not be asked', async () => {
        const limits = { ...LIMITS, perClient: { starts: 4, windowMs: 10 * MINUTE } };
        const refusedSoon = { ...limits, perUser: { starts: 2, windowMs: HOUR } };
        const answersOf = async (ask: (now: number) => ReturnType<typeof start>) => {
          const answers = [];
          for (const second of [0, 60, 69, 70, 130, 149, 150, 210, 249, 250, 300]) {
            const outcome = await ask(T0 + second * SECOND);
            answers.push(outcome.result === 'refused' ? [outcome.limit, outcome.retryAt - T0] : outcome.result);
          }
          return answers;
        };
        const person = async (mine: StartLimits) => {
          const user = await withUser(at.store);
          const { more, operation } = asNobody(user, idBeside(user.id));
          return (now: number) =>
            start(now, user, { ...more, limits: mine }, { ...operation, expiresAt: now + MINUTE });
        };
        const nobody = aUser();
        const ofNobody = await answersOf((now) =>
          start(now, nobody, { limits, decoy: true }, { expiresAt: now + MINUTE }),
        );
        expect(ofNobody).toContainEqual(['back_off', 70_000]);
        expect(ofNobody).toContainEqual(['client_rate', 600_000]);
        expect(await answersOf(await person(limits))).toEqual(ofNobody);
        expect(await answersOf(await person(refusedSoon))).toEqual(ofNobody);
      });

      test('TH-04 a denial and not_me do not show under the name; the person is not asked', async () => {
        const user = await withUser(at.store);
        const device = await withDevice(at.store, user);
        const { more, operation } = asNobody(user, idBeside(user.id));
        const first = anOperation(user, operation);
        await at.store.operations.start(startOf(first, { limits: LIMITS, ...more }));
        const decision = aDecision(device, { approved: false, reason: 'not_me' });
        await at.store.operations.decide(decideOf({ user, device, operation: first }, { decision }));
        const next = await start(T0 + 2 * SECOND, user, more, operation);
        expect(next).toMatchObject({ result: 'started', unasked: 'not_me' });
        expect(await at.store.operations.pendingOf(user.id, T0 + 2 * SECOND)).toEqual([]);
      });

      test('TH-04 its pending ones count and give way whichever of the two they are for', async () => {
        const user = await withUser(at.store);
        const { more, operation } = asNobody(user, idBeside(user.id));
        const ids = [];
        const cap = { perClient: 2, policy: 'replace' as const, perUser: 1 };
        for (let i = 0; i < 3; i++) {
          const asked = anOperation(user, operation);
          ids.push(asked.id);
          const outcome = await at.store.operations.start(startOf(asked, { cap, ...more }));
          expect(outcome).toMatchObject({ result: 'started', superseded: i === 2 ? [ids[0]] : [] });
        }
        const refuse = { cap: { ...cap, policy: 'refuse' as const }, ...more };
        expect(await start(T0, user, refuse, operation)).toMatchObject({ result: 'refused', limit: 'client' });
      });
    });
  });
};
