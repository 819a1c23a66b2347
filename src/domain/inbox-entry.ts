import type { Operation, OperationState } from './operation.ts';
import type { NewOutboxEntry } from './ports/outbox.ts';

/**
 * The outbox entry of a change of state: the user's devices should look at their inbox again (ruling 27). One change
 * has one id, so a repeated call makes no second entry.
 */
export function inboxEntry(
  { id, userId, expiresAt }: Pick<Operation, 'id' | 'userId' | 'expiresAt'>,
  state: OperationState,
  now: number,
): NewOutboxEntry {
  const payload = JSON.stringify({ op: id, state });
  // device-protocol, section 7: a delivery is over when the operation is
  return { id: `${id}.${state}`, kind: 'inbox', operationId: id, userId, payload, dueAt: now, expiresAt };
}
