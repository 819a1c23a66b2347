/** The `ctr` of a signed message as the store looks at it (device-protocol, section 2): going back is a sign of a copy. */
import type { DeviceRequest } from './device-requests.ts';
import { by, type Caller } from './enrollment-callers.ts';
import { newEvent } from './new-event.ts';
import type { MessageCounter } from './ports/devices.ts';

/**
 * To be spread into a change; nothing for a device that does not count.
 *
 * @param sender to be given where it is another device that is changed
 */
export function counterOf(
  { ctr, act, device: { device } }: DeviceRequest,
  caller: Pick<Caller, 'traceId'>,
  now: number,
  sender?: string,
): { ctr?: MessageCounter } {
  if (ctr === undefined) return {};
  const about = { userId: device.userId, deviceId: device.id, data: { act, ctr } };
  const suspected = newEvent('device.clone_suspected', now, by(device.id, caller), about);
  return { ctr: { value: ctr, suspected, ...(sender !== undefined && { deviceId: sender }) } };
}
