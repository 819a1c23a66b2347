/**
 * One event stream for all tabs of a browser profile: the tab that holds the lock reads it and tells the others.
 *
 *     follower ──the lock is free: its holder was closed────────────────> leader: reads the stream, tells every event
 *        │  ^                                                                │
 *        │  └─────────────────another tab has taken the lock─────────────────┘
 *        └──in view, and the leader is not, or does not answer──> takes the lock ──> leader
 *
 * So whoever looks at one does not depend on one in the background, which browsers slow down or put to sleep with its lock.
 * Where the browser has no locks or no channel, each tab reads a stream of its own.
 */
import { codeOf, type Device, type InboxEvent, type Notice } from '../../src/device-sdk/index.ts';

export interface Tab {
  /** Every event, whichever tab has read it; `at`, epoch milliseconds, is when the server said it. */
  hear(event: InboxEvent, at: number): void;
  /** A notice was put away in another tab. */
  dismissed(notice: string): void;
}

export interface Tabs {
  /** Resolves when the signal is aborted. @throws what `device.events` does: of this device nothing will come any more */
  follow(): Promise<void>;
  /** It was put away in this tab. */
  dismissed(notice: string): void;
}

type Message =
  | { said: 'who leads?' }
  | { said: 'leading'; inView: boolean }
  | { said: 'event'; event: InboxEvent; at: number }
  | { said: 'dismissed'; notice: string };

/** A message from tab to tab takes milliseconds, also in the background; longer than a page that is busy. */
const answerMs = 3_000;
/** A tab in view looks this often whether somebody still leads. */
const lookMs = 20_000;

export function createTabs(device: Device, tab: Tab, signal: AbortSignal): Tabs {
  const readAlone = () => device.events((event) => tab.hear(event, Date.now()), { signal });
  if (!navigator.locks || !globalThis.BroadcastChannel) return { follow: readAlone, dismissed: () => {} };

  // with a number, since tabs of two versions of this page may be open together
  const name = `assent-events-1:${device.deviceId}`;
  const channel = new BroadcastChannel(name);
  const tell = (message: Message) => channel.postMessage(message);
  let isOver = false;
  let leads = false;
  /** What a tab is told that has just been opened, while this one leads. */
  let known: Known | undefined;
  let onLeader = (_inView: boolean) => {};

  channel.onmessage = ({ data }: MessageEvent<Message>) => {
    if (data.said === 'dismissed') {
      forget(data.notice);
      tab.dismissed(data.notice);
    } else if (leads) {
      if (data.said === 'who leads?') introduce();
    } else if (data.said === 'leading') {
      onLeader(data.inView);
    } else if (data.said === 'event') {
      tab.hear(data.event, data.at);
    }
  };

  const introduce = () => {
    tell({ said: 'leading', inView: isInView() });
    if (known) tell({ said: 'event', event: inboxOf(known), at: known.at });
  };
  const forget = (notice: string) => {
    if (known) known.notices = known.notices.filter(({ id }) => id !== notice);
  };

  /** @param lost aborted when another tab has taken the lock */
  async function lead(lost: AbortSignal): Promise<void> {
    leads = true;
    known = undefined;
    const isLeft = AbortSignal.any([signal, lost]);
    const onEvent = (event: InboxEvent) => {
      if (isLeft.aborted) return;
      const at = Date.now();
      known = after(known, event, at);
      tell({ said: 'event', event, at });
      tab.hear(event, at);
    };
    await device.events(onEvent, { signal: isLeft });
  }

  /** @returns whether to take the lock the next time: nobody who is in view holds it */
  async function takeTurn(takes: boolean): Promise<boolean> {
    const lost = new AbortController();
    const nobody = new AbortController();
    const stopLooking = takes ? () => {} : lookForLeader(() => nobody.abort());
    const waits = { signal: AbortSignal.any([signal, nobody.signal]) };
    try {
      await navigator.locks.request(name, takes ? { steal: true } : waits, () => {
        stopLooking();
        return lead(lost.signal);
      });
    } catch (error) {
      const isTaken = (error as Error).name === 'AbortError' && codeOf(error) === undefined;
      if (!isTaken) throw error;
    } finally {
      stopLooking();
      leads = false;
      lost.abort();
    }
    return nobody.signal.aborted;
  }

  function lookForLeader(nobody: () => void): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(timer);
      timer = undefined;
    };
    onLeader = (inView) => {
      // all hear what one has asked for: of several tabs in view, only that one is to take over
      const hasAsked = timer !== undefined;
      heard();
      if (hasAsked && !inView && isInView()) nobody();
    };
    const look = () => {
      if (timer !== undefined || !isInView()) return;
      timer = setTimeout(nobody, answerMs);
      tell({ said: 'who leads?' });
    };
    const again = setInterval(look, lookMs);
    document.addEventListener('visibilitychange', look);
    look();
    return () => {
      heard();
      clearInterval(again);
      document.removeEventListener('visibilitychange', look);
      onLeader = () => {};
    };
  }

  return {
    async follow() {
      try {
        for (let takes = false; !signal.aborted; ) takes = await takeTurn(takes);
      } catch (error) {
        if (codeOf(error) !== undefined) throw error;
        await readAlone(); // locks that a setting of the browser forbids
      } finally {
        isOver = true;
        channel.close();
      }
    },
    dismissed(notice) {
      forget(notice);
      if (!isOver) tell({ said: 'dismissed', notice });
    },
  };
}

const isInView = () => document.visibilityState === 'visible';

interface Known {
  operations: Map<string, number>;
  notices: Notice[];
  at: number;
}

function after(known: Known | undefined, event: InboxEvent, at: number): Known | undefined {
  if (event.event === 'inbox') {
    return { operations: new Map(event.operations.map(({ op, exp }) => [op, exp])), notices: event.notices ?? [], at };
  }
  if (!known) return known;
  const operations = new Map(known.operations);
  if (event.event === 'operation') operations.set(event.op, event.exp);
  if (event.event === 'closed') operations.delete(event.op);
  const notices = event.event === 'notice' ? [...known.notices, event.notice] : known.notices;
  return { operations, notices, at };
}

function inboxOf({ operations, notices }: Known): InboxEvent {
  return { event: 'inbox', operations: [...operations].map(([op, exp]) => ({ op, exp })), notices };
}
