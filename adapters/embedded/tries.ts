import { isDeepStrictEqual } from 'node:util';
import type { Device } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { Attempt, FailedAttempt } from '../../src/domain/ports/operations.ts';
import { counted as countedMessage, lockDevice, readDevice, touchDevice } from './device-records.ts';
import { endOperation, readOperation, replaceOperation, stateAt } from './operation-records.ts';
import { replayOf, type Tx, writeEvents, writeOutbox, writeReceipt } from './transaction.ts';
import { beginTry, endTry, onNumber, onOperation, onPin, tallyOf } from './under-way.ts';

/** Counts a try before anything is verified: a crash after this has cost a try, never given one away. */
export function reserveAttempt(tx: Tx, attempt: Attempt) {
  const { operationId, deviceId, jwsHash, now } = attempt;
  const operation = readOperation(tx.db, operationId);
  const device = readDevice(tx.db, deviceId);
  if (!operation || device?.userId !== operation.userId) return { result: 'missing' as const };
  if (hasReserved(tx, operationId, jwsHash)) {
    begin(tx, attempt);
    return { result: 'again' as const, ...tallyOf(tx, operation, device, jwsHash, now) };
  }
  const state = operation.state === 'pending' && now >= operation.answerBy ? 'expired' : stateAt(operation, now);
  if (state !== 'pending') return { result: 'closed' as const, state };
  const which = spent(operation, device, attempt);
  if (which) return { result: 'exhausted' as const, which, ...tallyOf(tx, operation, device, jwsHash, now) };

  tx.db.run('INSERT INTO attempts (operation_id, jws_hash) VALUES (?, ?)', operationId, jwsHash);
  begin(tx, attempt);
  const tries = { ...operation.tries, used: operation.tries.used + 1 };
  const reserved = replaceOperation(tx, operation, { tries });
  const touched = touchDevice(tx, device, { failures: grown(device.failures, attempt.counts) });
  return { result: 'reserved' as const, ...tallyOf(tx, reserved, touched, jwsHash, now) };
}

function begin(tx: Tx, { operationId, deviceId, jwsHash, counts, now, leaseMs }: Attempt): void {
  const of = { pin: onPin(deviceId), number: onNumber(deviceId) };
  beginTry(tx, [onOperation(operationId), ...counts.map((counter) => of[counter])], jwsHash, now + leaseMs);
}

function hasReserved({ db }: Tx, operationId: string, jwsHash: string): boolean {
  return db.get('SELECT 1 FROM attempts WHERE operation_id = ? AND jws_hash = ?', operationId, jwsHash) !== undefined;
}

function spent({ tries }: Operation, { failures }: Device, { counts, limits }: Attempt) {
  const [pin, number] = [counts.includes('pin'), counts.includes('number')];
  if (tries.used >= tries.max) return 'operation' as const;
  if (pin && failures.pin >= limits.pin) return 'pin' as const;
  if (pin && failures.pinLifetime >= limits.pinLifetime) return 'pin_lifetime' as const;
  if (number && failures.number >= limits.number) return 'number' as const;
  return undefined;
}

function grown({ pin, number, pinLifetime }: Device['failures'], counts: Attempt['counts']): Device['failures'] {
  const [byPin, byNumber] = [Number(counts.includes('pin')), Number(counts.includes('number'))];
  return { pin: pin + byPin, number: number + byNumber, pinLifetime: pinLifetime + byPin };
}

export function failAttempt(tx: Tx, failed: FailedAttempt) {
  const { now, receipt } = failed;
  const replayed = replayOf(tx, receipt);
  if (replayed) return replayed;
  const found = readOperation(tx.db, failed.operationId);
  const device = readDevice(tx.db, failed.deviceId);
  if (!found || device?.userId !== found.userId) return { result: 'missing' as const };
  const { jwsHash } = receipt;
  const holds = tallyOf(tx, found, device, jwsHash, now);
  if (failed.tally && !isDeepStrictEqual(failed.tally, holds)) return { result: 'changed' as const, ...holds };
  endTry(tx, [onOperation(found.id), onPin(device.id), onNumber(device.id)], jwsHash);
  const ends = failed.failOperation && stateAt(found, now) === 'pending';
  const operation = ends ? endOperation(tx, found, 'failed', now, 'attempts') : found;
  const message = countedMessage(tx, device, failed.ctr);
  if (failed.lockDevice) lockDevice(tx, device, { ...failed, reason: failed.lockDevice }, message);
  else if (message.ctr !== undefined) touchDevice(tx, device, message);
  writeReceipt(tx, receipt);
  writeEvents(tx, failed.events);
  writeOutbox(tx, failed.outbox);
  return { result: 'recorded' as const, operation };
}
