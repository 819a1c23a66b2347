/** What people are told outside of their devices, on one store. Called once for each. */
import { createDispatcher } from '../../src/channels/dispatcher.ts';
import { createOutsideNoticeHandler } from '../../src/channels/outside-notices.ts';
import { createOutsideNotices, type NoticeTeller, type OutsideNotice } from '../../src/domain/outside-notices.ts';
import type { Store } from '../../src/domain/ports/store.ts';
import type { NewUser } from '../../src/domain/users.ts';
import { HOUR } from '../../src/support/clock.ts';
import { ALL_PARTITIONS } from '../../src/support/ids.ts';
import { by, enroll, newUser, openScene, type Scene } from '../domain/scene.ts';
import { watchedLog } from '../support/log.ts';
import { createTimers } from '../support/timers.ts';

export interface OutsideScene {
  scene: Scene;
  /** A process with this module; ends with the test, unless it is killed before. */
  process: (tell: NoticeTeller) => Promise<TellingProcess>;
  backlog: () => Promise<number>;
  close: () => Promise<void>;
}

interface TellingProcess {
  advance(seconds: number): Promise<void>;
  idle(): Promise<void>;
  stop(): Promise<void>;
  logged: () => Record<string, unknown>[];
}

export async function openOutside(store: Store): Promise<OutsideScene> {
  const scene = await openScene({ store });
  const running: TellingProcess[] = [];

  async function process(tell: NoticeTeller): Promise<TellingProcess> {
    const timers = createTimers(scene.clock);
    const { log, lines } = watchedLog();
    const common = { clock: scene.clock.now, timers, log };
    const notice = createOutsideNoticeHandler({
      ...{ ...common, tell, events: store.events, random: () => 0.5 },
      notices: createOutsideNotices(scene),
    });
    const inbox = async () => ({ outcome: 'accepted' as const });
    const dispatcher = createDispatcher({
      ...{ ...common, ...store, handlers: { notice, inbox } },
      holder: `process ${running.length}`,
      // days pass here, and nothing needs to be found that a wake-up told of; but for what a dead process has left
      options: { walkMs: HOUR },
    });
    await dispatcher.start();
    const started = {
      async advance(seconds: number) {
        timers.advance(seconds);
        await dispatcher.idle();
      },
      idle: dispatcher.idle,
      stop: dispatcher.stop,
      logged: lines,
    };
    running.push(started);
    return started;
  }

  return {
    scene,
    process,
    backlog: async () => (await store.outbox.backlog(ALL_PARTITIONS)).count,
    async close() {
      await Promise.all(running.map((each) => each.stop()));
      await scene.close();
    },
  };
}

export const alice: NewUser = {
  username: 'alice',
  name: 'Alice Example',
  email: 'alice@example.test',
  phone: '+31612345678',
  language: 'nl',
};

/** Somebody with one device, which is locked: there is no other one that could be told. */
export async function lockedOut({ scene }: OutsideScene) {
  const user = await newUser(scene, alice);
  const device = await enroll(scene, user);
  await scene.devices.lock(device.id, by);
  return { user, device };
}

/** A module that fails so often, and then works. */
export function gateway({ failures = 0 } = {}) {
  const told: { notice: OutsideNotice; attempt: number }[] = [];
  const tell: NoticeTeller = (notice, { attempt }) => {
    told.push({ notice, attempt });
    if (told.length <= failures) throw new Error(`no route to ${notice.user.email}`);
  };
  return { told, tell };
}

/** A module that answers when a test says so. */
export function hanging() {
  const asked: { notice: OutsideNotice; signal: AbortSignal; answer: () => void }[] = [];
  let next = () => {};
  const tell: NoticeTeller = (notice, { signal }) =>
    new Promise<void>((answer) => {
      asked.push({ notice, signal, answer });
      next();
    });
  const until = async (count: number) => {
    while (asked.length < count) await new Promise<void>((resolve) => (next = resolve));
  };
  return { asked, tell, until };
}

export function outsideNotices(open: () => Promise<Store>): void {
  let outside: OutsideScene;
  beforeEach(async () => {
    outside = await openOutside(await open());
  });
  afterEach(() => outside.close());

  const audit = async (userId: string) =>
    (await outside.scene.store.events.ofUser(userId, 50)).filter(({ type }) => type.startsWith('notice.'));

  test('who has one device and no other is told of it where the module says', async () => {
    const { scene } = outside;
    const { user, device } = await lockedOut(outside);
    const { told, tell } = gateway();
    await (await outside.process(tell)).idle();
    const [event] = (await scene.store.events.ofUser(user.id, 9)).filter(({ type }) => type === 'device.locked');
    expect(told).toEqual([
      {
        notice: {
          id: event!.id,
          type: 'device.locked',
          at: new Date(scene.clock.now()).toISOString(),
          actor: 'management:test',
          user: { id: user.id, ...alice },
          device: { id: device.id, state: 'locked', application: 'Web authenticator' },
        },
        attempt: 1,
      },
    ]);
    const data = { notice: 'device.locked', attempt: 1 };
    expect(await audit(user.id)).toMatchObject([{ type: 'notice.sent', deviceId: device.id, data }]);
    expect(JSON.stringify(await audit(user.id))).not.toContain(alice.email);
    expect(await outside.backlog()).toBe(0);
  });

  test('promise 7: what failed comes again with the same id, later and later, and is told once', async () => {
    const { user } = await lockedOut(outside);
    const { told, tell } = gateway({ failures: 2 });
    const process = await outside.process(tell);
    await process.idle();
    expect(told).toHaveLength(1);
    await process.advance(1);
    expect(told).toHaveLength(2);
    await process.advance(1);
    expect(told).toHaveLength(2);
    await process.advance(1);
    expect(told.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(told.map(({ notice }) => notice.id)).size).toBe(1);
    expect(await outside.backlog()).toBe(0);
    await process.advance(3600);
    expect(told).toHaveLength(3);
    expect((await audit(user.id)).map(({ type }) => type)).toEqual(['notice.sent']);
    // the module's words are in the log, addresses are not
    const failed = process.logged().filter(({ event }) => event === 'notice.not_told');
    expect(JSON.stringify(failed)).toContain('no route to [email]');
  });

  test('promise 7: a process that dies while the module works leaves the notice to another one', async () => {
    await lockedOut(outside);
    const { asked, tell: hang, until } = hanging();
    const dead = await outside.process(hang);
    await until(1);
    // its timers stand still from here on, and nothing waits for it
    dead.stop = async () => {};

    const { told, tell } = gateway();
    const next = await outside.process(tell);
    await next.advance(14);
    expect(told).toEqual([]);
    await next.advance(16);
    expect(told).toMatchObject([{ notice: { id: asked[0]!.notice.id }, attempt: 2 }]);
    expect([asked.length, await outside.backlog()]).toEqual([1, 0]);
  });
}
