import type { OperationStore, Poll, PollResult } from '../../src/domain/ports/operations.ts';
import type { Access } from './access.ts';
import { readOperation } from './operation-records.ts';
import { operationReads } from './operations.ts';
import { createPacing } from './pacing.ts';
import { lookAt } from './redemption.ts';

export function operationStore({ read, write }: Access): OperationStore {
  const pacing = createPacing();

  /** Reads decide nearly every poll; only who may take a lease or a response goes to the writer, which looks again. */
  async function poll(asked: Poll): Promise<PollResult> {
    const operation = await read((db) => readOperation(db, asked.operationId));
    const found = lookAt(operation, asked);
    if (found === 'wait') return pacing.take(asked, operation!.poll!.intervalSeconds);
    if (found === 'take') {
      pacing.forget(asked.operationId);
      return write('takeRedemption', asked);
    }
    return found;
  }

  return {
    poll,
    get: (id) => read((db) => operationReads.get(db, id)),
    pendingOf: (userId, now) => read((db) => operationReads.pendingOf(db, userId, now)),
    ticketsOf: (userId, now) => read((db) => operationReads.ticketsOf(db, userId, now)),
    forDevice: (operationId, deviceId, message) =>
      read((db) => db.snapshot(() => operationReads.forDevice(db, operationId, deviceId, message))),
    document: (operationId) => read((db) => operationReads.document(db, operationId)),
    evidence: (operationId) => read((db) => operationReads.evidence(db, operationId)),
    pinProof: (operationId) => read((db) => operationReads.pinProof(db, operationId)),
    start: (start) => write('startOperation', start),
    liftLimits: (lift) => write('liftLimits', lift),
    bindTicket: (bind) => write('bindTicket', bind),
    reserveCode: (reserve) => write('reserveCode', reserve),
    confirmTicket: (confirm) => write('confirmTicket', confirm),
    reserveAttempt: (attempt) => write('reserveAttempt', attempt),
    failAttempt: (failed) => write('failAttempt', failed),
    decide: (decide) => write('decideOperation', decide),
    claim: (claim) => write('claimOperation', claim),
    cancel: (cancel) => write('cancelOperation', cancel),
    expireDue: (expire) => write('expireOperations', expire),
    commit: (commit) => write('commitRedemption', commit),
    delivered: (delivered) => write('deliverRedemption', delivered),
    release(release) {
      pacing.endHold(release.operationId, release.holder);
      return write('releaseRedemption', release);
    },
    async endHolds(holds) {
      for (const { operationId, holder } of holds) pacing.endHold(operationId, holder);
    },
  };
}
