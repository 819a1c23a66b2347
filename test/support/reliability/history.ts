/**
 * What clients and phones saw, in the order in which they saw it. Nothing in here comes from the server's side, so that
 * the checker can hold the one against the other. Instants are milliseconds of this process's monotonic clock.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

/** One HTTP exchange, from the caller's side. */
export interface Call {
  kind: 'call';
  what: string;
  sentAt: number;
  endedAt: number;
  /** Absent where no answer arrived. */
  status?: number;
  /** Why none arrived; `timeout` is never excused. */
  lost?: string;
  retryAfter?: string;
  /** It asked to be held for so long at most. */
  heldMs?: number;
}

/** `POST /bc-authorize`. `request` is the caller's own name for it: the answer may never arrive. */
export interface Started {
  kind: 'started';
  request: string;
  client: string;
  user: string;
  at: number;
  expiresAt: number;
}

/** `POST /oauth/token` for one request. */
export interface Polled {
  kind: 'polled';
  request: string;
  client: string;
  sentAt: number;
  endedAt: number;
  /** `tokens`, an OAuth error code, or `lost`. */
  answer: string;
  /** Tells two token sets apart. */
  tokens?: string;
}

/** A phone's answer. `unknown`: it was sent, and what became of it did not arrive. */
export interface Decided {
  kind: 'decided';
  request: string;
  phone: string;
  decision: 'approve' | 'deny';
  sentAt: number;
  endedAt: number;
  outcome: 'acknowledged' | 'refused' | 'unknown';
  code?: string;
}

/** The requests that a phone was shown as waiting. */
export interface Listed {
  kind: 'listed';
  user: string;
  sentAt: number;
  requests: string[];
}

/** From the moment before the fault until the server is ready again: no answer is excused in here, and only in here. */
export interface Outage {
  kind: 'outage';
  from: number;
  until: number;
}

/** From here on no tokens may come of it: cancelled by the client, or the user or the device was locked. */
export interface Stopped {
  kind: 'stopped';
  request: string;
  at: number;
}

export type HistoryEvent = Call | Started | Polled | Decided | Listed | Outage | Stopped;

export interface History {
  readonly events: readonly HistoryEvent[];
  append(event: HistoryEvent): void;
  close(): void;
}

export const now = (): number => performance.now();

/** @param file where every event also goes at once, one line each: what is left to look at when a run goes wrong */
export function createHistory(file?: string): History {
  const events: HistoryEvent[] = [];
  const handle = file === undefined ? undefined : openSync(file, 'a');
  return {
    events,
    append(event) {
      events.push(event);
      if (handle !== undefined) writeSync(handle, `${JSON.stringify(event)}\n`);
    },
    close() {
      if (handle !== undefined) closeSync(handle);
    },
  };
}
