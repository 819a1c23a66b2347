/**
 * Keys that `rotate` brought and that wait for their confirmation (device-protocol, section 8).
 *
 * They go after ten minutes, with every change of the PIN key and every change of the device's state: who once had a copy of
 * the storage and the PIN would otherwise lay keys in store and take the device over at any later time, whatever the owner has
 * changed since. Honest ones are confirmed by the next message; where that was lost, the SDK finds out and begins anew.
 */
import { MINUTE } from '../support/clock.ts';
import type { Device } from './device.ts';

/** Long enough for a device whose connection goes between two messages, and as long as receipts live at least. */
const waitingMs = 10 * MINUTE;

export function waitingKeys({ rotation }: Device, now: number): Device['rotation'] {
  return rotation && now < rotation.at + waitingMs ? rotation : undefined;
}
