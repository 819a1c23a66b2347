/**
 * Receipts (device-protocol, section 2, "Freshness"): a signed message that changed something is recorded with its
 * outcome in the same step, so that the same message gets the same answer and counts once.
 */
import { MINUTE } from '../support/clock.ts';
import type { Receipt } from './device.ts';
import { invalid } from './device-messages/payload.ts';
import { DomainError } from './errors.ts';
import type { Replayed } from './ports/devices.ts';

/** The protocol asks for ten. As long as the message may still arrive: clocks are off by ten at most, in either direction. */
const keptMs = 20 * MINUTE;

interface Signed {
  deviceId: string;
  jti: string;
  signed: { jwsHash: string } | undefined;
}

/** @param notBefore epoch milliseconds; the receipt lives at least until then */
export function receiptOf({ deviceId, jti, signed }: Signed, outcome: object, now: number, notBefore = 0): Receipt {
  if (!signed) throw invalid('this call needs a signature');
  return {
    deviceId,
    jti,
    jwsHash: signed.jwsHash,
    outcome: JSON.stringify(outcome),
    until: Math.max(now + keptMs, notBefore),
  };
}

/** What was answered then. @throws DomainError message_reused */
export function repeated<T>(replayed: Replayed): T {
  if (replayed.result === 'message_reused') throw new DomainError('message_reused');
  return JSON.parse(replayed.outcome) as T;
}

/** The same for a receipt that was read beside the device. */
export function replayedBy(receipt: Receipt, { signed }: Signed): Replayed {
  if (receipt.jwsHash !== signed?.jwsHash) return { result: 'message_reused' };
  return { result: 'repeated', outcome: receipt.outcome };
}
