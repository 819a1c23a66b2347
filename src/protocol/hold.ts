/**
 * Token requests that wait for the decision (CIBA Core 10.1, long polling).
 *
 *     begin ──> poll: pending ──> until ──told of the end, time over──> `look`: poll once more, answer
 *                                   ├────the server stops─────────────> `stop`: answer as the poll did; the store knows of no hold
 *                                   └────the caller is gone───────────> `gone`
 *
 * Listening begins before the poll, so no decision falls between the two. A request that waits costs a timer and two
 * entries in maps: no store connection, no lease.
 */
import type { ServerResponse } from 'node:http';
import { createAtATime, type Turn } from '../support/at-a-time.ts';
import { systemTimers, type Timers } from '../support/timers.ts';

export interface HoldLimits {
  /** Held requests of one client, and of all clients, in this process. Who comes beyond is answered at once. */
  perClient: number;
  perProcess: number;
}

type Ended = 'look' | 'stop' | 'gone';

export interface Hold {
  readonly ms: number;
  /** The time runs from `begin`. */
  until(res: ServerResponse): Promise<Ended>;
  /** It has been answered, or never will be: whoever waits for a turn may go on. */
  end(): void;
}

export interface Holds {
  /** undefined: no room. */
  begin(asked: HeldPoll & { clientId: string; ms: number; limits: HoldLimits }): Hold | undefined;
}

/** `holder` names the request, as in the store's `Poll`. */
interface HeldPoll {
  operationId: string;
  holder: string;
}

interface Deps {
  /** Calls back when the operation has ended, from any process; the answer stops it. */
  watchOperation: (operationId: string, listener: () => void) => () => void;
  /** Aborted when the process drains: nobody waits any longer. */
  stopping?: AbortSignal;
  /** Tells the store of many at once that they are not held any more. */
  endHolds: (holds: HeldPoll[]) => Promise<void>;
  timers?: Timers;
}

interface Open extends HeldPoll {
  /** It knows of nothing yet, and may be stopped. */
  waits: boolean;
  look(): void;
  stop(): void;
}

/**
 * RL-15: thousands that wake at the same moment (their time is over, one wake-up tells of many) go on some at a time, and
 * others only as these have their answers. Let loose all at once they would stand in one another's way until the store's
 * answers, which are there, count as late. So many keep a core busy also where the store is some way off.
 */
const lookingAtATime = 64;

/** Nobody looks any more when the server stops, so these are more in one turn of the event loop. */
const stoppedAtATime = 200;

export function createHolds({ watchOperation, stopping, endHolds, timers = systemTimers }: Deps): Holds {
  const open = new Set<Open>();
  const perClient = new Map<string, number>();
  const looking = createAtATime(lookingAtATime);
  // one listener for all, and none of theirs
  stopping?.addEventListener('abort', () => void stopAll([...open]));

  /**
   * RL-19: asked to come again, which they may do at once, at another server: what became of their requests meanwhile they are
   * told there. To look once more for each of ten thousand would take longer than a shutdown should.
   */
  async function stopAll(all: Open[]): Promise<void> {
    for (const { look } of all.filter(({ waits }) => !waits)) look();
    // neighbours in the store are one call
    const waiting = all.filter(({ waits }) => waits).sort((a, b) => (a.operationId < b.operationId ? -1 : 1));
    const oneSlice = createAtATime(1);
    const stopSome = async (some: Open[]) => {
      // without the store a hold ends by itself, at its time
      await endHolds(some).catch(() => {});
      await oneSlice.run(async () => {
        for (const { stop } of some) stop();
      });
    };
    await Promise.all(slices(waiting, stoppedAtATime).map(stopSome));
  }

  function count(clientId: string, by: 1 | -1): void {
    const now = (perClient.get(clientId) ?? 0) + by;
    if (now === 0) perClient.delete(clientId);
    else perClient.set(clientId, now);
  }

  return {
    begin({ clientId, operationId, holder, ms, limits }) {
      const isFull = open.size >= limits.perProcess || (perClient.get(clientId) ?? 0) >= limits.perClient;
      if (isFull || stopping?.aborted) return undefined;
      const { promise, resolve } = Promise.withResolvers<Ended>();
      let turn: Turn | undefined;
      const own: Open = {
        operationId,
        holder,
        waits: false,
        look() {
          own.waits = false;
          turn ??= looking.take(() => resolve('look'));
        },
        stop: () => resolve('stop'),
      };
      const gone = () => resolve('gone');
      const unwatch = watchOperation(operationId, own.look);
      const cancel = timers.after(ms, own.look);
      let waiting: ServerResponse | undefined;
      open.add(own);
      count(clientId, 1);
      return {
        ms,
        until(res) {
          waiting = res;
          own.waits = turn === undefined;
          if (res.destroyed) gone();
          else res.once('close', gone);
          return promise;
        },
        end() {
          if (!open.delete(own)) return;
          turn?.end();
          count(clientId, -1);
          unwatch();
          cancel();
          waiting?.off('close', gone);
        },
      };
    },
  };
}

function slices<T>(all: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
