/**
 * How often a person may be asked (see StartLimits). What is noted of one person, or of nobody under one name, is one record:
 * a note for each client. shared/limits.lua of the Redis store does the same.
 */
import type { Operation } from '../../src/domain/operation.ts';
import type { Rate, Start, StartLimit } from '../../src/domain/ports/operations.ts';
import { DAY } from '../../src/support/clock.ts';
import type { Db } from './db.ts';
import { type Tx, writeEvents } from './transaction.ts';

export interface Refusal {
  limit: StartLimit;
  retryAt: number;
}

interface Note {
  /** Instants of starts, the last one and all that a rate may count. */
  s?: number[];
  /** How many ended without a yes, the first that failed left out, and when the last of them did. */
  n?: number;
  a?: number;
  /** When the person said `not_me`. */
  m?: number;
  /** Until when a refusal has been told of in the audit trail. */
  t?: number;
}

type Notes = Map<string, Note>;

const QUIET = DAY;
const NOT_ME = 7 * DAY;

export function notesOf(db: Db, userId: string): Notes {
  const row = db.get<{ record: string }>('SELECT record FROM start_notes WHERE user_id = ?', userId);
  return new Map(row ? (JSON.parse(row.record) as [string, Note][]) : []);
}

function writeNotes({ db }: Tx, userId: string, notes: Notes, now: number): void {
  const live = [...notes].filter(([, note]) => endOf(note) > now);
  if (live.length === 0) {
    db.run('DELETE FROM start_notes WHERE user_id = ?', userId);
    return;
  }
  const until = Math.max(...live.map(([, note]) => endOf(note)));
  const sql = `INSERT INTO start_notes (user_id, until, record) VALUES (?, ?, ?)
    ON CONFLICT (user_id) DO UPDATE SET until = excluded.until, record = excluded.record`;
  db.run(sql, userId, until, JSON.stringify(live));
}

/** From when on nothing of it matters. An operation that it was noted for has ended by then. */
function endOf({ s, a, m, t }: Note): number {
  return Math.max((s?.at(-1) ?? 0) + QUIET, (a ?? 0) + QUIET, m === undefined ? 0 : m + NOT_ME, t ?? 0);
}

function change(tx: Tx, userId: string, clientId: string, now: number, changed: (note: Note) => Note): void {
  const notes = notesOf(tx.db, userId);
  notes.set(clientId, changed(notes.get(clientId) ?? {}));
  writeNotes(tx, userId, notes, now);
}

/** A clock that was set back stops nobody until the time has come again: what lies ahead of `now` counts as of now, from then on. */
function notesAsOf(tx: Tx, userId: string, now: number): Notes {
  const notes = notesOf(tx.db, userId);
  const isAhead = ({ s = [], a = 0, m = 0 }: Note) => Math.max(...s, a, m) > now;
  if (![...notes.values()].some(isAhead)) return notes;
  for (const [client, note] of notes) if (isAhead(note)) notes.set(client, atMost(note, now));
  writeNotes(tx, userId, notes, now);
  return notes;
}

function atMost({ s, a, m, t: _told, ...note }: Note, now: number): Note {
  return {
    ...note,
    ...(s && { s: s.map((at) => Math.min(at, now)) }),
    ...(a !== undefined && { a: Math.min(a, now) }),
    ...(m !== undefined && { m: Math.min(m, now) }),
  };
}

/** Operations of the client that are past their time, which no sweep has written down yet: of the person, under the name. */
export interface Missed {
  person: Operation[];
  name: Operation[];
}

/** What refuses a start, apart from the caps: what the client may know of, and what only who may know of the person. */
export function rated(tx: Tx, start: Start, missed: Missed): { open: Refusal[]; ofPerson: Refusal[] } {
  const { operation, limits, now, orDecoy, decoy } = start;
  if (!limits) return { open: [], ofPerson: [] };
  const { userId, clientId } = operation;
  const notes = notesAsOf(tx, userId, now);
  const note = notes.get(clientId);
  const forClient = (of: Note | undefined, late: Operation[]) => [
    ...rate('client_rate', of?.s ?? [], limits.perClient, now),
    ...backOff(of, late, start),
  ];
  if (decoy) return { open: forClient(note, missed.name), ofPerson: [] };
  const all = [...notes.values()].flatMap(({ s }) => s ?? []);
  const ofPerson = [
    ...forClient(note, missed.person),
    ...rate('user_rate', all, limits.perUser, now),
    ...blocked(note, limits.notMeMs, now),
  ];
  if (!orDecoy) return { open: ofPerson, ofPerson: [] };
  return { open: forClient(notesAsOf(tx, orDecoy.userId, now).get(clientId), missed.name), ofPerson };
}

function rate(limit: StartLimit, starts: number[], { starts: most, windowMs }: Rate, now: number): Refusal[] {
  const counted = starts.filter((at) => at > now - windowMs).sort((a, b) => a - b);
  if (most === 0 || counted.length < most) return [];
  return [{ limit, retryAt: counted[counted.length - most]! + windowMs }];
}

function backOff(note: Note | undefined, late: Operation[], { limits, now }: Start): Refusal[] {
  const { firstMs, maxMs } = limits!.backOff;
  const ends = late.map(({ expiresAt }) => expiresAt).sort((a, b) => a - b);
  const { n = 0, a = 0 } = ends.reduce(unanswered, note ?? {});
  if (firstMs === 0 || n === 0 || now - a >= QUIET) return [];
  const retryAt = a + Math.min(firstMs * 2 ** (n - 1), maxMs);
  return retryAt > now ? [{ limit: 'back_off', retryAt }] : [];
}

function unanswered({ n = 0, a = 0, ...note }: Note, at: number): Note {
  const isAnew = at - a >= QUIET;
  return { ...note, n: isAnew ? 1 : n + 1, a: Math.max(a, at) };
}

/** Who mistypes once may try again at once: a wrong number or PIN is a person who wants to say yes. */
function failed(note: Note, at: number): Note {
  const isFirst = note.n === undefined || at - (note.a ?? 0) >= QUIET;
  return isFirst ? { ...note, n: 0, a: at } : unanswered(note, at);
}

function blocked(note: Note | undefined, notMeMs: number, now: number): Refusal[] {
  const retryAt = (note?.m ?? Number.NEGATIVE_INFINITY) + notMeMs;
  return retryAt > now ? [{ limit: 'not_me', retryAt }] : [];
}

/** Of one person, or of nobody, and the client. */
export function noteStart(tx: Tx, userId: string, { operation, limits, now }: Start): void {
  if (!limits) return;
  const since = now - Math.max(limits.perClient.windowMs, limits.perUser.windowMs);
  change(tx, userId, operation.clientId, now, ({ s = [], ...note }) => ({
    ...note,
    s: [...s.filter((at) => at > since), now],
  }));
}

/** The event of a refusal, unless the last one still tells of it. */
export function noteRefusal(tx: Tx, { operation, limits, now, refusedEvent }: Start, refusal: Refusal, told: boolean) {
  if (!limits || !refusedEvent) return;
  const { id, userId, clientId } = operation;
  if (now < (notesOf(tx.db, userId).get(clientId)?.t ?? 0)) return;
  change(tx, userId, clientId, now, (note) => ({ ...note, t: refusal.retryAt }));
  const event = { ...refusedEvent, id: `${id}.${refusedEvent.type}`, data: { limit: refusal.limit, told } };
  writeEvents(tx, [event]);
}

/** What the end of an operation means for the next start. Only where its start was noted. */
export function noteEnd(tx: Tx, operation: Operation): void {
  const { kind, state, endReason, userId, askedAs, claimOf, clientId, finishedAt: at = 0 } = operation;
  const isOwn = kind === 'registration' || claimOf !== undefined;
  const changed = isOwn ? undefined : changeBy(state, endReason, at);
  if (!changed) return;
  // a request to nobody is neither denied nor failed: the name does not learn of it
  const names = state === 'denied' || state === 'failed' || askedAs === undefined ? [userId] : [userId, askedAs];
  for (const name of names) {
    if (notesOf(tx.db, name).has(clientId)) change(tx, name, clientId, at, changed);
  }
}

function changeBy(state: Operation['state'], reason: Operation['endReason'], at: number) {
  switch (state) {
    case 'approved':
      return ({ n: _n, a: _a, ...note }: Note): Note => note;
    case 'failed':
      return (note: Note): Note => failed(note, at);
    case 'denied':
      return (note: Note): Note => ({ ...unanswered(note, at), ...(reason === 'not_me' && { m: at }) });
    case 'expired':
      return (note: Note): Note => unanswered(note, at);
    default:
      return reason === 'superseded' ? (note: Note): Note => unanswered(note, at) : undefined;
  }
}

export function liftLimits(
  tx: Tx,
  lift: { userId: string; clientId?: string; now: number; events: Parameters<typeof writeEvents>[1] },
): boolean {
  const { userId, clientId, now, events } = lift;
  const notes = notesOf(tx.db, userId);
  const isThere = clientId === undefined ? notes.size > 0 : notes.delete(clientId);
  if (!isThere) return false;
  writeNotes(tx, userId, clientId === undefined ? new Map() : notes, now);
  writeEvents(tx, events);
  return true;
}
