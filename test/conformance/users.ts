import { SECOND } from '../../src/support/clock.ts';
import { aHash, anEvent, anOperation, aTicket, aUser, T0 } from '../support/records.ts';
import { HUNDRED, type Suite, storeForEach, tally } from './harness.ts';
import { startOf, withDevice, withOperation, withUser } from './scenes.ts';

const CLAIM_MS = 30 * SECOND;

export const userStoreSuite: Suite = (name, open, { knownDifferences = {} } = {}) => {
  describe(`${name}: users`, () => {
    const at = storeForEach(open);

    test('a user comes back as it was written, and belongs to the store from then on', async () => {
      const user = aUser({ identifiers: { username: aHash(), email: aHash(), phone: aHash(), external_ref: aHash() } });
      const given = structuredClone(user);
      expect(await at.store.users.create(given, T0, [])).toEqual({ result: 'created' });
      given.identifiers.email = 'changed by the caller afterwards';
      expect(await at.store.users.get(user.id)).toEqual(user);
      expect(await at.store.users.get(aUser().id)).toBeUndefined();
    });

    test('each identifier finds its user, under its own kind only', async () => {
      const user = aUser({ identifiers: { username: aHash(), email: aHash() } });
      await at.store.users.create(user, T0, []);
      expect(await at.store.users.findByIdentifier('username', user.identifiers.username!)).toEqual(user);
      expect(await at.store.users.findByIdentifier('email', user.identifiers.email!)).toEqual(user);
      expect(await at.store.users.findByIdentifier('email', user.identifiers.username!)).toBeUndefined();
      expect(await at.store.users.findByIdentifier('phone', aHash())).toBeUndefined();
    });

    test('an identifier in use is refused, and the refused user leaves nothing behind', async () => {
      const [email, phone] = [aHash(), aHash()];
      await at.store.users.create(aUser({ identifiers: { email } }), T0, []);
      const refused = aUser({ identifiers: { phone, email } });
      const event = anEvent(refused, 'user.created', { userId: refused.id });
      expect(await at.store.users.create(refused, T0, [event])).toEqual({ result: 'taken', kind: 'email' });
      expect(await at.store.users.get(refused.id)).toBeUndefined();
      expect(await at.store.events.ofUser(refused.id, 10)).toEqual([]);
      expect(await at.store.users.create(aUser({ identifiers: { phone } }), T0, [])).toEqual({ result: 'created' });
    });

    test('of a hundred users who want one identifier at once, one gets it', async () => {
      const email = aHash();
      const users = Array.from({ length: HUNDRED }, () => aUser({ identifiers: { email, username: aHash() } }));
      const answers = await at.race(HUNDRED, (store, i) =>
        store.users.create(users[i]!, T0, [anEvent(users[i]!, 'user.created', { userId: users[i]!.id })]),
      );
      expect(tally(answers)).toEqual({ created: 1, taken: HUNDRED - 1 });
      const winner = users[answers.findIndex(({ result }) => result === 'created')]!;
      expect(await at.store.users.findByIdentifier('email', email)).toEqual(winner);
      for (const user of users) expect(await at.store.events.ofUser(user.id, 10)).toHaveLength(user === winner ? 1 : 0);
    });

    test('an update replaces the record, grows the version, and keeps the stored state', async () => {
      const user = await withUser(at.store);
      const changed = { ...user, sealed: 'sealed.other', state: 'locked' as const, updatedAt: T0 + 1 };
      const updated = await at.store.users.update(changed, T0 + 1, [
        anEvent(user, 'user.updated', { userId: user.id }),
      ]);
      const stored = { ...changed, state: 'active', version: 2 };
      expect(updated).toEqual({ result: 'updated', user: stored });
      expect(await at.store.users.get(user.id)).toEqual(stored);
      expect(await at.store.events.ofUser(user.id, 10)).toHaveLength(1);
    });

    test('an update of an older version, or of nobody, changes nothing', async () => {
      const user = await withUser(at.store);
      await at.store.users.update(user, T0, []);
      const late = { ...user, identifiers: { username: aHash() } };
      expect(await at.store.users.update(late, T0, [anEvent(user, 'user.updated', { userId: user.id })])).toEqual({
        result: 'stale',
      });
      expect(await at.store.users.update(aUser(), T0, [])).toEqual({ result: 'missing' });
      expect(await at.store.events.ofUser(user.id, 10)).toEqual([]);
      // What the stale update had claimed is free again.
      expect(await at.store.users.create(aUser({ identifiers: late.identifiers }), T0, [])).toEqual({
        result: 'created',
      });
      expect(await at.store.users.findByIdentifier('username', user.identifiers.username!)).toMatchObject({
        id: user.id,
      });
    });

    test('an update moves identifiers: the added one finds the user, the dropped one is free', async () => {
      const [old, fresh] = [aHash(), aHash()];
      const user = await withUser(at.store, { identifiers: { email: old, phone: aHash() } });
      await at.store.users.update({ ...user, identifiers: { ...user.identifiers, email: fresh } }, T0, []);
      expect(await at.store.users.findByIdentifier('email', fresh)).toMatchObject({ id: user.id });
      expect(await at.store.users.findByIdentifier('email', old)).toBeUndefined();
      expect(await at.store.users.create(aUser({ identifiers: { email: old } }), T0, [])).toEqual({
        result: 'created',
      });
    });

    test('an update that wants an identifier of somebody else changes nothing', async () => {
      const other = await withUser(at.store, { identifiers: { email: aHash() } });
      const user = await withUser(at.store);
      const wanted = { ...user, identifiers: { phone: aHash(), email: other.identifiers.email! } };
      expect(await at.store.users.update(wanted, T0, [])).toEqual({ result: 'taken', kind: 'email' });
      expect(await at.store.users.get(user.id)).toEqual(user);
      expect(await at.store.users.findByIdentifier('email', other.identifiers.email!)).toEqual(other);
      expect(await at.store.users.create(aUser({ identifiers: { phone: wanted.identifiers.phone } }), T0, [])).toEqual({
        result: 'created',
      });
    });

    test('of a hundred updates of one version, one is written', async () => {
      const user = await withUser(at.store);
      const answers = await at.race(HUNDRED, (store, i) =>
        store.users.update({ ...user, sealed: `sealed.${i}` }, T0, [
          anEvent(user, 'user.updated', { userId: user.id, data: { i } }),
        ]),
      );
      expect(tally(answers)).toEqual({ updated: 1, stale: HUNDRED - 1 });
      const winner = answers.findIndex(({ result }) => result === 'updated');
      expect(await at.store.users.get(user.id)).toMatchObject({ version: 2, sealed: `sealed.${winner}` });
      const events = await at.store.events.ofUser(user.id, HUNDRED);
      expect(events.map(({ data }) => data)).toEqual([{ i: winner }]);
    });

    test('the state changes only from where the caller says', async () => {
      const user = await withUser(at.store);
      const lock = { id: user.id, from: ['active' as const], to: 'locked' as const, closePending: false, now: T0 + 1 };
      const event = () => anEvent(user, 'user.locked', { userId: user.id });
      const locked = { ...user, state: 'locked', version: 2, updatedAt: T0 + 1 };
      expect(await at.store.users.changeState({ ...lock, events: [event()] })).toEqual({
        result: 'changed',
        user: locked,
        closed: [],
      });
      expect(await at.store.users.changeState({ ...lock, events: [event()] })).toEqual({
        result: 'refused',
        state: 'locked',
      });
      expect(await at.store.users.changeState({ ...lock, id: aUser().id, events: [] })).toEqual({ result: 'missing' });
      expect(await at.store.users.get(user.id)).toEqual(locked);
      expect(await at.store.events.ofUser(user.id, 10)).toHaveLength(1);
    });

    test('deactivation cancels every pending operation of the user, tickets included, and nobody else’s', async () => {
      const user = await withUser(at.store);
      const asked = await withOperation(at.store, user);
      const ticket = aTicket(user);
      await at.store.operations.start(startOf(ticket));
      const past = await withOperation(at.store, user, { expiresAt: T0 + SECOND });
      const neighbour = await withUser(at.store, { id: `${user.id.slice(0, 2)}${aHash().slice(0, 22)}` });
      const others = await withOperation(at.store, neighbour);

      const changed = await at.store.users.changeState({
        id: user.id,
        from: ['active', 'locked'],
        to: 'deactivated',
        closePending: true,
        now: T0 + 2 * SECOND,
        events: [],
      });
      if (changed.result !== 'changed') throw new Error(changed.result);
      expect(changed.closed.sort()).toEqual([asked.id, ticket.id].sort());
      for (const id of [asked.id, ticket.id])
        expect(await at.store.operations.get(id)).toMatchObject({
          state: 'cancelled',
          endReason: 'user_deactivated',
          finishedAt: T0 + 2 * SECOND,
        });
      // Past its time: it ended as expired, whether a sweep has written that or not.
      expect((await at.store.operations.get(past.id))?.state).not.toBe('cancelled');
      expect(await at.store.operations.get(others.id)).toMatchObject({ state: 'pending' });
      expect(await at.store.operations.pendingOf(user.id, T0 + 2 * SECOND)).toEqual([]);
    });

    test('promise 5: a start and a deactivation at once leave nothing pending', async () => {
      const user = await withUser(at.store);
      await at.race<unknown>(20, (store, i) =>
        i === 10
          ? store.users.changeState({
              id: user.id,
              from: ['active'],
              to: 'deactivated',
              closePending: true,
              now: T0,
              events: [],
            })
          : store.operations.start(startOf(anOperation(user))),
      );
      expect(await at.store.operations.pendingOf(user.id, T0)).toEqual([]);
    });

    test('the list shows every user once, in pages, in an order that stays', async () => {
      const ids = new Set<string>();
      for (let i = 0; i < 23; i++) ids.add((await withUser(at.store)).id);
      const first = await pages((cursor) => at.store.users.list({ limit: 5, cursor }));
      expect(new Set(first)).toEqual(ids);
      expect(first).toHaveLength(23);
      expect(await pages((cursor) => at.store.users.list({ limit: 7, cursor }))).toEqual(first);
    });

    test('the list of devices shows every device once, in pages, in an order that stays', async () => {
      const ids = new Set<string>();
      for (let i = 0; i < 11; i++) ids.add((await withDevice(at.store, await withUser(at.store))).id);
      const first = await pages((cursor) => at.store.devices.list({ limit: 4, cursor }));
      expect(new Set(first)).toEqual(ids);
      expect(await pages((cursor) => at.store.devices.list({ limit: 3, cursor }))).toEqual(first);
    });

    if (!knownDifferences.oneStepUsers) {
      describe('a process that died between the two steps of create', () => {
        const left = async () => {
          const claim = { kind: 'email' as const, hmac: aHash(), userId: aUser().id, now: T0 };
          await at.opened.claimIdentifierOnly!(claim);
          return claim;
        };
        const wants = (hmac: string) => aUser({ identifiers: { email: hmac } });

        test('its claim is believed by no look-up', async () => {
          const { hmac } = await left();
          expect(await at.store.users.findByIdentifier('email', hmac)).toBeUndefined();
        });

        test('its claim stands for 30 s, for it may be slow and not dead', async () => {
          const { hmac } = await left();
          const early = await at.store.users.create(wants(hmac), T0 + CLAIM_MS - 1, []);
          expect(early).toEqual({ result: 'taken', kind: 'email' });
        });

        test('its claim is taken over after 30 s, by one of a hundred', async () => {
          const { hmac } = await left();
          const answers = await at.race(HUNDRED, (store) => store.users.create(wants(hmac), T0 + CLAIM_MS, []));
          expect(tally(answers)).toEqual({ created: 1, taken: HUNDRED - 1 });
        });

        test('a user may take a left claim over by an update, and have it', async () => {
          const { hmac } = await left();
          const user = await withUser(at.store);
          const wanted = { ...user, identifiers: { email: hmac } };
          expect(await at.store.users.update(wanted, T0 + 1, [])).toEqual({ result: 'taken', kind: 'email' });
          expect(await at.store.users.update(wanted, T0 + CLAIM_MS, [])).toMatchObject({ result: 'updated' });
          expect(await at.store.users.findByIdentifier('email', hmac)).toMatchObject({ id: user.id });
        });
      });
    }

    test('an identifier that a record confirms is never taken over, however old', async () => {
      const user = await withUser(at.store, { identifiers: { email: aHash() } });
      const late = T0 + 1000 * CLAIM_MS;
      expect(await at.store.users.create(aUser({ identifiers: user.identifiers }), late, [])).toEqual({
        result: 'taken',
        kind: 'email',
      });
    });
  });
};

async function pages(
  list: (cursor?: string) => Promise<{ items: { id: string }[]; nextCursor?: string }>,
): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return ids;
}
