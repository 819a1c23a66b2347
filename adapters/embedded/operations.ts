import type { Device } from '../../src/domain/device.ts';
import type { AuditEvent } from '../../src/domain/event.ts';
import type { EndReason, Operation } from '../../src/domain/operation.ts';
import type { Decide, OperationStore, Start } from '../../src/domain/ports/operations.ts';
import { MINUTE } from '../../src/support/clock.ts';
import { partitionOf } from '../../src/support/ids.ts';
import type { Db } from './db.ts';
import { counted, noteCounter, readDevice, touchDevice } from './device-records.ts';
import {
  endOperation,
  insertOperation,
  pendingOf,
  readOperation,
  replaceOperation,
  stateAt,
  unsweptOf,
} from './operation-records.ts';
import { noteRefusal, noteStart, type Refusal, rated } from './start-limits.ts';
import {
  listed,
  parsedAll,
  type RecordRow,
  readReceipt,
  replayOf,
  type Tx,
  writeEvents,
  writeOutbox,
  writeReceipt,
} from './transaction.ts';
import { cleared, endTry, onNumber, onOperation, onPin } from './under-way.ts';
import { readUser } from './user-records.ts';

type Cancel = Parameters<OperationStore['cancel']>[0];
type Claim = Parameters<OperationStore['claim']>[0];
type Expire = Parameters<OperationStore['expireDue']>[0];

export function startOperation(tx: Tx, start: Start) {
  const { operation, now, decoy, orDecoy } = start;
  const replayed = replayOf(tx, start.receipt);
  if (replayed) return replayed;
  if (readOperation(tx.db, operation.id)) return { result: 'exists' as const };
  const isActive = decoy || readUser(tx.db, operation.userId)?.state === 'active';
  if (!isActive && !orDecoy) return { result: 'user_not_active' as const };
  const { open, ofPerson, superseded } = judged(tx, start);
  const told = latest(open);
  if (told) {
    noteRefusal(tx, start, told, true);
    return { result: 'refused' as const, ...told };
  }
  const hidden = latest(ofPerson);
  if (hidden) noteRefusal(tx, start, hidden, false);
  for (const old of superseded) supersede(tx, old, now, start.supersededEvent);
  const unasked = isActive ? hidden?.limit : ('not_active' as const);
  const one = unasked === undefined ? start : asDecoy(start);
  insertOperation(tx, one.operation);
  if (start.document !== undefined) {
    tx.db.run('INSERT INTO documents (operation_id, sealed) VALUES (?, ?)', operation.id, start.document);
  }
  if (operation.kind !== 'registration') {
    const { userId, askedAs = userId } = one.operation;
    for (const name of new Set([userId, askedAs])) noteStart(tx, name, start);
  }
  writeReceipt(tx, start.receipt);
  noteCounter(tx, start.ctr);
  writeEvents(tx, one.events);
  writeOutbox(tx, one.outbox);
  return { result: 'started' as const, superseded: superseded.map(({ id }) => id), ...(unasked && { unasked }) };
}

function asDecoy({ operation, orDecoy }: Start): Pick<Start, 'operation' | 'events' | 'outbox'> {
  const { userId, events, outbox } = orDecoy!;
  const { askedAs: _asked, ...rest } = operation;
  return { operation: { ...rest, userId }, events, outbox };
}

/** Whoever comes again then is let through by all of them. */
function latest(refusals: Refusal[]): Refusal | undefined {
  return refusals.reduce<Refusal | undefined>((a, b) => (a && a.retryAt >= b.retryAt ? a : b), undefined);
}

function supersede(tx: Tx, old: Operation, now: number, event: Start['supersededEvent']): void {
  endOperation(tx, old, 'cancelled', now, 'superseded');
  if (event) writeEvents(tx, [{ ...event, id: `${old.id}.${event.type}`, operationId: old.id }]);
}

interface Judged {
  /** What refuses it. */
  open: Refusal[];
  /** What makes it a decoy: the client must not know. */
  ofPerson: Refusal[];
  superseded: Operation[];
}

function judged(tx: Tx, start: Start): Judged {
  const { db } = tx;
  const { operation, cap, now, decoy, orDecoy } = start;
  if (operation.kind === 'registration') return { open: [], ofPerson: [], superseded: [] };
  if (operation.claimOf !== undefined) return { open: [], ofPerson: [], superseded: claimsBeyond(db, start) };
  const openOf = (userId: string) =>
    unsweptOf(db, userId).filter(({ kind, claimOf }) => kind !== 'registration' && claimOf === undefined);
  const isLive = ({ expiresAt }: Operation) => expiresAt > now;
  const isOurs = ({ clientId }: Operation) => clientId === operation.clientId;
  const [person, name] = [openOf(operation.userId), orDecoy ? openOf(orDecoy.userId) : []];

  const ofClient = [...person, ...name].filter((one) => isLive(one) && isOurs(one));
  const excess = Math.max(0, ofClient.length + 1 - cap.perClient);
  const byCap: Refusal[] =
    excess > 0 && cap.policy === 'refuse' ? [{ limit: 'client', retryAt: whenFree(ofClient, excess) }] : [];
  const superseded = byCap.length > 0 ? [] : ofClient.slice(0, excess);
  const left = person.filter((other) => isLive(other) && !superseded.includes(other));
  const beyond = decoy ? 0 : left.length + 1 - cap.perUser;
  const byOthers: Refusal[] = beyond > 0 ? [{ limit: 'user', retryAt: whenFree(left, beyond) }] : [];

  const late = (of: Operation[]) => of.filter((one) => !isLive(one) && isOurs(one));
  const missed = {
    person: late(person),
    name: orDecoy ? late([...person.filter(({ askedAs }) => askedAs === orDecoy.userId), ...name]) : late(person),
  };
  const { open, ofPerson } = rated(tx, start, missed);
  if (orDecoy) return { open: [...byCap, ...open], ofPerson: [...byOthers, ...ofPerson], superseded };
  return { open: [...byCap, ...byOthers, ...open, ...ofPerson], ofPerson: [], superseded };
}

/** Of what this device has claimed and not answered, the oldest: those that have to go for one more. */
function claimsBeyond(db: Db, { operation, cap, now }: Start): Operation[] {
  const claims = pendingOf(db, operation.userId, now).filter(
    ({ claimOf, deviceId }) => claimOf !== undefined && deviceId === operation.deviceId,
  );
  return claims.slice(0, Math.max(0, claims.length + 1 - (cap.claims ?? Number.MAX_SAFE_INTEGER)));
}

/** When so many of them have expired. */
function whenFree(operations: Operation[], count: number): number {
  const ends = operations.map(({ expiresAt }) => expiresAt).sort((a, b) => a - b);
  return ends[Math.min(count, ends.length) - 1] ?? 0;
}

export function decideOperation(tx: Tx, decide: Decide) {
  const { now, decision } = decide;
  const replayed = replayOf(tx, decide.receipt);
  if (replayed) return replayed;
  const operation = readOperation(tx.db, decide.operationId);
  const device = readDevice(tx.db, decide.deviceId);
  const user = readUser(tx.db, decide.userId);
  if (!operation || !device || !user || operation.kind === 'registration') return { result: 'missing' as const };
  if (operation.userId !== user.id || device.userId !== user.id) return { result: 'missing' as const };
  if (user.state !== 'active') return { result: 'user_not_active' as const };
  if (device.state !== 'active') {
    const { state, lockReason } = device;
    return { result: 'device_not_active' as const, state, ...(lockReason && { lockReason }) };
  }
  if (operation.decision) {
    settle(tx, device, decide);
    return { result: 'decided_before' as const, operation };
  }
  const state = decision.approved && now >= operation.answerBy ? closedBy(operation) : stateAt(operation, now);
  if (state !== 'pending') {
    settle(tx, device, decide);
    return { result: 'closed' as const, state };
  }

  const decided = replaceOperation(tx, operation, { ...outcomeOf(decide), decision, finishedAt: now });
  endTryOf(tx, decide);
  const failures = cleared(tx, device, decide.clear, decide.receipt.jwsHash, now);
  touchDevice(tx, device, { lastUsedAt: now, failures, ...counted(tx, device, decide.ctr) });
  keepEvidence(tx, decide);
  writeReceipt(tx, decide.receipt);
  writeEvents(tx, decide.events);
  writeOutbox(tx, decide.outbox);
  return { result: 'decided' as const, operation: decided };
}

/** Too late to approve: what has not ended otherwise counts as expired. */
function closedBy({ state }: Operation): Operation['state'] {
  return state === 'pending' ? 'expired' : state;
}

const endReasons: Record<NonNullable<Decide['decision']['reason']>, EndReason> = {
  not_me: 'not_me',
  incorrect_data: 'incorrect_data',
  cancelled: 'cancelled_by_user',
};

function outcomeOf({ decision }: Decide): Pick<Operation, 'state' | 'endReason'> {
  if (decision.approved) return { state: 'approved' };
  return { state: 'denied', ...(decision.reason && { endReason: endReasons[decision.reason] }) };
}

/** Whether a try of this message was there. */
function endTryOf(tx: Tx, { operationId, deviceId, receipt: { jwsHash } }: Decide): boolean {
  return endTry(tx, [onOperation(operationId), onPin(deviceId), onNumber(deviceId)], jwsHash);
}

/** What was right counts as right also where it comes too late. */
function settle(tx: Tx, device: Device, decide: Decide): void {
  const { decision, clear, receipt, now } = decide;
  if (!decision.approved || !endTryOf(tx, decide)) return;
  touchDevice(tx, device, { failures: cleared(tx, device, clear, receipt.jwsHash, now) });
}

function keepEvidence({ db }: Tx, { operationId, evidence }: Decide): void {
  if (!evidence) return;
  const { sealed, retainUntil, pinProof = null } = evidence;
  const sql = 'INSERT INTO evidence (operation_id, sealed, retain_until, pin_proof) VALUES (?, ?, ?, ?)';
  db.run(sql, operationId, sealed, retainUntil, pinProof);
}

export function cancelOperation(tx: Tx, { operationId, clientId, reason, now, events, outbox }: Cancel) {
  const operation = readOperation(tx.db, operationId);
  if (!operation || (clientId !== undefined && operation.clientId !== clientId)) return { result: 'missing' as const };
  if (stateAt(operation, now) !== 'pending') return { result: 'ended' as const, operation };
  const cancelled = endOperation(tx, operation, 'cancelled', now, reason);
  writeEvents(tx, events);
  writeOutbox(tx, outbox);
  return { result: 'cancelled' as const, operation: cancelled };
}

export function claimOperation(tx: Tx, { operationId, claimed, now, events }: Claim) {
  const operation = readOperation(tx.db, operationId);
  if (!operation?.offer) return { result: 'missing' as const };
  if (operation.claimed) {
    if (operation.claimed.deviceId !== claimed.deviceId) return { result: 'claimed_by_other' as const };
    return { result: 'again' as const, operation };
  }
  const state = stateAt(operation, now);
  if (state !== 'pending') return { result: 'closed' as const, state };
  const taken = { state: 'cancelled', endReason: 'claimed', finishedAt: now } as const;
  const { deviceId, sealed } = claimed;
  const done = replaceOperation(tx, operation, { ...taken, claimed: { deviceId, sealed, at: now } });
  writeEvents(tx, events);
  return { result: 'claimed' as const, operation: done };
}

export function expireOperations(tx: Tx, { partitions, now, limit, event }: Expire): string[] {
  const due = parsedAll<Operation>(
    tx.db.all<RecordRow>(
      `SELECT record FROM operations WHERE state = 'pending' AND expires_at <= ?
          AND substr(id, 1, 2) IN (SELECT value FROM json_each(?)) ORDER BY expires_at LIMIT ?`,
      now,
      listed(partitions),
      limit,
    ),
  );
  for (const operation of due) expire(tx, operation, now, event);
  return due.map(({ id }) => id);
}

function expire(tx: Tx, operation: Operation, now: number, event: Expire['event']): void {
  const { id, userId, expiresAt } = endOperation(tx, operation, 'expired', operation.expiresAt);
  const told: AuditEvent = { ...event, id: `${id}.${event.type}`, operationId: id, userId };
  writeEvents(tx, [told]);
  const payload = JSON.stringify({ op: id, state: 'expired' });
  // the operation is over, so its own end cannot be the entry's: a minute is enough for whoever is listening
  const entry = { id: `${id}.expired`, kind: 'inbox' as const, operationId: id, userId, payload, dueAt: now };
  writeOutbox(tx, [{ ...entry, expiresAt: Math.max(now, expiresAt) + MINUTE }]);
}

function forDevice(db: Db, operationId: string, deviceId: string, message?: { jti: string; now: number }) {
  if (partitionOf(operationId) !== partitionOf(deviceId)) return {};
  const operation = readOperation(db, operationId);
  const device = readDevice(db, deviceId);
  const user = device && readUser(db, device.userId);
  const receipt = message && readReceipt(db, deviceId, message.jti);
  const isAlive = receipt && message.now < receipt.until;
  return {
    ...(operation && { operation }),
    ...(device && { device }),
    ...(user && { user }),
    ...(isAlive && { receipt }),
  };
}

export const operationReads = {
  get: readOperation,
  pendingOf: (db: Db, userId: string, now: number) =>
    pendingOf(db, userId, now).filter(({ kind }) => kind !== 'registration'),
  ticketsOf: (db: Db, userId: string, now: number) =>
    pendingOf(db, userId, now)
      .filter(({ ticket }) => ticket?.codeHmac !== undefined)
      .reverse(),
  forDevice,
  document: (db: Db, operationId: string) =>
    db.get<{ sealed: string }>('SELECT sealed FROM documents WHERE operation_id = ?', operationId)?.sealed,
  evidence: (db: Db, operationId: string) =>
    db.get<{ sealed: string }>('SELECT sealed FROM evidence WHERE operation_id = ?', operationId)?.sealed,
  pinProof: (db: Db, operationId: string) =>
    db.get<{ pin_proof: string | null }>('SELECT pin_proof FROM evidence WHERE operation_id = ?', operationId)
      ?.pin_proof ?? undefined,
};
