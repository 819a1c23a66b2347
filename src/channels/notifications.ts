/**
 * Pings and pushes (CIBA Core 10.2, 10.3): POST, bearer token, JSON. What they say is the protocol's; here is how they get
 * there.
 *
 *     2xx ──────────────────────────────> delivered
 *     no connection, no answer, 5xx ────> again, later and later, until it is too late ──> abandoned
 *     redirect, 4xx, address refused ───> abandoned at once: the client said no, or cannot be called (N-05, N-06, N-07)
 *
 * Each attempt is an audit event of its operation and a line in the delivery log of its client. Neither token nor body is
 * ever in them.
 */
import { Webhook } from 'standardwebhooks';
import type { Addressed, NotificationMessage, Notifications } from '../domain/notification.ts';
import type { NotificationLine, NotificationLog } from '../domain/notification-log.ts';
import type { OutboxEntry } from '../domain/ports/outbox.ts';
import type { EventStore } from '../domain/ports/records.ts';
import { type Clock, SECOND } from '../support/clock.ts';
import { partitionOf } from '../support/ids.ts';
import { type Outbound, OutboundError } from '../support/outbound.ts';
import type { Timers } from '../support/timers.ts';
import type { UnderWay } from '../support/under-way.ts';
import type { DeliveryOutcome, Handler } from './outcome.ts';
import { createReceivers, type ReceiversOptions } from './receivers.ts';
import { createTries } from './tries.ts';

export interface NotificationOptions extends ReceiversOptions {
  /** The first attempt waits so long, for the answer to whoever decided goes first, at whatever process. */
  leaveAfterMs: number;
  /** At this process it waits for that answer itself, so long at most. */
  answerMs: number;
  /** First and longest wait before another attempt; each is twice the one before, give or take a half. */
  retry: { firstMs: number; maxMs: number };
}

export const notificationDefaults: NotificationOptions = {
  perHost: 4,
  perWellHost: 16,
  // five tries before anybody is left alone (RL-11)
  failuresToOpen: 5,
  openMs: 15 * SECOND,
  turnMs: 25,
  busyMs: SECOND,
  leaveAfterMs: 20,
  answerMs: SECOND,
  retry: { firstMs: SECOND, maxMs: 60 * SECOND },
};

interface Deps {
  notifications: Notifications;
  outbound: Pick<Outbound, 'request'>;
  events: Pick<EventStore, 'write'>;
  deliveries: Pick<NotificationLog, 'append'>;
  /** Decisions that are not answered yet. */
  deciding: Pick<UnderWay, 'ended'>;
  clock: Clock;
  timers: Timers;
  /** Between 0 and 1. */
  random: () => number;
  log: Record<'info' | 'warn', (event: string, fields: Record<string, unknown>) => void>;
  options?: Partial<NotificationOptions>;
}

/** How an attempt ended. */
type Result = { result: 'taken'; status: number } | { result: 'again' | 'refused'; status?: number; reason: string };

export function createNotificationHandler({
  notifications,
  outbound,
  events,
  deliveries,
  deciding,
  clock,
  timers,
  random,
  log,
  ...rest
}: Deps): Handler {
  const options = { ...notificationDefaults, ...rest.options };
  const receivers = createReceivers({ clock, options });
  const tries = createTries();

  async function deliver(entry: OutboxEntry): Promise<DeliveryOutcome> {
    const to = notifications.address(entry);
    if (clock() >= to.giveUpAt) return giveUp(entry, to);
    const { host } = new URL(to.endpoint);
    const waitMs = receivers.enter(host);
    if (waitMs > 0) return { outcome: 'later', afterMs: Math.min(aboutHalf(waitMs), to.giveUpAt - clock()) };
    let isWell = true;
    try {
      const message = await notifications.message(entry);
      if (message.message !== 'send') return withoutCall(entry, to, message);
      const startedAt = clock();
      const result = await post(entry.id, to, message);
      isWell = result.result !== 'again';
      return await settle({ entry, to, message, result, ms: clock() - startedAt });
    } finally {
      receivers.leave(host, isWell);
    }
  }

  async function post(id: string, { endpoint, token }: Addressed, { body, secrets }: ToSend): Promise<Result> {
    const text = JSON.stringify(body);
    try {
      const { status } = await outbound.request(endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          ...webhookHeaders(id, text, secrets, clock()),
        },
        body: text,
        redirects: 'return',
        // N-04
        ignoreBody: true,
      });
      if (status >= 200 && status < 300) return { result: 'taken', status };
      return { result: status >= 500 ? 'again' : 'refused', status, reason: `status ${status}` };
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      return { result: error.mayRetry ? 'again' : 'refused', reason: error.reason };
    }
  }

  async function settle({ entry, to, message, result, ms }: Attempted): Promise<DeliveryOutcome> {
    const afterMs = backOff(tries.count(entry.id));
    const how = { ...statusOf(result), ms };
    // noted first: what dies in between comes again and is noted again, and so the log tells what was sent
    if (result.result === 'taken') {
      await note(entry, to, 'delivered', how);
      await message.delivered();
      return { outcome: 'accepted' };
    }
    const isLast = result.result === 'refused' || clock() + afterMs >= to.giveUpAt;
    await note(entry, to, isLast ? 'abandoned' : 'failed', { ...how, reason: result.reason });
    await (isLast ? message.abandoned() : message.failed());
    return isLast ? { outcome: 'gone', reason: result.reason } : { outcome: 'retry', afterMs, reason: result.reason };
  }

  /** Its time passed while nobody could deliver it. */
  async function giveUp(entry: OutboxEntry, to: Addressed): Promise<DeliveryOutcome> {
    const message = await notifications.message(entry);
    if (message.message !== 'send') return withoutCall(entry, to, message);
    await note(entry, to, 'abandoned', { reason: 'too_late' });
    await message.abandoned();
    return { outcome: 'gone', reason: 'too_late' };
  }

  async function withoutCall(entry: OutboxEntry, to: Addressed, message: NothingToSend): Promise<DeliveryOutcome> {
    if (message.message === 'later') return { outcome: 'later', afterMs: message.afterMs };
    if (message.message === 'done') return { outcome: 'accepted' };
    const { reason } = message;
    await note(entry, to, 'abandoned', { reason });
    return { outcome: 'gone', reason };
  }

  /** Told to whoever looks after the operation, and to the client. A store that is away must not make it get it twice. */
  async function note(
    entry: OutboxEntry,
    to: Addressed,
    outcome: NotificationLine['outcome'],
    how: How,
  ): Promise<void> {
    const { operationId, userId, kind: mode, attempts: attempt } = entry;
    const id = `${entry.id}.${attempt}`;
    const at = clock();
    const about = { operationId, userId, clientId: to.clientId };
    const type = outcome === 'delivered' ? 'notification.sent' : 'notification.failed';
    const data = { mode, attempt, ...how, ...(outcome !== 'delivered' && { final: outcome === 'abandoned' }) };
    log.info(type, { ...about, ...data });
    const notNoted = (error: unknown) => log.warn('notification.not_noted', { ...about, error });
    const line: NotificationLine = { id, clientId: to.clientId, operationId, mode, attempt, outcome, at, ...how };
    await Promise.all([
      events.write(partitionOf(operationId), [{ id, type, at, ...about, actor: 'system', data }]).catch(notNoted),
      deliveries.append(line).catch(notNoted),
    ]);
  }

  function backOff(tried: number): number {
    const { firstMs, maxMs } = options.retry;
    return aboutHalf(Math.min(maxMs, firstMs * 2 ** Math.min(tried - 1, 20)));
  }

  /** Between half of it and one and a half: many that failed together come back one by one. */
  const aboutHalf = (ms: number) => Math.ceil(ms * (0.5 + random()));

  async function whoeverDecidedIsAnswered(): Promise<void> {
    await new Promise<void>((go) => timers.after(options.leaveAfterMs, go));
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    const cancel = timers.after(options.answerMs, resolve);
    await Promise.race([deciding.ended(), enough]);
    cancel();
  }

  return async (entry) => {
    if (entry.attempts === 1) await whoeverDecidedIsAnswered();
    const outcome = await deliver(entry);
    if (outcome.outcome === 'accepted' || outcome.outcome === 'gone') tries.forget(entry.id);
    return outcome;
  };
}

type ToSend = Extract<NotificationMessage, { message: 'send' }>;
type NothingToSend = Exclude<NotificationMessage, ToSend>;

type How = Pick<NotificationLine, 'status' | 'reason' | 'ms'>;

interface Attempted {
  entry: OutboxEntry;
  to: Addressed;
  message: ToSend;
  result: Result;
  ms: number;
}

const statusOf = ({ status }: Result): Record<string, number> => (status === undefined ? {} : { status });

/**
 * Standard Webhooks 1.0: an id that is the same in every attempt, so that a receiver can tell a repetition (promise 7);
 * when this attempt was made; and signatures over both and the body (TH-18).
 */
function webhookHeaders(id: string, body: string, secrets: string[], now: number): Record<string, string> {
  const at = new Date(now);
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, at, body));
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now / SECOND)),
    ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }),
  };
}
