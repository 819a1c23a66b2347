import type { DeviceState, LockReason } from '../../src/domain/device.ts';
import type { Decision, EndReason, OperationState } from '../../src/domain/operation.ts';
import type { OperationStore, Tally } from '../../src/domain/ports/operations.ts';
import type { Context } from './context.ts';
import { closedJson, counterJson, failuresOf, receiptJson, receiptKey } from './devices.ts';
import { idPart, partitionFor } from './keys.ts';
import { toOperation } from './records.ts';

type DecisionCalls = Pick<OperationStore, 'reserveAttempt' | 'failAttempt' | 'decide'>;

const REASONS: Record<NonNullable<Decision['reason']>, EndReason> = {
  not_me: 'not_me',
  incorrect_data: 'incorrect_data',
  cancelled: 'cancelled_by_user',
};

/** The part of the operation's port that a device's answer goes through. */
export function createDecisionCalls(context: Context): DecisionCalls {
  const { keys, scripts, changes } = context;
  const common = (operationId: string, deviceId: string) => [
    keys.root(partitionFor(operationId)),
    keys.of('operation', operationId),
    keys.beside(operationId, 'device', deviceId),
  ];

  return {
    async reserveAttempt({ operationId, deviceId, jwsHash, counts, limits, now, leaseMs }) {
      const flag = (counter: 'pin' | 'number') => (counts.includes(counter) ? '1' : '0');
      const reply = await scripts.run('reserveAttempt', common(operationId, deviceId), [
        now,
        jwsHash,
        flag('pin'),
        flag('number'),
        limits.pin,
        limits.number,
        limits.pinLifetime,
        idPart(operationId),
        idPart(deviceId),
        leaseMs,
      ]);
      switch (reply[0]) {
        case 'reserved':
        case 'again':
        case 'exhausted': {
          const [result, which, ...counts] = reply;
          const tally = tallyOf(counts);
          return result === 'exhausted' ? { result, which: which as 'operation', ...tally } : { result, ...tally };
        }
        case 'closed':
          return { result: 'closed', state: reply[1] as OperationState };
        default:
          return { result: reply[0] };
      }
    },

    async failAttempt(failed) {
      const { operationId, deviceId, tally, now, failOperation, lockDevice, closedEvent } = failed;
      const { receipt, ctr, events, outbox } = failed;
      const reply = await scripts.run(
        'failAttempt',
        [...common(operationId, deviceId), receiptKey(context, operationId, receipt)],
        [
          now,
          idPart(operationId),
          failOperation ? '1' : '0',
          lockDevice ?? '',
          receiptJson(receipt),
          changes(events, outbox),
          counterJson(context, ctr),
          idPart(deviceId),
          closedJson(closedEvent),
          tally ? JSON.stringify(countsOf(tally)) : '',
        ],
      );
      if (reply[0] === 'changed') {
        const [result, ...counts] = reply;
        return { result, ...tallyOf(counts) };
      }
      if (reply[0] === 'recorded') return { result: 'recorded', operation: toOperation(reply[1], reply[2], reply[3]) };
      if (reply[0] === 'repeated') return { result: 'repeated', outcome: reply[1] };
      return { result: reply[0] };
    },

    async decide({ operationId, deviceId, userId, decision, clear, evidence, receipt, ctr, now, events, outbox }) {
      const flag = (counter: 'pin' | 'number') => (clear.includes(counter) ? '1' : '0');
      const reply = await scripts.run(
        'decideOperation',
        [
          ...common(operationId, deviceId),
          keys.beside(operationId, 'user', userId),
          receiptKey(context, operationId, receipt),
          keys.of('evidence', operationId),
          keys.of('pinProof', operationId),
        ],
        [
          now,
          idPart(operationId),
          idPart(deviceId),
          idPart(userId),
          decision.approved ? 'approved' : 'denied',
          JSON.stringify(decision),
          flag('pin'),
          flag('number'),
          evidence?.sealed ?? '',
          evidence?.retainUntil ?? 0,
          receiptJson(receipt),
          changes(events, outbox),
          (!decision.approved && decision.reason && REASONS[decision.reason]) || '',
          counterJson(context, ctr),
          evidence?.pinProof ?? '',
        ],
      );
      switch (reply[0]) {
        case 'decided':
          return { result: 'decided', operation: toOperation(reply[1], reply[2], reply[3]) };
        case 'decided_before':
          return { result: 'decided_before', operation: toOperation(reply[1], reply[2], reply[3]) };
        case 'closed':
          return { result: 'closed', state: reply[1] as OperationState };
        case 'device_not_active':
          return {
            result: 'device_not_active',
            state: reply[1] as DeviceState,
            ...(reply[2] !== '' && { lockReason: reply[2] as LockReason }),
          };
        case 'repeated':
          return { result: 'repeated', outcome: reply[1] };
        case 'message_reused':
          return { result: 'message_reused' };
        case 'user_not_active':
          return { result: 'user_not_active' };
        case 'missing':
          return { result: 'missing' };
      }
    },
  };
}

/** As scripts/shared/tally.lua counts. */
export type Counts = [
  used: number,
  max: number,
  pin: number,
  number: number,
  pinLifetime: number,
  ofOperation: number,
  ofPin: number,
  ofNumber: number,
];

function tallyOf([used, max, pin, number, pinLifetime, ofOperation, ofPin, ofNumber]: Counts): Tally {
  const underWay = { operation: ofOperation, pin: ofPin, number: ofNumber };
  return { used, max, failures: { pin, number, pinLifetime }, underWay };
}

function countsOf({ used, max, failures, underWay }: Tally): Counts {
  return [used, max, ...failuresOf({ failures }), underWay.operation, underWay.pin, underWay.number];
}
