/** The `ctr` of a signed message as the store looks at it (device-protocol, section 2): going back is a sign of a copy. */
import type { DeviceRequest } from './device-requests.ts';
import { by, type Caller } from './enrollment.ts';
import { newEvent } from './new-event.ts';
import type { MessageCounter } from './ports/devices.ts';

/** To be spread into a change; nothing for a device that does not count. */
export function counterOf(
  { ctr, act, device: { device } }: DeviceRequest,
  caller: Pick<Caller, 'traceId'>,
  now: number,
): { ctr?: MessageCounter } {
  if (ctr === undefined) return {};
  const about = { userId: device.userId, deviceId: device.id, data: { act, ctr } };
  return { ctr: { value: ctr, suspected: newEvent('device.clone_suspected', now, by(device.id, caller), about) } };
}
