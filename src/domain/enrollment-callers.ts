/** Who sent a message of an enrollment, as the audit trail names them. */
import type { Device } from './device.ts';
import type { By } from './users.ts';

/** Who sent a message, beside what it proves. */
export interface Caller {
  /** Network address, for limits. */
  address: string;
  traceId?: string;
}

export function by(deviceId: string, { traceId }: Pick<Caller, 'traceId'>): By {
  return { actor: `device:${deviceId}`, ...(traceId !== undefined && { traceId }) };
}

export function aboutDevice({ id, userId, operationId }: Device): {
  deviceId: string;
  userId: string;
  operationId: string;
} {
  return { deviceId: id, userId, operationId };
}
