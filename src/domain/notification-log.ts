/** What became of each attempt to tell a client: for its operators, by client, and for itself, by request. */
import type { Clock } from '../support/clock.ts';
import type { AuditEvent } from './event.ts';
import type { NotificationLine, NotificationLogStore } from './ports/notification-log.ts';
import type { EventStore } from './ports/records.ts';
import type { Page } from './ports/users.ts';

export type { NotificationLine } from './ports/notification-log.ts';

export interface NotificationLog {
  append(line: NotificationLine): Promise<void>;
  /** Newest first. */
  ofClient(clientId: string, page: Page): Promise<{ items: NotificationLine[]; nextCursor?: string }>;
  /** Of one request of that client, newest first; none where it is another client's. */
  ofOperation(clientId: string, operationId: string): Promise<NotificationLine[]>;
}

interface Deps {
  store: { notificationLog: NotificationLogStore; events: Pick<EventStore, 'ofOperation'> };
  clock: Clock;
  /** How many lines of a client are kept, and for how long. */
  options: { keep: number; keepMs: number };
}

export function createNotificationLog({ store, clock, options }: Deps): NotificationLog {
  return {
    append: (line) => store.notificationLog.append({ line, ...options }),
    ofClient: (clientId, page) =>
      store.notificationLog.ofClient({ clientId, since: clock() - options.keepMs, ...page }),
    async ofOperation(clientId, operationId) {
      const events = await store.events.ofOperation(operationId);
      return events
        .filter((event) => event.clientId === clientId)
        .flatMap((event) => lineOf(event) ?? [])
        .reverse();
    },
  };
}

/** The audit event of an attempt tells all that a line does. */
function lineOf({
  id,
  type,
  at,
  clientId = '',
  operationId = '',
  data = {},
}: AuditEvent): NotificationLine | undefined {
  if (type !== 'notification.sent' && type !== 'notification.failed') return undefined;
  const { mode, attempt, final, ...rest } = data as Record<string, unknown>;
  const outcome = type === 'notification.sent' ? 'delivered' : final === true ? 'abandoned' : 'failed';
  return {
    id,
    clientId,
    operationId,
    outcome,
    at,
    ...({ mode, attempt, ...rest } as Pick<NotificationLine, 'mode' | 'attempt'>),
  };
}
