import { createDispatcher } from '../../src/channels/dispatcher.ts';
import { createNotificationHandler, type NotificationOptions } from '../../src/channels/notifications.ts';
import { createOutbound, type OutboundOptions } from '../../src/support/outbound.ts';
import { systemTimers, type Timers } from '../../src/support/timers.ts';
import { createUnderWay, type UnderWay } from '../../src/support/under-way.ts';
import type { Authority } from '../support/certificates.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { openProtocol, type ProtocolOptions, type ProtocolScene } from './scene.ts';

export interface NotifiedOptions extends Omit<ProtocolOptions, 'clients'> {
  /** The receiver is there before the provider: clients are registered with its address. */
  clients: (receiver: Receiver) => ProtocolOptions['clients'];
  authority?: Authority;
  outbound?: Partial<OutboundOptions>;
  delivery?: Partial<NotificationOptions>;
  /** What the first attempt waits by. */
  leaving?: Timers;
  /** Decisions that are not answered yet. */
  deciding?: UnderWay;
}

export type NotifiedScene = ProtocolScene & {
  receiver: Receiver;
  quiet(): Promise<void>;
  later(seconds: number): Promise<void>;
};

/** The provider, and what carries its notifications to a real receiver on the loopback. */
export async function openNotified({
  clients,
  authority,
  outbound,
  delivery,
  leaving = systemTimers,
  deciding = createUnderWay(),
  ...options
}: NotifiedOptions): Promise<NotifiedScene> {
  const receiver = await startReceiver({ ...(authority && { authority }) });
  const scene = await openProtocol({ ...options, clients: clients(receiver) });
  const { store, clock, timers, deps } = scene;
  const handler = createNotificationHandler({
    notifications: scene.protocol.notifications,
    outbound: createOutbound({ allowLoopback: true, ca: [receiver.ca], ...outbound }),
    events: store.events,
    deliveries: scene.deliveries,
    deciding,
    clock: clock.now,
    timers: leaving,
    random: () => 0.5,
    log: deps.log,
    options: { leaveAfterMs: 0, ...delivery },
  });
  const dispatcher = createDispatcher({
    outbox: store.outbox,
    wakeups: store.wakeups,
    handlers: { inbox: async () => ({ outcome: 'accepted' }), ping: handler, push: handler },
    clock: clock.now,
    timers,
    holder: 'test',
    log: deps.log,
  });
  await dispatcher.start();
  // a wake-up is heard a moment after the change that it tells of
  const quiet = async () => {
    for (let i = 0; i < 3; i++) {
      await new Promise(setImmediate);
      await dispatcher.idle();
    }
  };
  return {
    ...scene,
    receiver,
    /** Whatever is due has been delivered, or tried. */
    quiet,
    /** What becomes due meanwhile is tried at its time. */
    async later(seconds: number) {
      for (let i = 0; i < seconds; i++) {
        timers.advance(1);
        await quiet();
      }
    },
    async close() {
      receiver.answers(503);
      await dispatcher.stop();
      await scene.close();
      await receiver.close();
    },
  };
}

export function notifiedForEach(options: NotifiedOptions): NotifiedScene {
  let scene: NotifiedScene;
  beforeEach(async () => {
    scene = await openNotified(options);
  });
  afterEach(() => scene.close());
  return new Proxy({} as NotifiedScene, { get: (_target, name) => scene[name as keyof NotifiedScene] });
}
