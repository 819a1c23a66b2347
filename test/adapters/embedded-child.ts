/**
 * A process of its own for the tests that kill, trace and starve one: writes and acknowledges, one line each, until it is
 * told to stop or dies. `node embedded-child.ts <what> <file> <count>`
 */
import { writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { type EmbeddedStore, openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { openWriter } from '../../adapters/embedded/open.ts';
import { useOnce } from '../../adapters/embedded/records.ts';
import { aDecision, aDevice, anEvent, anOperation, aReceipt, aTicket, aUser, T0 } from '../support/records.ts';

// A pipe of its own: Node makes standard output non-blocking as soon as there is a thread, and then a write may fail.
const PIPE = 3;

/** Acknowledged once this returns: the bytes are in the pipe, whatever happens to this process. */
const acknowledge = (line: object) => writeSync(PIPE, `${JSON.stringify(line)}\n`);
const acknowledgeAll = (lines: string[]) => {
  for (const line of lines) writeSync(PIPE, `${line}\n`);
};

const [what = '', file = '', count = '0'] = process.argv.slice(2);
const GROUP = 10;
const use = (id: string) => ({ scope: 'child', id, now: T0, until: T0 + 1 });

const behaviours: Record<string, () => Promise<void>> = {
  /** Holds the file until it is killed. */
  async hold() {
    await openEmbeddedStore({ file });
    acknowledge({ opened: process.pid });
    await wait(2 ** 30);
  },

  /** Flows without end, several at once. */
  async load() {
    const store = await openEmbeddedStore({ file });
    acknowledge({ opened: process.pid });
    await Promise.all(Array.from({ length: 8 }, () => flows(store)));
  },

  /** Groups of writes; nothing is under way while a group is acknowledged. */
  async groups() {
    const store = await openEmbeddedStore({ file });
    for (let done = 0; done < Number(count); done += GROUP) {
      const ids = Array.from({ length: GROUP }, (_, i) => `${done + i}`);
      await Promise.all(ids.map((id) => store.replay.once(use(id))));
      acknowledgeAll(ids.map((id) => `ack ${id}`));
    }
    await store.close();
  },

  /** What `groups` does, through the same code, but with the setting that must never be: for a test of the test. */
  async 'groups-synchronous-normal'() {
    const connection = openWriter(file);
    connection.use((db) => db.exec('PRAGMA synchronous = NORMAL'));
    for (let done = 0; done < Number(count); done += GROUP) {
      const ids = Array.from({ length: GROUP }, (_, i) => `${done + i}`);
      connection.use((db) => {
        db.exec('BEGIN IMMEDIATE');
        for (const id of ids) useOnce({ db, outsideNotices: false, wake() {} }, use(id));
        db.exec('COMMIT');
      });
      acknowledgeAll(ids.map((id) => `ack ${id}`));
    }
    connection.close();
  },

  /** One write after the other, each acknowledged with its outcome, however many of them fail. */
  async stubborn() {
    const tell = (event: string) => acknowledge({ log: event });
    const store = await openEmbeddedStore({ file, log: { warn: tell, error: tell } });
    for (let i = 0; i < Number(count); i++) {
      const id = `${i}:${'x'.repeat(2000)}`;
      const outcome = await store.replay.once(use(id)).then(
        () => ({ used: id }),
        (error: Error) => ({ failed: error.name }),
      );
      acknowledge(outcome);
      // what is stored stays readable, whatever the disk says to writes
      await store.users.get('00');
    }
    await store.close();
  },
};

async function flows(store: EmbeddedStore): Promise<never> {
  for (;;) await flow(store);
}

/** Enrollment, request, try, decision, redemption; each step acknowledged when the store has answered. */
async function flow(store: EmbeddedStore): Promise<void> {
  const user = aUser();
  await store.users.create(user, T0, []);
  acknowledge({ user: user.id, identifier: user.identifiers.username });
  const cap = { perClient: 9, policy: 'refuse' as const, perUser: 9 };
  const ticket = aTicket(user);
  await store.operations.start({ operation: ticket, cap, now: T0, events: [], outbox: [] });
  const device = aDevice(user, { operationId: ticket.id });
  await store.operations.bindTicket({ operationId: ticket.id, thumbprint: 't', device, now: T0, events: [] });
  const replacedEvent = { type: 'device.replaced' as const, at: T0 };
  await store.devices.activate({ device, mode: 'single', now: T0, events: [], replacedEvent });
  acknowledge({ device: device.id });

  const operation = anOperation(user);
  const started = anEvent(operation, 'operation.started', { operationId: operation.id });
  await store.operations.start({ operation, cap, now: T0, events: [started], outbox: [] });
  acknowledge({ operation: operation.id, event: started.id });
  const about = { operationId: operation.id, deviceId: device.id, now: T0 };
  const limits = { pin: 5, number: 5, pinLifetime: 100 };
  await store.operations.reserveAttempt({ ...about, jwsHash: 'h', counts: ['pin'], limits, leaseMs: 10_000 });
  acknowledge({ tried: device.id });
  const decision = aDecision(device, { approved: Math.random() < 0.7 });
  const rest = { clear: [], events: [], outbox: [], receipt: aReceipt(device) };
  await store.operations.decide({ ...about, ...rest, userId: user.id, decision });
  acknowledge({ decided: operation.id, approved: decision.approved, jwsHash: decision.jwsHash });
  await store.replay.once(use(operation.id));
  acknowledge({ used: operation.id });
  if (decision.approved) await redeem(store, operation);
}

async function redeem(store: EmbeddedStore, operation: ReturnType<typeof anOperation>): Promise<void> {
  const pacing = { toleranceMs: 0, stepSeconds: 5, maxSeconds: 60 };
  const poll = { operationId: operation.id, clientId: operation.clientId, now: T0, holder: 'h', leaseMs: 5000, pacing };
  await store.operations.poll(poll);
  const response = `sealed.${operation.id}`;
  const commit = { operationId: operation.id, holder: 'h', now: T0, until: T0, response, binding: '', events: [] };
  await store.operations.commit({ ...commit, replayUntil: T0 + 1000 });
  acknowledge({ committed: operation.id, response });
  await store.operations.delivered({ operationId: operation.id, holder: 'h', now: T0, events: [] });
  acknowledge({ delivered: operation.id });
}

await behaviours[what]!();
