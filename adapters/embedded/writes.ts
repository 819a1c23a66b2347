import { consumeArtifact, destroyArtifact, writeArtifacts } from './artifacts.ts';
import { createClient, updateClient } from './clients.ts';
import {
  activateDevice,
  changeDeviceState,
  claimKey,
  failProof,
  reserveProof,
  saveDevice,
  settleClaim,
} from './devices.ts';
import { collectGarbage } from './garbage.ts';
import { saveKeyRing } from './key-ring.ts';
import { addKey, destroyKey, promoteKey } from './keys.ts';
import { appendNotification } from './notification-log.ts';
import { cancelOperation, claimOperation, decideOperation, expireOperations, startOperation } from './operations.ts';
import { claimDue, completeEntry, retryEntry } from './outbox.ts';
import { abandonCall, beginCall, finishCall, reserveCount, useOnce } from './records.ts';
import { commitRedemption, deliverRedemption, releaseRedemption, takeRedemption } from './redemption.ts';
import { liftLimits } from './start-limits.ts';
import { bindTicket, confirmTicket, reserveCode } from './tickets.ts';
import { type Tx, writeEvents } from './transaction.ts';
import { failAttempt, reserveAttempt } from './tries.ts';
import { changeUserState, createUser, updateUser } from './users.ts';

/** Shows that the disk takes a commit. */
function probe({ db }: Tx, _: null): void {
  db.run('UPDATE probe SET count = count + 1');
}

/** Everything that the writer can be asked for, by name: functions do not travel between threads. */
export const writes = {
  createUser,
  updateUser,
  changeUserState,
  saveDevice,
  activateDevice,
  changeDeviceState,
  reserveProof,
  failProof,
  claimKey,
  settleClaim,
  startOperation,
  liftLimits,
  bindTicket,
  reserveCode,
  confirmTicket,
  reserveAttempt,
  failAttempt,
  decideOperation,
  cancelOperation,
  claimOperation,
  expireOperations,
  takeRedemption,
  commitRedemption,
  deliverRedemption,
  releaseRedemption,
  claimDue,
  completeEntry,
  retryEntry,
  useOnce,
  reserveCount,
  beginCall,
  finishCall,
  abandonCall,
  createClient,
  updateClient,
  addKey,
  promoteKey,
  destroyKey,
  saveKeyRing,
  writeEvents,
  writeArtifacts,
  consumeArtifact,
  destroyArtifact,
  appendNotification,
  collectGarbage,
  probe,
} satisfies Record<string, (tx: Tx, argument: never) => unknown>;

export type Writes = typeof writes;
export type WriteName = keyof Writes;
export type ArgumentOf<Name extends WriteName> = Parameters<Writes[Name]>[1];
export type ResultOf<Name extends WriteName> = ReturnType<Writes[Name]>;
