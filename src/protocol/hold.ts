/**
 * Token requests that wait for the decision (CIBA Core 10.1, long polling).
 *
 *     begin ──> poll: pending ──> until ──told of the end, time over, server stopping──> `look`: poll once more, answer
 *                                   └────the caller is gone────────────────────────────> `gone`
 *
 * Listening begins before the poll, so no decision falls between the two. A request that waits costs a timer and two
 * entries in maps: no store connection, no lease.
 */
import type { ServerResponse } from 'node:http';
import { systemTimers, type Timers } from '../support/timers.ts';

export interface HoldLimits {
  /** Held requests of one client, and of all clients, in this process. Who comes beyond is answered at once. */
  perClient: number;
  perProcess: number;
}

export interface Hold {
  readonly ms: number;
  /** The time runs from `begin`. */
  until(res: ServerResponse): Promise<'look' | 'gone'>;
  /** It has been answered, or never will be: whoever waits for a turn may go on. */
  end(): void;
}

export interface Holds {
  /** undefined: no room. */
  begin(asked: { clientId: string; operationId: string; ms: number; limits: HoldLimits }): Hold | undefined;
}

interface Deps {
  /** Calls back when the operation has ended, from any process; the answer stops it. */
  watchOperation: (operationId: string, listener: () => void) => () => void;
  /** Aborted when the process drains: nobody waits any longer. */
  stopping?: AbortSignal;
  timers?: Timers;
}

export function createHolds({ watchOperation, stopping, timers = systemTimers }: Deps): Holds {
  const open = new Set<() => void>();
  const perClient = new Map<string, number>();
  const inTurn = createTurns();
  // one listener for all, and none of theirs
  stopping?.addEventListener('abort', () => {
    for (const look of open) look();
  });

  function count(clientId: string, by: 1 | -1): void {
    const now = (perClient.get(clientId) ?? 0) + by;
    if (now === 0) perClient.delete(clientId);
    else perClient.set(clientId, now);
  }

  return {
    begin({ clientId, operationId, ms, limits }) {
      const isFull = open.size >= limits.perProcess || (perClient.get(clientId) ?? 0) >= limits.perClient;
      if (isFull || stopping?.aborted) return undefined;
      const { promise, resolve } = Promise.withResolvers<'look' | 'gone'>();
      let turn: Turn | undefined;
      const look = () => {
        turn ??= inTurn(() => resolve('look'));
      };
      const gone = () => resolve('gone');
      const unwatch = watchOperation(operationId, look);
      const cancel = timers.after(ms, look);
      let waiting: ServerResponse | undefined;
      open.add(look);
      count(clientId, 1);
      return {
        ms,
        until(res) {
          waiting = res;
          if (res.destroyed) gone();
          else res.once('close', gone);
          return promise;
        },
        end() {
          if (!open.delete(look)) return;
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

/** From when its time comes until `end`; ended before, its time never comes. */
interface Turn {
  end(): void;
}

/**
 * RL-15: thousands that wake at the same moment (their time is over, the server stops, one wake-up tells of many) go on
 * some at a time, and others only as these have their answers. Let loose all at once they would stand in one another's way
 * until the store's answers, which are there, count as late. So many keep a core busy also where the
 * store is some way off (with half of it, ten thousand took longer than a shutdown may); when all of them make tokens in one
 * turn of the event loop, that is thirty milliseconds.
 */
function createTurns(size = 64): (resume: () => void) => Turn {
  const queue = new Set<() => void>();
  let awake = 0;
  let isPlanned = false;
  const next = () => {
    isPlanned = false;
    for (const begin of queue) {
      if (awake >= size) return;
      queue.delete(begin);
      awake++;
      begin();
    }
  };
  const plan = () => {
    if (isPlanned || queue.size === 0 || awake >= size) return;
    isPlanned = true;
    setImmediate(next);
  };
  return (resume) => {
    queue.add(resume);
    plan();
    return {
      end() {
        if (!queue.delete(resume)) awake--;
        plan();
      },
    };
  };
}
