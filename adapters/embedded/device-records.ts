import type { Device } from '../../src/domain/device.ts';
import type { Db } from './db.ts';
import { endOperation, pendingOf } from './operation-records.ts';
import { parsed, parsedAll, type RecordRow, type Tx } from './transaction.ts';

export function readDevice(db: Db, id: string): Device | undefined {
  return parsed(db.get<RecordRow>('SELECT record FROM devices WHERE id = ?', id));
}

/** Oldest first. */
export function devicesOf(db: Db, userId: string): Device[] {
  const sql = 'SELECT record FROM devices WHERE user_id = ? ORDER BY created_at, rowid';
  return parsedAll(db.all<RecordRow>(sql, userId));
}

export function insertDevice({ db }: Tx, device: Device): void {
  const { id, version, userId, createdAt } = device;
  db.run('INSERT INTO devices VALUES (?, ?, ?, ?, ?)', id, version, userId, createdAt, JSON.stringify(device));
}

/** The record with the changes and the next version. */
export function replaceDevice(tx: Tx, device: Device, changes: Partial<Device>): Device {
  return write(tx, device, { ...device, ...changes, version: device.version + 1 });
}

/**
 * Counters, lock and last use change beside what others write with {@link replaceDevice}: they leave the version as it is,
 * so that a try does not make a concurrent change of the record stale.
 */
export function touchDevice(tx: Tx, device: Device, changes: Partial<Pick<Device, 'failures' | 'lastUsedAt'>>): Device {
  return write(tx, device, { ...device, ...changes });
}

function write({ db }: Tx, device: Device, next: Device): Device {
  const changed = db.run(
    'UPDATE devices SET version = ?, record = ? WHERE id = ? AND version = ?',
    next.version,
    JSON.stringify(next),
    next.id,
    device.version,
  );
  if (changed !== 1) throw new Error(`device ${device.id} changed while it was being changed`);
  return next;
}

/** Pending operations that only this device could answer end with it. */
export function cancelOperationsOf(tx: Tx, device: Device, now: number): string[] {
  const named = pendingOf(tx.db, device.userId, now).filter(({ deviceId }) => deviceId === device.id);
  for (const operation of named) endOperation(tx, operation, 'cancelled', now, 'device_deactivated');
  return named.map(({ id }) => id);
}
