/** The six digits of a new device, typed by whoever made its ticket (device-protocol, section 3.4). */
import type { Clock } from '../support/clock.ts';
import { isId, partitionOf } from '../support/ids.ts';
import { type Secrets, sameText } from '../support/secrets.ts';
import type { Applications } from './applications.ts';
import { enrollmentCode } from './enrollment-code.ts';
import { DomainError } from './errors.ts';
import { newEvent } from './new-event.ts';
import { type Operation, stateAt } from './operation.ts';
import type { Store } from './ports/store.ts';
import type { By } from './users.ts';

export interface TicketConfirmation {
  /**
   * Counts a try, then compares. The device becomes active with its next message. Repeating it changes nothing.
   *
   * @throws DomainError operation_not_found | state_conflict (over, nobody waits, no digits asked for) | code_wrong
   */
  confirm(confirmation: { userId: string; operationId: string; code: string }, by: By): Promise<Operation>;
}

interface Deps {
  store: Pick<Store, 'devices' | 'operations' | 'events'>;
  applications: Pick<Applications, 'find'>;
  secrets: Pick<Secrets, 'hmac'>;
  clock: Clock;
}

/** One in three hundred thousand to guess it. */
const tries = 3;

export function createTicketConfirmation({ store, applications, secrets, clock }: Deps): TicketConfirmation {
  async function registrationOf(userId: string, operationId: string): Promise<Operation> {
    const operation = isId(operationId) ? await store.operations.get(operationId) : undefined;
    if (operation?.kind !== 'registration' || operation.userId !== userId) throw new DomainError('operation_not_found');
    return operation;
  }

  async function expected({ applicationId = '', ticket }: Operation): Promise<string> {
    if (applications.find(applicationId)?.enrollment?.confirm !== 'code') throw conflict('no digits are asked for');
    const device = ticket?.deviceId === undefined ? undefined : await store.devices.get(ticket.deviceId);
    const code = device?.state === 'pending' ? enrollmentCode(secrets, device) : undefined;
    if (code === undefined) throw conflict('no device shows digits yet');
    return code;
  }

  function events({ id, userId, ticket }: Operation, by: By) {
    const about = { operationId: id, userId, ...(ticket?.deviceId && { deviceId: ticket.deviceId }) };
    return {
      confirmed: newEvent('ticket.confirmed', clock(), by, about),
      wrong: newEvent('ticket.code_wrong', clock(), by, { ...about, data: { code: 'confirm' } }),
      failed: newEvent('operation.failed', clock(), by, { ...about, data: { reason: 'attempts' } }),
    };
  }

  async function refuse(operation: Operation, used: number, by: By): Promise<never> {
    const { wrong } = events(operation, by);
    await store.events.write(partitionOf(operation.id), [wrong]);
    // the one past the limit counts nothing more and ends it; a crash before it leaves that to the next try
    if (used >= tries) await reserve(operation, by);
    throw new DomainError('code_wrong', { members: { attempts_left: Math.max(0, tries - used) } });
  }

  const reserve = (operation: Operation, by: By) =>
    store.operations.reserveCode({
      operationId: operation.id,
      code: 'confirm',
      limit: tries,
      now: clock(),
      events: [events(operation, by).failed],
    });

  return {
    async confirm({ userId, operationId, code }, by) {
      const operation = await registrationOf(userId, operationId);
      if (operation.ticket?.confirmedAt !== undefined) return operation;
      if (stateAt(operation, clock()) !== 'pending') throw conflict('the ticket is over');
      const right = await expected(operation);
      const reserved = await reserve(operation, by);
      // a twin of this call was faster
      if (reserved.result === 'confirmed') return registrationOf(userId, operationId);
      if (reserved.result !== 'reserved') throw conflict('the ticket is over');
      if (!sameText(right, code)) return refuse(operation, reserved.used, by);
      const { confirmed: event } = events(operation, by);
      const confirmed = await store.operations.confirmTicket({ operationId, now: clock(), events: [event] });
      if (confirmed.result !== 'confirmed') throw conflict('the ticket is over');
      return confirmed.operation;
    },
  };
}

function conflict(detail: string): DomainError {
  return new DomainError('state_conflict', { detail });
}
