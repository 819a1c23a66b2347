import type { Device } from '../../src/domain/device.ts';
import { newEvent } from '../../src/domain/new-event.ts';
import { isNewer, noticeEnd, noticeMessage, noticesFor, noticeUntil } from '../../src/domain/notices.ts';
import { aDevice, aUser, T0 } from '../support/records.ts';

const day = 24 * 3600 * 1000;
const user = aUser();
const phone = aDevice(user, { state: 'active', activatedAt: T0 });
const tablet = aDevice(user, { state: 'active', activatedAt: T0 + 1, info: { name: 'Tablet' } });
const event = (type: 'device.pin_changed' | 'device.activated', actor: string, at: number, device: Device = tablet) =>
  newEvent(type, at, { actor }, { userId: user.id, deviceId: device.id });

test('every change of what a device is or can prove is told for seven days; what a person did everywhere is not', () => {
  const told = ['activated', 'replaced', 'locked', 'unlocked', 'deactivated', 'unenrolled', 'revoked'] as const;
  const proofs = ['method_added', 'pin_changed', 'method_removed', 'keys_rotated', 'clone_suspected'] as const;
  for (const what of [...told, ...proofs]) expect(noticeUntil(`device.${what}`, T0)).toBe(T0 + 7 * day);
  expect(noticeUntil('ticket.created', T0)).toBe(T0 + 7 * day);
  for (const type of ['device.redeemed', 'device.enrolled', 'operation.denied', 'user.updated'] as const)
    expect(noticeUntil(type, T0)).toBeUndefined();
});

test('a device hears of others, since it was enrolled, and neither of itself nor of what it did', () => {
  const changed = event('device.pin_changed', `device:${tablet.id}`, T0 + 5);
  expect(noticesFor(phone, [changed], T0 + 6)).toEqual([changed]);
  expect(noticesFor(tablet, [changed], T0 + 6)).toEqual([]);
  expect(noticesFor(phone, [event('device.activated', `device:${phone.id}`, T0 + 5)], T0 + 6)).toEqual([]);
  expect(noticesFor(phone, [event('device.activated', 'system', T0 - 1)], T0 + 6)).toEqual([]);
  expect(noticesFor(phone, [changed], T0 + 5 + 7 * day)).toEqual([]);
  // but of what somebody else tried with its keys; only now and then, so not by the type alone
  const about = { userId: user.id, deviceId: tablet.id };
  const refused = newEvent('device.key_refused', T0 + 5, { actor: 'system' }, about);
  expect(noticesFor(tablet, [refused], T0 + 6)).toEqual([]);
  const told = { ...refused, noticeUntil: noticeEnd(T0 + 5) };
  expect(noticesFor(tablet, [told], T0 + 6)).toEqual([told]);
});

test('a notice names its device, and says whether this one may take it away', () => {
  const added = event('device.activated', 'system', T0 + 1500);
  const device = { id: tablet.id, state: 'active', name: 'Tablet' };
  const at = Math.floor((T0 + 1500) / 1000);
  expect(noticeMessage(added, tablet, phone)).toEqual({
    id: added.id,
    type: 'device.activated',
    at,
    device: { ...device, revocable: true },
  });
  expect(noticeMessage(added, tablet, aDevice(user, { activatedAt: T0 + 2 })).device).toMatchObject({
    revocable: false,
  });
  const gone = { ...tablet, state: 'deactivated' as const };
  expect(noticeMessage(added, gone, phone).device).toMatchObject({ state: 'deactivated', revocable: false });
  expect(noticeMessage(added, undefined, phone)).toEqual({ id: added.id, type: 'device.activated', at });
});

test('only a device of the same person that came later is newer', () => {
  expect(isNewer(tablet, phone)).toBe(true);
  expect(isNewer(phone, tablet)).toBe(false);
  expect(isNewer(phone, phone)).toBe(false);
  expect(isNewer({ ...tablet, activatedAt: T0 }, phone)).toBe(false);
  expect(isNewer(aDevice(user, { createdAt: T0 + 1 }), phone)).toBe(true);
  expect(isNewer(aDevice(aUser(), { activatedAt: T0 + 9 }), phone)).toBe(false);
  expect(isNewer(tablet, aDevice(user))).toBe(false);
});
