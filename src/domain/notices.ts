/**
 * What the owner of several devices is told on the others (device-protocol, section 8): each audit event of these types is
 * also a notice, for some days. Which of them a device hears is decided here; putting away is the device's own matter.
 */
import { DAY } from '../support/clock.ts';
import type { Device } from './device.ts';
import type { NoticeMessage } from './device-messages/wire.ts';
import type { AuditEvent, EventType } from './event.ts';

/** Long enough for a phone that lay in a drawer over the weekend. */
const keptMs = 7 * DAY;

/** Ends, beginnings and changes of what a device can prove. Not what the person has just done on every device, like a denial. */
const told = new Set<EventType>([
  'device.activated',
  'device.replaced',
  'device.locked',
  'device.unlocked',
  'device.deactivated',
  'device.unenrolled',
  'device.revoked',
  'device.clone_suspected',
  'device.method_added',
  'device.pin_changed',
  'device.method_removed',
  'device.keys_rotated',
  'ticket.created',
]);

/** For the event itself: until when it is told; undefined for what concerns nobody else. */
export function noticeUntil(type: EventType, at: number): number | undefined {
  return told.has(type) ? noticeEnd(at) : undefined;
}

/** For an event that is told only now and then. */
export function noticeEnd(at: number): number {
  return at + keptMs;
}

/**
 * What this device hears: of others, since it was enrolled. Its own changes, and what it has done itself, it knows; but not what
 * somebody else has tried with its keys.
 */
export function noticesFor(device: Device, events: readonly AuditEvent[], now: number): AuditEvent[] {
  const since = device.activatedAt ?? device.createdAt;
  return events.filter(
    ({ type, noticeUntil: until = 0, at, deviceId, actor }) =>
      now < until &&
      at >= since &&
      (deviceId !== device.id || type === 'device.key_refused') &&
      actor !== `device:${device.id}`,
  );
}

/** @param about the device that the event names, where it is still known */
export function noticeMessage(event: AuditEvent, about: Device | undefined, reader: Device): NoticeMessage {
  const { id, type, at } = event;
  return { id, type, at: Math.floor(at / 1000), ...(about && { device: described(about, reader) }) };
}

function described(about: Device, reader: Device): NonNullable<NoticeMessage['device']> {
  const { id, state, info } = about;
  const { name, model } = info;
  const revocable = state !== 'deactivated' && isNewer(about, reader);
  return { id, state, ...(name && { name }), ...(model && { model }), revocable };
}

/** Another one of the same person that came later than this one. Two of one instant: neither. */
export function isNewer(target: Device, { id, userId, activatedAt }: Device): boolean {
  if (target.id === id || target.userId !== userId || activatedAt === undefined) return false;
  return (target.activatedAt ?? target.createdAt) > activatedAt;
}
