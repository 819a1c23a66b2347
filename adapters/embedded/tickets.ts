import type { Operation } from '../../src/domain/operation.ts';
import type { OperationStore } from '../../src/domain/ports/operations.ts';
import { insertDevice, readDevice } from './device-records.ts';
import { endOperation, readOperation, replaceOperation, stateAt } from './operation-records.ts';
import { type Tx, writeEvents } from './transaction.ts';

type Bind = Parameters<OperationStore['bindTicket']>[0];
type ReserveCode = Parameters<OperationStore['reserveCode']>[0];
type ConfirmTicket = Parameters<OperationStore['confirmTicket']>[0];
type Registration = Operation & { ticket: NonNullable<Operation['ticket']> };

function readTicket({ db }: Tx, operationId: string): Registration | undefined {
  const operation = readOperation(db, operationId);
  return operation?.ticket && (operation as Registration);
}

export function bindTicket(tx: Tx, { operationId, thumbprint, device, now, events }: Bind) {
  const operation = readTicket(tx, operationId);
  if (!operation) return { result: 'missing' as const };
  if (stateAt(operation, now) !== 'pending') return { result: 'closed' as const };
  const { ticket } = operation;
  if (ticket.boundTo !== undefined && ticket.boundTo !== thumbprint) return { result: 'bound_to_other' as const };
  const bound = ticket.deviceId === undefined ? undefined : readDevice(tx.db, ticket.deviceId);
  if (bound) return { result: 'again' as const, device: bound };
  insertDevice(tx, device, operation.retainUntil);
  replaceOperation(tx, operation, { ticket: { ...ticket, boundTo: thumbprint, deviceId: device.id } });
  writeEvents(tx, events);
  return { result: 'bound' as const, device };
}

/** The try at the limit is still compared; the one after it finds the ticket at its end. */
export function reserveCode(tx: Tx, { operationId, code, limit, now, events = [] }: ReserveCode) {
  const operation = readTicket(tx, operationId);
  if (!operation) return { result: 'missing' as const };
  if (stateAt(operation, now) !== 'pending') return { result: 'closed' as const };
  const { ticket } = operation;
  const counter = code === 'confirm' ? 'confirmTries' : 'wrongCodes';
  const { [counter]: before = 0 } = ticket;
  if (code === 'confirm' && ticket.confirmedAt !== undefined) return { result: 'confirmed' as const };
  if (before >= limit) {
    endOperation(tx, operation, 'failed', now, 'attempts');
    writeEvents(tx, events);
    return { result: 'closed' as const };
  }
  const used = before + 1;
  replaceOperation(tx, operation, { ticket: { ...ticket, [counter]: used } });
  return { result: 'reserved' as const, used };
}

export function confirmTicket(tx: Tx, { operationId, now, events }: ConfirmTicket) {
  const operation = readTicket(tx, operationId);
  if (!operation) return { result: 'missing' as const };
  if (stateAt(operation, now) !== 'pending') return { result: 'closed' as const };
  const { ticket } = operation;
  if (ticket.confirmedAt !== undefined) return { result: 'confirmed' as const, operation };
  const confirmed = replaceOperation(tx, operation, { ticket: { ...ticket, confirmedAt: now } });
  writeEvents(tx, events);
  return { result: 'confirmed' as const, operation: confirmed };
}
