import type { Device, DeviceState } from '../../src/domain/device.ts';
import type { DeviceStore } from '../../src/domain/ports/devices.ts';
import { SECOND } from '../../src/support/clock.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import { cancelOperationsOf, devicesOf, readDevice, replaceDevice } from './device-records.ts';
import { endOperation, readOperation, stateAt } from './operation-records.ts';
import { pageOf } from './pages.ts';
import { replayOf, type Tx, writeEvents, writeReceipt } from './transaction.ts';
import { readUser } from './user-records.ts';

type Save = Parameters<DeviceStore['save']>[0];
type Activate = Parameters<DeviceStore['activate']>[0];
type ChangeState = Parameters<DeviceStore['changeState']>[0];

const CLAIM_MS = 30 * SECOND;

export function saveDevice(tx: Tx, { device, states, events, receipt }: Save) {
  const replayed = replayOf(tx, receipt);
  if (replayed) return replayed;
  const stored = readDevice(tx.db, device.id);
  if (!stored) return { result: 'missing' as const };
  if (!states.includes(stored.state)) return { result: 'refused' as const, state: stored.state };
  if (stored.version !== device.version) return { result: 'stale' as const };
  const saved = replaceDevice(tx, device, keptFrom(stored));
  writeReceipt(tx, receipt);
  writeEvents(tx, events);
  return { result: 'saved' as const, device: saved };
}

/** What is never written by whoever holds an older copy of the record. */
function keptFrom({ state, lockReason, failures }: Device): Pick<Device, 'state' | 'lockReason' | 'failures'> {
  return { state, failures, lockReason };
}

export function activateDevice(tx: Tx, { device, mode, now, events, replacedEvent, receipt }: Activate) {
  const replayed = replayOf(tx, receipt);
  if (replayed) return replayed;
  const stored = readDevice(tx.db, device.id);
  if (!stored) return { result: 'missing' as const };
  if (stored.state !== 'pending') return { result: 'refused' as const, state: stored.state };
  if (stored.version !== device.version) return { result: 'stale' as const };
  const operation = readOperation(tx.db, stored.operationId);
  if (!operation || stateAt(operation, now) !== 'pending') return { result: 'operation_closed' as const };
  const others = mode === 'multiple' ? [] : othersInUse(tx.db, stored);
  if (mode === 'single' && others[0]) return { result: 'conflict' as const, deviceId: others[0].id };

  for (const other of others) replace(tx, other, now, replacedEvent);
  const activated = replaceDevice(tx, device, { ...keptFrom(stored), state: 'active', activatedAt: now });
  endOperation(tx, operation, 'approved', now);
  writeReceipt(tx, receipt);
  writeEvents(tx, events);
  return { result: 'activated' as const, device: activated, replaced: others.map(({ id }) => id) };
}

function othersInUse(db: Db, { id, userId, applicationId }: Device): Device[] {
  const inUse: DeviceState[] = ['active', 'locked'];
  return devicesOf(db, userId).filter(
    (other) => other.id !== id && other.applicationId === applicationId && inUse.includes(other.state),
  );
}

function replace(tx: Tx, device: Device, now: number, event: Activate['replacedEvent']): void {
  replaceDevice(tx, device, { state: 'deactivated' });
  cancelOperationsOf(tx, device, now);
  writeEvents(tx, [{ ...event, id: `${device.id}.${event.type}`, deviceId: device.id }]);
}

export function changeDeviceState(tx: Tx, { id, from, to, reason, now, events, receipt }: ChangeState) {
  const replayed = replayOf(tx, receipt);
  if (replayed) return replayed;
  const stored = readDevice(tx.db, id);
  if (!stored) return { result: 'missing' as const };
  if (!from.includes(stored.state)) return { result: 'refused' as const, state: stored.state };
  const device = replaceDevice(tx, stored, { state: to, ...consequencesOf(to, stored, reason) });
  const closed = to === 'deactivated' ? cancelOperationsOf(tx, device, now) : [];
  writeReceipt(tx, receipt);
  writeEvents(tx, events);
  return { result: 'changed' as const, device, closed };
}

function consequencesOf(to: DeviceState, { failures }: Device, reason: ChangeState['reason']): Partial<Device> {
  if (to === 'locked') return { lockReason: reason };
  if (to === 'active') return { lockReason: undefined, failures: { ...failures, pin: 0, number: 0 } };
  return {};
}

export function claimKey(tx: Tx, claim: { thumbprint: string; deviceId: string; now: number }): boolean {
  const { thumbprint, deviceId, now } = claim;
  const held = tx.db.get<{ device_id: string; claimed_at: number }>(
    'SELECT device_id, claimed_at FROM key_claims WHERE thumbprint = ?',
    thumbprint,
  );
  if (held && held.device_id !== deviceId && isBelieved(tx.db, held, now)) return false;
  tx.db.run('INSERT OR REPLACE INTO key_claims VALUES (?, ?, ?)', thumbprint, deviceId, now);
  return true;
}

/** A device that is there holds its key until it is deactivated; one that never came has held it long enough after 30 s. */
function isBelieved(db: Db, held: { device_id: string; claimed_at: number }, now: number): boolean {
  const device = readDevice(db, held.device_id);
  return device ? device.state !== 'deactivated' : now < held.claimed_at + CLAIM_MS;
}

function withUser(db: Db, id: string) {
  const device = readDevice(db, id);
  const user = device && readUser(db, device.userId);
  return device && user && { device, userState: user.state };
}

export const deviceStore = ({ read, write }: Access): DeviceStore => ({
  get: (id) => read((db) => readDevice(db, id)),
  withUser: (id) => read((db) => db.snapshot(() => withUser(db, id))),
  ofUser: (userId) => read((db) => devicesOf(db, userId)),
  list: (page) => read((db) => pageOf<Device>(db, 'devices', page)),
  claimKey: (thumbprint, deviceId, now) => write('claimKey', { thumbprint, deviceId, now }),
  save: (change) => write('saveDevice', change),
  activate: (change) => write('activateDevice', change),
  changeState: (change) => write('changeDeviceState', change),
});
