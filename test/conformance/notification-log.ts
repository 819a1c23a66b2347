import type { NotificationLine } from '../../src/domain/ports/notification-log.ts';
import { HOUR, SECOND } from '../../src/support/clock.ts';
import { newId } from '../../src/support/ids.ts';
import { T0 } from '../support/records.ts';
import { type ConformingStore, HUNDRED, type Suite, storeForEach } from './harness.ts';

const keepMs = 24 * HOUR;

const aLine = (overrides: Partial<NotificationLine> = {}): NotificationLine => ({
  id: `${newId('7f')}.notify.1`,
  clientId: 'shop',
  operationId: newId('7f'),
  mode: 'ping',
  attempt: 1,
  outcome: 'failed',
  at: T0,
  status: 503,
  reason: 'status 503',
  ms: 12,
  ...overrides,
});

async function allOf({ notificationLog }: ConformingStore, clientId: string, limit: number, since = 0) {
  const found: NotificationLine[] = [];
  let cursor: string | undefined;
  do {
    const page = await notificationLog.ofClient({ clientId, since, limit, ...(cursor !== undefined && { cursor }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

export const notificationLogSuite: Suite = (name, open) => {
  describe(`${name}: delivery logs of clients`, () => {
    const at = storeForEach(open);
    const append = (line: NotificationLine, keep = 1000) => at.store.notificationLog.append({ line, keep, keepMs });

    test('B06 lines come back newest first, complete in pages of any size; nobody else’s are among them', async () => {
      const lines = Array.from({ length: 7 }, (_, i) => aLine({ attempt: i + 1, at: T0 + i * SECOND }));
      for (const line of lines) await append(line);
      await append(aLine({ clientId: 'shop2' }));
      for (const limit of [1, 3, 7, 50]) expect(await allOf(at.store, 'shop', limit)).toEqual(lines.toReversed());
      expect(await allOf(at.store, 'nobody', 5)).toEqual([]);
    });

    test('lines that are written while somebody reads push nothing off a later page', async () => {
      const lines = Array.from({ length: 4 }, (_, i) => aLine({ attempt: i + 1 }));
      for (const line of lines) await append(line);
      const { nextCursor: cursor } = await at.store.notificationLog.ofClient({ clientId: 'shop', since: 0, limit: 2 });
      await append(aLine({ attempt: 5 }));
      const { items } = await at.store.notificationLog.ofClient({
        clientId: 'shop',
        since: 0,
        limit: 2,
        cursor: cursor!,
      });
      expect(items).toEqual([lines[1], lines[0]]);
    });

    test('a line that is given twice is one; a hundred at once are a hundred', async () => {
      const line = aLine();
      await append(line);
      await append(line);
      expect(await allOf(at.store, 'shop', 10)).toEqual([line]);
      await at.race(HUNDRED, (store, i) =>
        store.notificationLog.append({ line: aLine({ attempt: i + 2 }), keep: 1000, keepMs }),
      );
      const attempts = (await allOf(at.store, 'shop', 30)).map(({ attempt }) => attempt);
      expect(attempts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: HUNDRED + 1 }, (_, i) => i + 1));
    });

    test('only the last so many are kept, and none that is over is told', async () => {
      for (let i = 1; i <= 5; i++) await append(aLine({ attempt: i, at: T0 + i * SECOND }), 3);
      const attempts = async (since: number) => (await allOf(at.store, 'shop', 2, since)).map(({ attempt }) => attempt);
      expect(await attempts(0)).toEqual([5, 4, 3]);
      expect(await attempts(T0 + 3 * SECOND)).toEqual([5, 4]);
      expect(await attempts(T0 + 5 * SECOND)).toEqual([]);
    });

    test('an id that looks like a key of the store is an id like any other', async () => {
      for (const clientId of ['*', '{00}:keys', "'; DROP TABLE clients; --", 'a b', '\u0000']) {
        await append(aLine({ clientId }));
        expect(await allOf(at.store, clientId, 5)).toMatchObject([{ clientId }]);
      }
    });
  });
};
