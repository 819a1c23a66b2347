/** Which operations a device may answer, and how. */
import type { Clock } from '../support/clock.ts';
import type { Method } from './application.ts';
import type { Applications } from './applications.ts';
import type { ClientStanding } from './client-standing.ts';
import type { Device } from './device.ts';
import type { InboxAnswer, NoticeMessage } from './device-messages/index.ts';
import type { AuditEvent } from './event.ts';
import { activatedMethods } from './methods.ts';
import { noticeMessage, noticesFor } from './notices.ts';
import { type Operation, stateAt } from './operation.ts';
import type { Store } from './ports/store.ts';

/** Polling hint for a device that holds no stream: soon while something is happening, then rarely (section 7). */
const pollSeconds = { busy: 5, idle: 30 };

export interface Inbox {
  /** The operation's methods that this device can prove, preferred first; empty where it is not the device's to answer. */
  methodsFor(operation: Operation, device: Device): Method[];
  /** Ids and expiry of what waits for this device, and what the others have been told; of the notices, names where there are any. */
  of(device: Device, notices?: readonly AuditEvent[]): Promise<InboxAnswer>;
}

interface Deps {
  store: Pick<Store, 'operations' | 'devices'>;
  applications: Pick<Applications, 'find'>;
  clients: Pick<ClientStanding, 'mayAsk'>;
  clock: Clock;
}

export function createInbox({ store, applications, clients, clock }: Deps): Inbox {
  function methodsFor(operation: Operation, device: Device): Method[] {
    const application = applications.find(device.applicationId);
    if (!application || !isFor(operation, device)) return [];
    const activated = activatedMethods(device, application);
    return operation.methods.filter((method) => activated.includes(method));
  }

  async function described(device: Device, events: AuditEvent[]): Promise<NoticeMessage[]> {
    const devices = new Map((await store.devices.ofUser(device.userId)).map((each) => [each.id, each]));
    return events.map((event) => noticeMessage(event, devices.get(event.deviceId ?? ''), device));
  }

  return {
    methodsFor,

    async of(device, events = []) {
      const now = clock();
      const own = noticesFor(device, events, now);
      const [pending, notices] = await Promise.all([
        store.operations.pendingOf(device.userId, now),
        own.length > 0 ? described(device, own) : [],
      ]);
      const answerable = pending
        .filter((operation) => stateAt(operation, now) === 'pending' && now < operation.answerBy)
        .filter((operation) => methodsFor(operation, device).length > 0);
      const mayAsk = await Promise.all(answerable.map(clients.mayAsk));
      const operations = answerable
        .filter((_, i) => mayAsk[i])
        .map(({ id, answerBy }) => ({ op: id, exp: Math.floor(answerBy / 1000) }));
      return { operations, notices, poll_seconds: operations.length > 0 ? pollSeconds.busy : pollSeconds.idle };
    },
  };
}

/** A registration is answered by its ticket, never from an inbox. */
function isFor({ kind, userId, applicationId, deviceId }: Operation, device: Device): boolean {
  return (
    kind !== 'registration' &&
    userId === device.userId &&
    (applicationId ?? device.applicationId) === device.applicationId &&
    (deviceId ?? device.id) === device.id
  );
}
