import { randomBytes } from 'node:crypto';
import type { StoredClient } from '../../src/domain/ports/clients.ts';
import { anEvent, T0 } from '../support/records.ts';
import { HUNDRED, type Suite, storeForEach, tally } from './harness.ts';

const aClient = (overrides: Partial<StoredClient> = {}): StoredClient => ({
  id: `client-${randomBytes(6).toString('hex')}`,
  version: 1,
  metadata: { client_name: 'Ünï → ☃', grant_types: ['urn:openid:params:grant-type:ciba'] },
  secrets: [{ hash: 'a'.repeat(64), createdAt: T0 }],
  createdAt: T0,
  updatedAt: T0,
  ...overrides,
});

export const clientStoreSuite: Suite = (name, open) => {
  describe(`${name}: registered clients`, () => {
    const at = storeForEach(open);

    test('a client comes back as it was written, and nobody else does', async () => {
      const client = aClient();
      expect(await at.store.clients.create({ client, events: [] })).toEqual({ result: 'created' });
      expect(await at.store.clients.get(client.id)).toEqual(client);
      expect(await at.store.clients.get('somebody-else')).toBeUndefined();
    });

    test('an id that looks like a key of the store is an id like any other', async () => {
      const ids = ['*', '00', '{00}:keys', 'a b', '../x', "'; DROP TABLE clients; --", '\u0000', '00'.repeat(200)];
      for (const id of ids) await at.store.clients.create({ client: aClient({ id }), events: [] });
      for (const id of ids) expect((await at.store.clients.get(id))?.id).toBe(id);
      expect((await at.store.clients.list({ limit: 100 })).items).toHaveLength(ids.length);
    });

    test('of a hundred that take the same id, one gets it', async () => {
      const answers = await at.race(HUNDRED, (store, i) =>
        store.clients.create({ client: aClient({ id: 'same', createdAt: T0 + i }), events: [] }),
      );
      expect(tally(answers)).toEqual({ created: 1, exists: HUNDRED - 1 });
      expect(await at.store.clients.revision()).toBe(1);
    });

    test('of a hundred changes of one version, one is made; with its event, and no other', async () => {
      const client = aClient();
      await at.store.clients.create({ client, events: [] });
      const answers = await at.race(HUNDRED, (store, i) =>
        store.clients.update({
          client: { ...client, version: 2, updatedAt: T0 + i },
          events: [anEvent({ id: `00change-${String(i).padStart(3, '0')}` }, 'client.updated')],
        }),
      );
      expect(tally(answers)).toEqual({ updated: 1, stale: HUNDRED - 1 });
      expect(await at.store.clients.get(client.id)).toMatchObject({ version: 2 });
      expect(await at.store.clients.update({ client: aClient({ version: 2 }), events: [] })).toEqual({
        result: 'missing',
      });
    });

    test('the revision tells of every change on every connection, and of nothing else', async () => {
      expect(await at.store.clients.revision()).toBe(0);
      const client = aClient();
      await at.store.clients.create({ client, events: [] });
      await at.store.clients.create({ client, events: [] }).catch(() => {});
      const revisions = await at.race(3, (store) => store.clients.revision());
      expect(new Set(revisions)).toEqual(new Set([1]));
      await at.store.clients.update({ client: { ...client, version: 2 }, events: [] });
      await at.store.clients.update({ client: { ...client, version: 9 }, events: [] });
      expect(await at.store.clients.revision()).toBe(2);
    });

    test('the list is complete in pages of any size', async () => {
      const ids = ['a', 'a-1', 'b', 'c', 'd'];
      for (const id of ids) await at.store.clients.create({ client: aClient({ id }), events: [] });
      for (const limit of [1, 2, 5, 10]) {
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await at.store.clients.list({ limit, ...(cursor !== undefined && { cursor }) });
          expect(page.items.length).toBeLessThanOrEqual(limit);
          found.push(...page.items.map(({ id }) => id));
          cursor = page.nextCursor;
        } while (cursor !== undefined);
        expect(found).toEqual(ids);
      }
    });
  });
};
