/**
 * The event stream of one device (device-protocol, sections 2 and 7): the whole inbox first, then what comes and goes.
 * Numbered without gaps, a heartbeat while nothing happens, ended by the server after a while: the device connects
 * again, so its state, its session and the balance over processes never grow old.
 *
 *     open ──> subscribed ──> inbox (1) ──wake-up──> operation (2) ──wake-up──> closed (3) ──> … ──> ended: time over,
 *                                                                   device not usable, reader too slow, store away
 */
import type { Clock } from '../support/clock.ts';
import type { Timers } from '../support/timers.ts';
import type { ClientStanding } from './client-standing.ts';
import type { Device } from './device.ts';
import { type InboxAnswer, type StreamEvent, sealEvent } from './device-messages/index.ts';
import type { DeviceRequests } from './device-requests.ts';
import { DomainError } from './errors.ts';
import type { Inbox } from './inbox.ts';
import type { Store } from './ports/store.ts';

/** Where the events go. */
export interface Sink {
  /** False: the reader does not keep up. */
  event(sealed: string): boolean;
  heartbeat(): void;
  end(): void;
}

/** Tells when something of a user may have changed. A hint: it may come late, doubled or for nothing. */
export interface UserWatch {
  watch(userId: string, listener: () => void): Promise<() => void>;
}

export interface InboxStreams {
  /**
   * Resolves when the stream is subscribed and its first event is out. Call the answer when the reader is gone.
   *
   * @throws DomainError unavailable, after `endAll`
   */
  open(stream: { device: Device; rk: Uint8Array; sink: Sink }): Promise<() => void>;
  /** How many are open. */
  count(): number;
  /**
   * Ends all: the process stops, devices connect to another one. A few at a time, within `withinMs`: all that are told at once
   * come back at once, each with a key agreement (RL-15).
   */
  endAll(withinMs: number): void;
}

/** Ended in one go, as often as this: at most two thousand devices a second come back. */
const endedTogether = 200;
const endedEveryMs = 100;

interface Deps {
  store: Pick<Store, 'devices' | 'operations'>;
  inbox: Pick<Inbox, 'of'>;
  clients: Pick<ClientStanding, 'stateFor'>;
  requests: Pick<DeviceRequests, 'refuseUnusable'>;
  watch: UserWatch;
  clock: Clock;
  timers: Timers;
  /** Section 7: a comment every 15 s, an end at 55 s, below what proxies cut. */
  heartbeatMs: number;
  lifetimeMs: number;
  /** One more ends the oldest: a device that lost a connection comes back before this server knows. */
  perDevice: number;
}

export function createInboxStreams(deps: Deps): InboxStreams {
  const open = new Set<() => void>();
  const ofDevice = new Map<string, (() => void)[]>();
  let isOver = false;

  function leave(id: string, end: () => void): void {
    open.delete(end);
    const others = (ofDevice.get(id) ?? []).filter((each) => each !== end);
    if (others.length > 0) ofDevice.set(id, others);
    else ofDevice.delete(id);
  }

  function endSome(count: number): void {
    for (const end of [...open].slice(0, count)) end();
    if (open.size > 0) deps.timers.after(endedEveryMs, () => endSome(count));
  }

  return {
    async open({ device, rk, sink }) {
      // on the connection of the stream that has just ended: nobody would tell this one to end
      if (isOver) throw new DomainError('unavailable', { detail: 'the process stops' });
      const stream = createStream(deps, device, rk, sink, () => leave(device.id, stream.end));
      open.add(stream.end);
      const all = [...(ofDevice.get(device.id) ?? []), stream.end];
      ofDevice.set(device.id, all);
      if (all.length > deps.perDevice) all[0]!();
      try {
        await stream.start();
      } catch (error) {
        stream.end();
        throw error;
      }
      return stream.end;
    },
    count: () => open.size,
    endAll: (withinMs) => {
      isOver = true;
      const times = Math.max(1, Math.floor(withinMs / endedEveryMs));
      endSome(Math.max(endedTogether, Math.ceil(open.size / times)));
    },
  };
}

function createStream(deps: Deps, { id, userId, generation }: Device, rk: Uint8Array, sink: Sink, onEnd: () => void) {
  const { store, inbox, clients, requests, watch, clock, timers, heartbeatMs, lifetimeMs } = deps;
  const cleanup: (() => void)[] = [];
  let isEnded = false;
  let seq = 0;
  let shown: Set<string> | undefined;
  const noticed = new Set<string>();
  /** A look under way. At first that of `start`: wake-ups before it are answered by it. */
  let refreshing: Promise<void> | undefined = Promise.resolve();
  let isStale = false;

  async function start(): Promise<void> {
    // subscribed before the first look: what happens between the two is told twice rather than never
    const unwatch = await watch.watch(userId, () => void refreshSoon());
    if (isEnded) return unwatch();
    cleanup.push(unwatch, timers.after(lifetimeMs, end));
    beat();
    refreshing = refresh();
    await refreshing;
    refreshing = undefined;
    if (isStale) void refreshSoon();
  }

  /** One look at a time; wake-ups that come meanwhile are answered by one more. */
  async function refreshSoon(): Promise<void> {
    isStale = true;
    if (refreshing) return;
    while (isStale && !isEnded) {
      isStale = false;
      refreshing = refresh().catch(end); // the store is away: the device asks another process, or again
      await refreshing;
      refreshing = undefined;
    }
  }

  async function refresh(): Promise<void> {
    const known = await store.devices.withUser(id, undefined, clock());
    if (isEnded) return;
    const device = known?.device;
    const isUsable = known !== undefined && !refusal(() => requests.refuseUnusable('events', known));
    if (!device || !isUsable) {
      send({ event: 'device', state: device?.state === 'active' ? 'locked' : (device?.state ?? 'deactivated') });
      return end();
    }
    if (device.generation !== generation) return end(); // its session ended with the keys
    await tell(await inbox.of(device, known.notices));
  }

  async function tell(answer: InboxAnswer): Promise<void> {
    const before = shown;
    shown = new Set(answer.operations.map(({ op }) => op));
    const news = answer.notices.filter(({ id: notice }) => !noticed.has(notice));
    for (const notice of news) noticed.add(notice.id);
    if (!before) return send({ event: 'inbox', ...answer, stream_seconds: Math.ceil(lifetimeMs / 1000) });
    for (const notice of news) send({ event: 'notice', notice });
    for (const { op, exp } of answer.operations) if (!before.has(op)) send({ event: 'operation', op, exp });
    for (const op of before) if (!shown.has(op)) send({ event: 'closed', op, state: await endOf(op) });
  }

  /** Past its time to answer is over for a device, whatever the record says yet. */
  async function endOf(op: string): Promise<string> {
    const operation = await store.operations.get(op);
    const state = operation && (await clients.stateFor(operation, clock()));
    return !state || state === 'pending' ? 'expired' : state;
  }

  function send(event: StreamEvent): void {
    if (isEnded) return;
    seq += 1;
    if (!sink.event(sealEvent(rk, seq, event, clock()))) end();
  }

  function beat(): void {
    const cancel = timers.after(heartbeatMs, () => {
      cleanup.splice(cleanup.indexOf(cancel), 1);
      sink.heartbeat();
      beat();
    });
    cleanup.push(cancel);
  }

  function end(): void {
    if (isEnded) return;
    isEnded = true;
    for (const undo of cleanup) undo();
    onEnd();
    sink.end();
  }

  return { start, end };
}

function refusal(check: () => void): boolean {
  try {
    check();
    return false;
  } catch (error) {
    if (error instanceof DomainError) return true;
    throw error;
  }
}
