import type { Device, LockReason } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { ClosedEvent, MessageCounter } from '../../src/domain/ports/devices.ts';
import type { Db } from './db.ts';
import { endOperation, pendingOf } from './operation-records.ts';
import { parsed, parsedAll, type RecordRow, type Tx, writeEvents } from './transaction.ts';

export function readDevice(db: Db, id: string): Device | undefined {
  return parsed(db.get<RecordRow>('SELECT record FROM devices WHERE id = ?', id));
}

/** Most users have nothing to be told: whether there is anything costs a look at an index, in the same statement. */
export function readNoticed(db: Db, id: string, now: number): { device?: Device; isNoticed: boolean } {
  const row = db.get<RecordRow & { noticed: number }>(
    `SELECT record, EXISTS (SELECT 1 FROM events WHERE user_id = devices.user_id AND notice_until > ?) AS noticed
       FROM devices WHERE id = ?`,
    now,
    id,
  );
  const device = parsed<Device>(row);
  return { ...(device && { device }), isNoticed: row?.noticed === 1 };
}

/** Those with a pair that was made until `madeUntil`, or a former one whose time is over at `now`. */
export function devicesWithDueBox(
  db: Db,
  { madeUntil, now, limit }: { madeUntil: number; now: number; limit: number },
) {
  const due = (column: string) =>
    `SELECT * FROM (SELECT rowid FROM devices WHERE ${column} <= ? ORDER BY ${column} LIMIT ?)`;
  const sql = `SELECT record FROM devices WHERE rowid IN (${due('box_made_at')} UNION ${due('box_former_until')}) LIMIT ?`;
  return parsedAll<Device>(db.all<RecordRow>(sql, madeUntil, limit, now, limit, limit));
}

/** Oldest first. */
export function devicesOf(db: Db, userId: string): Device[] {
  const sql = 'SELECT record FROM devices WHERE user_id = ? ORDER BY created_at, rowid';
  return parsedAll(db.all<RecordRow>(sql, userId));
}

/** @param pendingUntil when it is garbage, if it is not active before */
export function insertDevice({ db }: Tx, device: Device, pendingUntil: number): void {
  const { id, version, userId, createdAt } = device;
  db.run(
    `INSERT INTO devices (id, version, user_id, created_at, record, pending_until, box_made_at, box_former_until)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    version,
    userId,
    createdAt,
    JSON.stringify(device),
    wasActive(device) ? null : pendingUntil,
    ...boxTimes(device),
  );
}

/** One that was deactivated before goes as one that was left pending does. */
const wasActive = ({ state, activatedAt }: Device): boolean =>
  state === 'active' || state === 'locked' || activatedAt !== undefined;

const boxTimes = ({ box }: Device) => [box?.createdAt ?? null, box?.former?.until ?? null] as const;

/** The record with the changes and the next version. */
export function replaceDevice(tx: Tx, device: Device, changes: Partial<Device>): Device {
  return write(tx, device, { ...device, ...changes, version: device.version + 1 });
}

/**
 * Failures, counter and last use change beside what others write with {@link replaceDevice}: they leave the version as it is,
 * so that a try does not make a concurrent change of the record stale.
 */
export function touchDevice(
  tx: Tx,
  device: Device,
  changes: Partial<Pick<Device, 'failures' | 'ctr' | 'lastUsedAt'>>,
): Device {
  return write(tx, device, { ...device, ...changes });
}

function write({ db }: Tx, device: Device, next: Device): Device {
  const changed = db.run(
    `UPDATE devices SET version = ?, record = ?, pending_until = iif(?, NULL, pending_until),
            box_made_at = ?, box_former_until = ?
      WHERE id = ? AND version = ?`,
    next.version,
    JSON.stringify(next),
    wasActive(next) ? 1 : 0,
    ...boxTimes(next),
    next.id,
    device.version,
  );
  if (changed !== 1) throw new Error(`device ${device.id} changed while it was being changed`);
  return next;
}

/**
 * What the device's record is to say of a message's counter; one that is not above the highest is told of. That of another
 * device's message is noted on its own record.
 */
export function counted(tx: Tx, device: Device, counter: MessageCounter | undefined): Pick<Device, 'ctr'> {
  const { id, ctr: highest = -1 } = device;
  if (!counter) return {};
  const { deviceId: sender = id, ...own } = counter;
  if (sender !== id) {
    const stored = readDevice(tx.db, sender);
    if (stored) touchDevice(tx, stored, counted(tx, stored, own));
    return {};
  }
  if (counter.value > highest) return { ctr: counter.value };
  writeEvents(tx, [counter.suspected]);
  return {};
}

/** Of a message that changes no device. */
export function noteCounter(tx: Tx, counter: MessageCounter | undefined): void {
  const sender = counter?.deviceId === undefined ? undefined : readDevice(tx.db, counter.deviceId);
  if (counter && sender) touchDevice(tx, sender, counted(tx, sender, counter));
}

interface Lock {
  reason: LockReason;
  now: number;
  closedEvent?: ClosedEvent;
}

/**
 * The PIN key goes with the lock: unlocking does not bring it back. With it what came of a PIN that somebody else may know:
 * keys that wait, and tickets. A final state stays.
 */
export function lockDevice(tx: Tx, device: Device, lock: Lock, changes: Partial<Device> = {}): void {
  const { pin: _erased, ...keys } = device.keys;
  const methods = device.methods.filter((method) => method !== 'pin');
  const locked = device.state === 'active' ? { state: 'locked' as const, lockReason: lock.reason } : {};
  replaceDevice(tx, device, { keys, methods, rotation: undefined, ...locked, ...changes });
  endWithDevice(tx, device, 'locked', lock);
}

/**
 * What ends with a device. Taken away: pending operations that only it could answer, and tickets that it made. Locked: the
 * tickets alone. Else a thief's ticket would outlive the device.
 */
export function endWithDevice(
  tx: Tx,
  { id: deviceId, userId }: Device,
  state: 'deactivated' | 'locked',
  { now, closedEvent }: Pick<Lock, 'now' | 'closedEvent'>,
): string[] {
  const isMade = ({ kind, clientId }: Operation) => kind === 'registration' && clientId === `device:${deviceId}`;
  const isNamed = (operation: Operation) => state === 'deactivated' && operation.deviceId === deviceId;
  const ending = pendingOf(tx.db, userId, now).filter((one) => isMade(one) || isNamed(one));
  for (const operation of ending) {
    const { id } = endOperation(tx, operation, 'cancelled', now, `device_${state}`);
    if (closedEvent) writeEvents(tx, [{ ...closedEvent, id: `${id}.operation.cancelled`, operationId: id, deviceId }]);
  }
  return ending.map(({ id }) => id);
}
