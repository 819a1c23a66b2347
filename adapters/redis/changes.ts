import type { AuditEvent } from '../../src/domain/event.ts';
import type { NewOutboxEntry } from '../../src/domain/ports/outbox.ts';
import { HOUR } from '../../src/support/clock.ts';
import { isId } from '../../src/support/ids.ts';
import { idPart } from './keys.ts';

type Rest = Omit<NewOutboxEntry, 'id' | 'dueAt' | 'expiresAt'>;

/** What a change brings along, as scripts/shared/changes.lua reads it. */
export type Changes = (events: AuditEvent[], outbox?: NewOutboxEntry[]) => string;

/**
 * @param keepMs how long events are kept
 * @param outsideNotices whether what devices are told goes into the outbox as well
 */
export function createChanges(keepMs: number, outsideNotices = false): Changes {
  return (events, outbox = []) =>
    JSON.stringify({
      events: events.map((event) => [eventText(event), ...placeOf(event, outsideNotices ? event.id : undefined)]),
      outbox: outbox.map(({ id, dueAt, expiresAt, ...rest }) => [id, dueAt, expiresAt, entryText(id, rest)]),
      keepMs,
    });
}

/**
 * Without what is said already, for many of these lie about: the operation by the key that it lies under, and the actor by the
 * client. Notices lie elsewhere too, and are whole.
 */
function eventText(event: AuditEvent): string {
  if (event.noticeUntil !== undefined) return JSON.stringify(event);
  const { operationId = '', clientId, actor } = event;
  return JSON.stringify({
    ...event,
    ...(isId(operationId) && { operationId: undefined }),
    ...(clientId !== undefined && actor === `client:${clientId}` && { actor: itsClient }),
  });
}

const itsClient = 'client';

/** `operationId`: of the list that it was found in. One that was written whole has its own. */
export function eventOf(text: string, operationId?: string): AuditEvent {
  const event: AuditEvent = { ...(operationId !== undefined && { operationId }), ...JSON.parse(text) };
  return event.actor === itsClient ? { ...event, actor: `client:${event.clientId}` } : event;
}

/** `<operation id>.<what>` says already whose entry it is: see `entryOf`. */
function entryText(id: string, rest: Rest): string {
  return JSON.stringify(operationNamedBy(id) === rest.operationId ? { ...rest, operationId: undefined } : rest);
}

export function entryOf(id: string, text: string): Rest {
  return { operationId: operationNamedBy(id), ...JSON.parse(text) };
}

const operationNamedBy = (id: string) => id.slice(0, id.indexOf('.'));

/** Whose lists an event goes to: the key parts of operation and user, '' for none. */
export function subjectOf(event: Partial<AuditEvent>): [operation: string, user: string] {
  return [partOf(event.operationId), partOf(event.userId)];
}

/**
 * Where and until when: as scripts/shared/events.lua reads it after the text.
 * @param outside the id under which a notice goes into the outbox as well
 */
export function placeOf(
  event: Pick<AuditEvent, 'operationId' | 'userId' | 'at' | 'noticeUntil'>,
  outside?: string,
): (string | number)[] {
  const { at, noticeUntil } = event;
  if (noticeUntil === undefined) return [...subjectOf(event), at];
  return [...subjectOf(event), at, noticeUntil, ...(outside === undefined ? [] : [outside])];
}

/** An event that a script completes: the JSON text after the opening brace, for `{"id":"…",` to be put before it. */
export function tailOf(event: object): string {
  return JSON.stringify(event).slice(1);
}

const partOf = (id: string | undefined) => (id === undefined || id === '' ? '' : idPart(id));

/** The store's own expiry collects garbage only: an hour after the record's own end, on a clock that need not be the caller's. */
export function lifetimeMs(end: number, now: number): number {
  return Math.ceil(Math.max(end - now, 0) + HOUR);
}

/**
 * Of what `collectGarbage` takes an hour after its end, and what stands in its index: yet an hour more, so that it comes first.
 * Redis' expiry is for what a sweep does not find.
 */
export function sweptLifetimeMs(end: number, now: number): number {
  return lifetimeMs(end, now) + HOUR;
}
