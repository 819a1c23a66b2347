import { isDeepStrictEqual } from 'node:util';
import type { Device, DeviceState } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { DeviceStore, KeyClaim, ReviewedClaim } from '../../src/domain/ports/devices.ts';
import { HOUR, SECOND } from '../../src/support/clock.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import {
  counted,
  devicesOf,
  devicesWithDueBox,
  endWithDevice,
  lockDevice,
  readDevice,
  readNoticed,
  replaceDevice,
  touchDevice,
} from './device-records.ts';
import { endOperation, insertOperation, readOperation, replaceOperation, stateAt } from './operation-records.ts';
import { pageOf } from './pages.ts';
import { noticesOf, readReceipt, replayOf, type Tx, writeEvents, writeReceipt } from './transaction.ts';
import { beginTry, cleared, endTry, onPin, othersUnderWay } from './under-way.ts';
import { readUser } from './user-records.ts';

type Save = Parameters<DeviceStore['save']>[0];
type Activate = Parameters<DeviceStore['activate']>[0];
type ChangeState = Parameters<DeviceStore['changeState']>[0];
type ReserveProof = Parameters<DeviceStore['reserveProof']>[0];
type FailProof = Parameters<DeviceStore['failProof']>[0];

const CLAIM_MS = 30 * SECOND;

export function saveDevice(tx: Tx, { device, states, now, events, receipt, ctr, pin, spends, opens }: Save) {
  const replayed = replayOf(tx, receipt);
  if (replayed) return replayed;
  const stored = readDevice(tx.db, device.id);
  if (!stored) return { result: 'missing' as const };
  if (!states.includes(stored.state)) return { result: 'refused' as const, state: stored.state };
  if (stored.version !== device.version) return { result: 'stale' as const };
  const ticket = spends === undefined ? undefined : freshTicket(tx.db, spends, stored, now);
  if (spends !== undefined && !ticket) return { result: 'ticket_closed' as const };
  if (opens && readUser(tx.db, stored.userId)?.state !== 'active') return { result: 'user_not_active' as const };

  const kept = { ...keptFrom(stored), failures: afterProof(tx, stored, pin, receipt?.jwsHash ?? '', now) };
  const saved = replaceDevice(tx, device, { ...kept, ...counted(tx, stored, ctr) });
  if (ticket) spend(tx, ticket, stored.id, now);
  if (opens) insertOperation(tx, opens);
  writeReceipt(tx, receipt);
  writeEvents(tx, events);
  return { result: 'saved' as const, device: saved };
}

/** What is never written by whoever holds an older copy of the record. */
function keptFrom({ state, lockReason, failures, ctr }: Device) {
  return { state, failures, lockReason, ...(ctr !== undefined && { ctr }) };
}

/** Of this user, and used for nothing yet. */
function freshTicket(db: Db, id: string, { userId }: Device, now: number): Operation | undefined {
  const operation = readOperation(db, id);
  if (operation?.kind !== 'registration' || operation.userId !== userId) return undefined;
  return operation.ticket?.boundTo === undefined && stateAt(operation, now) === 'pending' ? operation : undefined;
}

function spend(tx: Tx, operation: Operation, deviceId: string, now: number): void {
  const ticket = { wrongCodes: 0, ...operation.ticket, deviceId };
  replaceOperation(tx, operation, { state: 'approved', finishedAt: now, ticket });
}

function afterProof(tx: Tx, device: Device, pin: Save['pin'], message: string, now: number): Device['failures'] {
  if (!pin) return device.failures;
  endTry(tx, [onPin(device.id)], message);
  if (pin === 'renewed') return { ...device.failures, pin: 0, pinLifetime: 0 };
  return cleared(tx, device, ['pin'], message, now);
}

/** Messages that have reserved a try lie among the replay records, which go by their end. */
const scopeOf = (deviceId: string) => `device-proof:${deviceId}`;

export function reserveProof(tx: Tx, attempt: ReserveProof) {
  const { deviceId, jti, jwsHash, pinKey, limits, now, leaseMs, until } = attempt;
  const replayed = replayOf(tx, { deviceId, jti, jwsHash });
  if (replayed) return replayed;
  const device = readDevice(tx.db, deviceId);
  if (!device) return { result: 'missing' as const };
  if (device.state !== 'active') return { result: 'refused' as const, state: device.state };
  if (device.keys.pin !== pinKey) return { result: 'stale' as const };
  const { failures } = device;
  const scope = scopeOf(deviceId);
  const underWay = othersUnderWay(tx, onPin(deviceId), jwsHash, now);
  const begin = () => beginTry(tx, [onPin(deviceId)], jwsHash, now + leaseMs);
  if (tx.db.get('SELECT 1 FROM replays WHERE scope = ? AND id = ?', scope, jwsHash)) {
    begin();
    return { result: 'again' as const, failures, underWay };
  }
  const which = spentOf(failures, limits);
  if (which) return { result: 'exhausted' as const, which, failures, underWay };
  tx.db.run('INSERT INTO replays (scope, id, until) VALUES (?, ?, ?)', scope, jwsHash, until);
  begin();
  const grown = { ...failures, pin: failures.pin + 1, pinLifetime: failures.pinLifetime + 1 };
  return { result: 'reserved' as const, failures: touchDevice(tx, device, { failures: grown }).failures, underWay };
}

function spentOf({ pin, pinLifetime }: Device['failures'], limits: ReserveProof['limits']) {
  if (pin >= limits.pin) return 'pin' as const;
  return pinLifetime >= limits.pinLifetime ? ('pin_lifetime' as const) : undefined;
}

export function failProof(tx: Tx, failed: FailProof) {
  const { deviceId, now, tally, lockDevice: reason, receipt, ctr, events } = failed;
  const replayed = replayOf(tx, receipt);
  if (replayed) return replayed;
  const device = readDevice(tx.db, deviceId);
  if (!device) return { result: 'missing' as const };
  const on = onPin(deviceId);
  const holds = { failures: device.failures, underWay: othersUnderWay(tx, on, receipt.jwsHash, now) };
  if (tally && !isDeepStrictEqual(tally, holds)) return { result: 'changed' as const, ...holds };
  endTry(tx, [on], receipt.jwsHash);
  const message = counted(tx, device, ctr);
  if (reason) lockDevice(tx, device, { ...failed, reason }, message);
  else touchDevice(tx, device, message);
  writeReceipt(tx, receipt);
  writeEvents(tx, events);
  return { result: 'recorded' as const };
}

export function activateDevice(tx: Tx, change: Activate) {
  const { device, mode, now, events, receipt, ctr } = change;
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

  for (const other of others) replace(tx, other, change);
  const kept = { ...keptFrom(stored), ...counted(tx, stored, ctr) };
  const activated = replaceDevice(tx, device, { ...kept, state: 'active', activatedAt: now });
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

/** What only this device wrote to goes with it. */
const ended = { state: 'deactivated', box: undefined, rotation: undefined } satisfies Partial<Device>;

function replace(tx: Tx, device: Device, change: Activate): void {
  const { replacedEvent: event } = change;
  replaceDevice(tx, device, ended);
  endWithDevice(tx, device, 'deactivated', change);
  writeEvents(tx, [{ ...event, id: `${device.id}.${event.type}`, deviceId: device.id }]);
}

export function changeDeviceState(tx: Tx, change: ChangeState) {
  const { id, from, to, reason, events, receipt, ctr } = change;
  const replayed = replayOf(tx, receipt);
  if (replayed) return replayed;
  const stored = readDevice(tx.db, id);
  if (!stored) return { result: 'missing' as const };
  if (!from.includes(stored.state)) return { result: 'refused' as const, state: stored.state };
  const device = replaceDevice(tx, stored, {
    state: to,
    // keys that wait go with every change: whoever had them made may be why
    rotation: undefined,
    ...consequencesOf(to, stored, reason),
    ...counted(tx, stored, ctr),
  });
  const closed = to === 'deactivated' || to === 'locked' ? endWithDevice(tx, device, to, change) : [];
  writeReceipt(tx, receipt);
  writeEvents(tx, events);
  return { result: 'changed' as const, device, closed };
}

function consequencesOf(to: DeviceState, { failures }: Device, reason: ChangeState['reason']): Partial<Device> {
  if (to === 'locked') return { lockReason: reason };
  if (to === 'deactivated') return ended;
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
  tx.db.run(
    'INSERT OR REPLACE INTO key_claims (thumbprint, device_id, claimed_at, review_at) VALUES (?, ?, ?, ?)',
    thumbprint,
    deviceId,
    now,
    now + HOUR,
  );
  return true;
}

interface SettleClaim {
  claim: KeyClaim;
  next: ReviewedClaim | undefined;
}

export function settleClaim({ db }: Tx, { claim, next }: SettleClaim): boolean {
  const { thumbprint, deviceId, claimedAt } = claim;
  const same = 'thumbprint = ? AND device_id = ? AND claimed_at = ?';
  if (!next) return db.run(`DELETE FROM key_claims WHERE ${same}`, thumbprint, deviceId, claimedAt) === 1;
  const { reviewAt, formerSince = null } = next;
  const change = `UPDATE key_claims SET review_at = ?, former_since = ? WHERE ${same}`;
  return db.run(change, reviewAt, formerSince, thumbprint, deviceId, claimedAt) === 1;
}

function claimsDue(db: Db, now: number, limit: number): KeyClaim[] {
  const rows = db.all<KeyClaim & { formerSince: number | null }>(
    `SELECT thumbprint, device_id AS "deviceId", claimed_at AS "claimedAt", former_since AS "formerSince"
       FROM key_claims WHERE review_at <= ? ORDER BY review_at LIMIT ?`,
    now,
    limit,
  );
  return rows.map(({ formerSince, ...claim }) => ({ ...claim, ...(formerSince !== null && { formerSince }) }));
}

/** A device that is there holds its key until it is deactivated; one that never came has held it long enough after 30 s. */
function isBelieved(db: Db, held: { device_id: string; claimed_at: number }, now: number): boolean {
  const device = readDevice(db, held.device_id);
  return device ? device.state !== 'deactivated' : now < held.claimed_at + CLAIM_MS;
}

/** Whatever its state. */
function keyHolder(db: Db, thumbprint: string): Device | undefined {
  const held = db.get<{ device_id: string }>('SELECT device_id FROM key_claims WHERE thumbprint = ?', thumbprint);
  return held && readDevice(db, held.device_id);
}

function withUser(db: Db, id: string, message: { jti: string; now: number } | undefined, noticesAt?: number) {
  const { device, isNoticed = false } =
    noticesAt === undefined ? { device: readDevice(db, id) } : readNoticed(db, id, noticesAt);
  const user = device && readUser(db, device.userId);
  const receipt = message && readReceipt(db, id, message.jti);
  const lives = receipt && message.now < receipt.until;
  const notices = isNoticed && user ? noticesOf(db, user.id, noticesAt!) : [];
  const beside = { ...(lives && { receipt }), ...(notices.length > 0 && { notices }) };
  return device && user && { device, userState: user.state, ...beside };
}

export const deviceStore = ({ read, write }: Access): DeviceStore => ({
  get: (id) => read((db) => readDevice(db, id)),
  withUser: (id, message, noticesAt) => read((db) => db.snapshot(() => withUser(db, id, message, noticesAt))),
  ofUser: (userId) => read((db) => devicesOf(db, userId)),
  list: (page) => read((db) => pageOf<Device>(db, 'devices', page)),
  claimKey: (thumbprint, deviceId, now) => write('claimKey', { thumbprint, deviceId, now }),
  keyHolder: (thumbprint) => read((db) => keyHolder(db, thumbprint)),
  claimsDue: ({ now, limit }) => read((db) => claimsDue(db, now, limit)),
  settleClaim: (claim, next) => write('settleClaim', { claim, next }),
  boxesDue: (due) => read((db) => devicesWithDueBox(db, due)),
  save: (change) => write('saveDevice', change),
  reserveProof: (attempt) => write('reserveProof', attempt),
  failProof: (failed) => write('failProof', failed),
  activate: (change) => write('activateDevice', change),
  changeState: (change) => write('changeDeviceState', change),
});
