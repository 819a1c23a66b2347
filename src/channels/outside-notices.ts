/**
 * Notices to people by whoever runs the server: mail, messages, whatever `plugins.notice` can send.
 *
 *     resolves ────────────────────> told
 *     throws, or says nothing ─────> again, later and later up to an hour, for as long as devices are told ──> given up
 *
 * At least once, with the same id. A gateway that is slow or down keeps nothing else from leaving: a few notices at a time, and
 * after some failures one now and then. What was told, and what was given up, is an audit event; addresses are never in it.
 */
import type { AuditEvent } from '../domain/event.ts';
import type { NoticeTeller, OutsideNotice, OutsideNotices } from '../domain/outside-notices.ts';
import type { OutboxEntry } from '../domain/ports/outbox.ts';
import type { EventStore } from '../domain/ports/records.ts';
import { type Clock, HOUR, SECOND } from '../support/clock.ts';
import { partitionOf } from '../support/ids.ts';
import { inTime } from '../support/in-time.ts';
import type { Timers } from '../support/timers.ts';
import type { DeliveryOutcome, Handler } from './outcome.ts';
import { createReceivers } from './receivers.ts';

interface Deps {
  notices: OutsideNotices;
  tell: NoticeTeller;
  events: Pick<EventStore, 'write'>;
  clock: Clock;
  timers: Timers;
  /** Between 0 and 1. */
  random: () => number;
  log: Record<'warn', (event: string, fields: Record<string, unknown>) => void>;
}

/** Below the dispatcher's lease. */
const deadlineMs = 10 * SECOND;
const retry = { firstMs: SECOND, maxMs: HOUR };
/** The last attempt is so long before the end of the entry, which is then noted and does not just come. */
const marginMs = HOUR;
const receiver = 'plugins.notice';
const limits = { perHost: 4, perWellHost: 4, failuresToOpen: 5, openMs: 15 * SECOND, turnMs: 25, busyMs: SECOND };

export function createOutsideNoticeHandler({ notices, tell, events, clock, timers, random, log }: Deps): Handler {
  const receivers = createReceivers({ clock, options: limits });

  async function deliver(entry: OutboxEntry): Promise<DeliveryOutcome> {
    const event = JSON.parse(entry.payload) as AuditEvent;
    if (clock() >= entry.expiresAt - marginMs) return giveUp(entry, event, 'too_late');
    const notice = await notices.of(event);
    if (!notice) return giveUp(entry, event, 'nobody');
    if (!(await isTold(notice, entry))) return again(entry, event);
    await note(entry, event, 'notice.sent');
    return { outcome: 'accepted' };
  }

  async function isTold(notice: OutsideNotice, { id, attempts: attempt }: OutboxEntry): Promise<boolean> {
    try {
      await inTime(async (signal) => tell(notice, { attempt, signal }), { deadlineMs, timers });
      return true;
    } catch (error) {
      log.warn('notice.not_told', { entry: id, type: notice.type, attempt, error });
      return false;
    }
  }

  async function again(entry: OutboxEntry, event: AuditEvent): Promise<DeliveryOutcome> {
    const longest = Math.min(retry.maxMs, retry.firstMs * 2 ** Math.min(entry.attempts - 1, 20));
    // many that failed together come back one by one
    const afterMs = Math.ceil(longest * (0.5 + random()));
    if (clock() + afterMs >= entry.expiresAt - marginMs) return giveUp(entry, event, 'not_taken');
    return { outcome: 'retry', afterMs, reason: 'not_taken' };
  }

  async function giveUp(entry: OutboxEntry, event: AuditEvent, reason: string): Promise<DeliveryOutcome> {
    await note(entry, event, 'notice.failed', { reason });
    return { outcome: 'gone', reason };
  }

  async function note(
    entry: OutboxEntry,
    { type: of, operationId, userId, deviceId }: AuditEvent,
    type: 'notice.sent' | 'notice.failed',
    why: { reason?: string } = {},
  ): Promise<void> {
    const about = { ...(operationId && { operationId }), ...(userId && { userId }), ...(deviceId && { deviceId }) };
    const data = { notice: of, attempt: entry.attempts, ...why };
    const event = { id: `${entry.id}.${entry.attempts}`, type, at: clock(), ...about, actor: 'system', data };
    // a store that is away must not make it told twice
    await events
      .write(partitionOf(entry.id), [event])
      .catch((error: unknown) => log.warn('notice.not_noted', { entry: entry.id, error }));
  }

  return async (entry) => {
    const waitMs = receivers.enter(receiver);
    if (waitMs > 0) return { outcome: 'later', afterMs: waitMs };
    let isWell = true;
    try {
      const outcome = await deliver(entry);
      isWell = outcome.outcome === 'accepted';
      return outcome;
    } finally {
      receivers.leave(receiver, isWell);
    }
  };
}
