import type { Operation } from '../../src/domain/operation.ts';
import { SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS } from '../../src/support/ids.ts';
import { anOperation, T0 } from '../support/records.ts';
import { type Suite, storeForEach } from './harness.ts';
import { approved, asked, commitOf, decideOf, failureOf, pollOf, startOf } from './scenes.ts';

/** What a client is owed when its request ends, and polls that are held. */
export const notificationSuite: Suite = (name, open) => {
  const ping = { notification: { mode: 'ping', sealed: 'sealed.token' } } satisfies Partial<Operation>;
  const push = { notification: { mode: 'push', sealed: 'sealed.token' } } satisfies Partial<Operation>;

  describe(`${name}: notifications`, () => {
    const at = storeForEach(open);
    const owed = async () => {
      const claim = { partitions: ALL_PARTITIONS, now: T0 + 400 * SECOND, limit: 100, holder: 'h', leaseMs: SECOND };
      const claimed = await at.store.outbox.claimDue(claim);
      return claimed.map(({ entry }) => entry).filter(({ kind }) => kind !== 'inbox');
    };
    const read = async (operation: Operation) => (await at.store.operations.get(operation.id))?.notification;

    test.each([ping, push])('promise 7: the decision puts it into the outbox, in the same step: %j', async (member) => {
      const scene = await asked(at.store, member);
      expect(await read(scene.operation)).toEqual(member.notification);
      expect(await owed()).toEqual([]);
      await at.store.operations.decide(decideOf(scene));
      expect(await owed()).toEqual([
        {
          id: `${scene.operation.id}.notify`,
          kind: member.notification.mode,
          operationId: scene.operation.id,
          userId: scene.user.id,
          payload: 'sealed.token',
          dueAt: T0 + SECOND,
          expiresAt: scene.operation.retainUntil,
          attempts: 1,
        },
      ]);
    });

    test.each([ping, push])('S-13 the record keeps the mode, not the token: %j', async (member) => {
      const { operation } = await approved(at.store, member);
      expect(await read(operation)).toEqual({ mode: member.notification.mode });
    });

    test('a decision that lost owes nothing more', async () => {
      const scene = await approved(at.store, ping);
      await at.store.operations.decide(decideOf(scene));
      expect(await owed()).toHaveLength(1);
    });

    test('so does a failure, a newer request of the same client, and a user who was deactivated', async () => {
      const scenes = [await asked(at.store, ping), await asked(at.store, ping), await asked(at.store, ping)] as const;
      await at.store.operations.failAttempt(failureOf(scenes[0], { failOperation: true }));
      const newer = startOf(anOperation(scenes[1].user), { cap: { perClient: 1, policy: 'replace', perUser: 9 } });
      await at.store.operations.start(newer);
      const { id } = scenes[2].user;
      await at.store.users.changeState({
        id,
        from: ['active'],
        to: 'deactivated',
        closePending: true,
        now: T0,
        events: [],
      });
      expect((await owed()).map((entry) => entry.operationId).sort()).toEqual(
        scenes.map(({ operation }) => operation.id).sort(),
      );
    });

    test('nothing is owed to a client that ended it itself', async () => {
      const { operation } = await asked(at.store, ping);
      await at.store.operations.cancel({
        operationId: operation.id,
        reason: 'cancelled_by_client',
        now: T0,
        events: [],
        outbox: [],
      });
      expect(await owed()).toEqual([]);
      expect(await read(operation)).toEqual({ mode: 'ping' });
    });

    test('the end of its time is told to whom nothing else can tell: by push, not by ping', async () => {
      const [pinged, pushed] = [await asked(at.store, ping), await asked(at.store, push)];
      const event = { type: 'operation.expired', at: T0 } as const;
      const now = pinged.operation.expiresAt;
      await at.store.operations.expireDue({ partitions: ALL_PARTITIONS, now, limit: 100, event });
      expect((await owed()).map(({ operationId }) => operationId)).toEqual([pushed.operation.id]);
      expect(await read(pinged.operation)).toEqual({ mode: 'ping' });
      expect(await read(pushed.operation)).toEqual({ mode: 'push' });
    });

    test('T-08 X-07 a client does not poll for what is pushed; the server itself does, unpaced, and hands it over once', async () => {
      const scene = await asked(at.store, push);
      const poll = (overrides = {}) => at.store.operations.poll(pollOf(scene.operation, overrides));
      expect(await poll()).toEqual({ result: 'push' });
      expect(await poll({ clientId: 'demo-tv' })).toEqual({ result: 'missing' });
      for (let i = 0; i < 3; i++) expect(await poll({ by: 'push' })).toEqual({ result: 'pending' });
      await at.store.operations.decide(decideOf(scene));
      expect(await poll()).toEqual({ result: 'push' });
      expect(await poll({ by: 'push', holder: 'holder-1' })).toMatchObject({ result: 'leased' });
      expect(await poll({ by: 'push', holder: 'holder-2' })).toEqual({ result: 'busy' });
      expect(await at.store.operations.commit(commitOf(scene.operation))).toEqual({ result: 'committed' });
      expect(await poll({ by: 'push', holder: 'holder-2', now: T0 + 9 * SECOND })).toMatchObject({
        result: 'committed',
        response: 'sealed.tokens',
      });
    });
  });

  describe(`${name}: held polls`, () => {
    const at = storeForEach(open);
    const pending = { result: 'pending' };
    const held = { holder: 'one', holdMs: 25 * SECOND };

    const polling =
      (operation: Operation) =>
      (seconds: number, overrides = {}) =>
        at.store.operations.poll(pollOf(operation, { now: T0 + seconds * SECOND, ...overrides }));

    test('P-07 a second poll while one is held is too soon, even where the interval has passed', async () => {
      const poll = polling((await asked(at.store)).operation);
      expect(await poll(0, held)).toEqual(pending);
      expect(await poll(10, { holder: 'two' })).toEqual({ result: 'slow_down', intervalSeconds: 10 });
    });

    test('P-07 the interval is measured from the start of the held poll, and looking again counts as none', async () => {
      const poll = polling((await asked(at.store)).operation);
      expect(await poll(0, held)).toEqual(pending);
      expect(await poll(25, { holder: 'one', by: 'held' })).toEqual(pending);
      expect(await poll(25, { holder: 'two' })).toEqual(pending);
    });

    test('a hold ends with its time, were its process gone', async () => {
      const poll = polling((await asked(at.store)).operation);
      await poll(0, held);
      expect(await poll(25, { holder: 'two' })).toEqual(pending);
    });

    test('a hold that is let go of frees the next poll; that of another holder stays', async () => {
      const { operation } = await asked(at.store);
      const poll = polling(operation);
      await poll(0, held);
      await at.store.operations.release({ operationId: operation.id, holder: 'two', now: T0 + SECOND });
      expect(await poll(6, { holder: 'two' })).toEqual({ result: 'slow_down', intervalSeconds: 10 });
      await at.store.operations.release({ operationId: operation.id, holder: 'one', now: T0 + 7 * SECOND });
      expect(await poll(9, { holder: 'two' })).toEqual(pending);
    });

    test('RL-15 many holds end together when their server stops; those that another server has stay', async () => {
      const asking = await Promise.all(Array.from({ length: 3 }, () => asked(at.store)));
      const operations = asking.map(({ operation }) => operation);
      for (const operation of operations) await polling(operation)(0, held);
      const end = (operation: Operation, holder: string) => ({ operationId: operation.id, holder });
      const [first, second, third] = operations as [Operation, Operation, Operation];
      const unknown = anOperation({ id: first.userId });
      await at.store.operations.endHolds([
        end(first, 'one'),
        end(third, 'two'),
        end(unknown, 'one'),
        end(second, 'one'),
      ]);
      const again = operations.map(async (each) => (await polling(each)(10, { holder: 'two' })).result);
      expect(await Promise.all(again)).toEqual(['pending', 'pending', 'slow_down']);
    });

    test('the held poll finds the approval; another one that waits for it does not', async () => {
      const scene = await asked(at.store);
      const poll = polling(scene.operation);
      await poll(0, held);
      await at.store.operations.decide(decideOf(scene));
      expect(await poll(1, { holder: 'one', by: 'held' })).toMatchObject({ result: 'leased' });
      expect(await poll(1, { holder: 'two' })).toEqual({ result: 'busy' });
    });
  });
};
