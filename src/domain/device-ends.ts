/** What ends together with a device: see ports/devices.ts, `changeState`. */
import type { Device } from './device.ts';
import { by, type Caller } from './enrollment-callers.ts';
import type { EndReason } from './operation.ts';
import type { ClosedEvent } from './ports/devices.ts';
import type { By } from './users.ts';

type Reason = Extract<EndReason, 'device_deactivated' | 'device_locked'>;

/** Told of each operation that only the device could answer, and of each ticket that it made. */
export function closedEvent({ userId }: Pick<Device, 'userId'>, reason: Reason, at: number, by: By): ClosedEvent {
  return { type: 'operation.cancelled', at, userId, ...by, data: { reason } };
}

/** Too many wrong answers. To be spread into a failure. */
export function lockedBy(device: Device, caller: Pick<Caller, 'traceId'>, now: number) {
  const event = closedEvent(device, 'device_locked', now, by(device.id, caller));
  return { lockDevice: 'attempts' as const, closedEvent: event };
}
