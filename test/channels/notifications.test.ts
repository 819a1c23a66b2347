import { createNotificationHandler, notificationDefaults } from '../../src/channels/notifications.ts';
import { createReceivers } from '../../src/channels/receivers.ts';
import type { AuditEvent } from '../../src/domain/event.ts';
import type { NotificationMessage } from '../../src/domain/notification.ts';
import type { NotificationLine } from '../../src/domain/notification-log.ts';
import type { OutboxEntry } from '../../src/domain/ports/outbox.ts';
import { systemTimers } from '../../src/support/timers.ts';
import { createUnderWay } from '../../src/support/under-way.ts';
import { createClock } from '../support/clock.ts';
import { watchedLog } from '../support/log.ts';
import { anOperation, anOutboxEntry, aUser } from '../support/records.ts';

const clock = createClock();
const entryOf = (attempts = 2): OutboxEntry => ({
  ...anOutboxEntry(anOperation(aUser())),
  kind: 'push',
  attempts,
});

/** A handler whose message is given, and what it does with it. */
function handling(
  message: NotificationMessage | 'a push',
  { giveUpAt = clock.now() + 60_000, store = true, status = 204, random = 0.5 } = {},
) {
  const did: string[] = [];
  const noted: AuditEvent[] = [];
  const logged: NotificationLine[] = [];
  const push: NotificationMessage = {
    message: 'send',
    secrets: [],
    body: { access_token: 'secret' },
    delivered: async () => void did.push('delivered'),
    failed: async () => void did.push('failed'),
    abandoned: async () => void did.push('abandoned'),
  };
  const handler = createNotificationHandler({
    notifications: {
      address: () => ({ clientId: 'bank', endpoint: 'https://bank.example/cb', token: 't', giveUpAt }),
      message: async () => (message === 'a push' ? push : message),
    },
    outbound: {
      async request() {
        did.push('called');
        return { status, headers: {}, body: Buffer.alloc(0) };
      },
    },
    deciding: createUnderWay(),
    events: {
      async write(_partition, events) {
        if (!store) throw new Error('away');
        noted.push(...events);
      },
    },
    deliveries: {
      async append(line) {
        if (!store) throw new Error('away');
        logged.push(line);
      },
    },
    clock: clock.now,
    timers: systemTimers,
    random: () => random,
    log: watchedLog().log,
  });
  return { handler, did, noted, logged };
}

test('X-10 what nobody could deliver in time is given up without a call, and that is noted', async () => {
  const { handler, did, noted, logged } = handling('a push', { giveUpAt: clock.now() });
  expect(await handler(entryOf())).toEqual({ outcome: 'gone', reason: 'too_late' });
  expect(did).toEqual(['abandoned']);
  expect(noted).toMatchObject([
    { type: 'notification.failed', clientId: 'bank', data: { reason: 'too_late', final: true } },
  ]);
  expect(logged).toMatchObject([{ id: noted[0]!.id, clientId: 'bank', outcome: 'abandoned', reason: 'too_late' }]);
});

test('what another attempt has in hands is left to it; what is over is over', async () => {
  const busy = handling({ message: 'later', afterMs: 700 });
  expect(await busy.handler(entryOf())).toEqual({ outcome: 'later', afterMs: 700 });
  const done = handling({ message: 'done' });
  expect(await done.handler(entryOf())).toEqual({ outcome: 'accepted' });
  expect([busy.did, busy.noted, done.did, done.noted]).toEqual([[], [], [], []]);
});

test('promise 7: a delivery log that cannot be written costs nobody a second call', async () => {
  const { handler, did } = handling('a push', { store: false });
  expect(await handler(entryOf())).toEqual({ outcome: 'accepted' });
  expect(did).toEqual(['called', 'delivered']);
});

test('B06 what failed comes again between half and one and a half of the wait, as chance has it; that it waited for its turn does not count', async () => {
  const waits = [];
  for (const random of [0, 0.25, 1]) {
    const { handler } = handling('a push', { status: 503, random });
    const entry = entryOf();
    for (const claims of [1, 5, 9]) waits.push(await handler({ ...entry, attempts: claims }));
  }
  const afterMs = [500, 1000, 2000, 750, 1500, 3000, 1500, 3000, 6000];
  expect(waits).toEqual(afterMs.map((afterMs) => ({ outcome: 'retry', afterMs, reason: 'status 503' })));
});

test('TH-14 a receiver that is left alone is left so no longer when the clock is set back', () => {
  const time = createClock();
  const { enter, leave } = createReceivers({
    clock: time.now,
    options: { ...notificationDefaults, failuresToOpen: 1 },
  });
  enter('bank.example');
  leave('bank.example', false);
  time.advance(-300);
  expect(enter('bank.example')).toBe(notificationDefaults.openMs);
  time.advance(notificationDefaults.openMs / 1000);
  expect(enter('bank.example')).toBe(0);
});
