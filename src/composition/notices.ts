/** What leaves through the outbox for others than devices: pings, pushes, notices. */

import { createNotificationHandler } from '../channels/notifications.ts';
import type { Handler } from '../channels/outcome.ts';
import { createOutsideNoticeHandler } from '../channels/outside-notices.ts';
import { createOutsideNotices, type NoticeTeller } from '../domain/outside-notices.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { Outbound } from '../support/outbound.ts';
import { systemTimers } from '../support/timers.ts';
import type { UnderWay } from '../support/under-way.ts';
import type { ServerDeps } from './deps.ts';
import type { Domain } from './domain.ts';

interface NoticesOf {
  outbound: Outbound;
  notifications: Protocol['notifications'];
  deciding: UnderWay;
}

/** By the kind of the outbox's message. */
export function noticeHandlers(
  deps: ServerDeps,
  domain: Domain,
  { outbound, notifications, deciding }: NoticesOf,
): Record<string, Handler> {
  const notify = createNotificationHandler({
    notifications,
    outbound,
    events: deps.store.events,
    deliveries: domain.deliveries,
    deciding,
    clock: deps.clock,
    timers: deps.timers ?? systemTimers,
    random: Math.random,
    log: deps.log,
  });
  const tell = deps.plugins?.notice;
  return { ping: notify, push: notify, ...(tell && { notice: outsideNotices(tell, deps, domain) }) };
}

/** The store writes what they are about where it was opened for it (main.ts). */
function outsideNotices(tell: NoticeTeller, { store, clock, timers = systemTimers, log }: ServerDeps, domain: Domain) {
  const notices = createOutsideNotices({ ...domain, store });
  return createOutsideNoticeHandler({ notices, tell, events: store.events, clock, timers, random: Math.random, log });
}
