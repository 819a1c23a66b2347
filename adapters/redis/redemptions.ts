import type { EndReason, OperationState } from '../../src/domain/operation.ts';
import type { OperationStore, Redeemer } from '../../src/domain/ports/operations.ts';
import type { Context } from './context.ts';
import { idPart, partitionFor } from './keys.ts';
import { toDevice, toOperation, toUser } from './records.ts';
import type { Fields } from './scripts.ts';

type RedemptionCalls = Pick<OperationStore, 'poll' | 'commit' | 'delivered' | 'release' | 'endHolds'>;
type EndState = Exclude<OperationState, 'pending' | 'approved'>;

/** The part of the operation's port that the token endpoint goes through. */
export function createRedemptionCalls({ keys, scripts, changes }: Context): RedemptionCalls {
  const common = (operationId: string) => [keys.root(partitionFor(operationId)), keys.of('operation', operationId)];

  return {
    async poll({ operationId, clientId, now, holder, leaseMs, pacing, by, holdMs }) {
      const { toleranceMs, stepSeconds, maxSeconds } = pacing;
      const reply = await scripts.run('pollOperation', common(operationId), [
        now,
        idPart(operationId),
        clientId,
        holder,
        now + leaseMs,
        toleranceMs,
        stepSeconds,
        maxSeconds,
        by ?? '',
        holdMs === undefined ? '' : now + holdMs,
      ]);
      switch (reply[0]) {
        case 'slow_down':
          return { result: 'slow_down', intervalSeconds: reply[1] };
        case 'ended':
          return {
            result: 'ended',
            state: reply[1] as EndState,
            ...(reply[2] && { endReason: reply[2] as EndReason }),
          };
        case 'leased':
          return { result: 'leased', ...redeemerOf(operationId, reply[1], reply[2], reply[3], reply[4]) };
        case 'committed': {
          const redeemer = redeemerOf(operationId, reply[1], reply[2], reply[3], reply[4]);
          const { redemption } = redeemer.operation;
          if (redemption?.state !== 'committed') throw new Error('a committed redemption without a response');
          return { result: 'committed', ...redeemer, response: redemption.response, binding: redemption.binding };
        }
        default:
          return { result: reply[0] };
      }
    },

    async commit({ operationId, holder, now, until, response, binding, replayUntil, events }) {
      const [result] = await scripts.run('commitRedemption', common(operationId), [
        holder,
        until,
        response,
        binding,
        replayUntil,
        changes(events),
        now,
      ]);
      return { result };
    },

    async delivered({ operationId, holder, now, events }) {
      return (await scripts.run('deliverRedemption', common(operationId), [now, holder, changes(events)])) === 1;
    },

    async release({ operationId, holder, now }) {
      await scripts.run('releaseRedemption', common(operationId), [now, holder]);
    },

    async endHolds(holds) {
      const byPartition = Map.groupBy(holds, ({ operationId }) => partitionFor(operationId));
      await Promise.all(
        [...byPartition].map(([partition, some]) => {
          const named = some.flatMap(({ operationId, holder }) => [idPart(operationId), holder]);
          return scripts.run('endHolds', [keys.root(partition)], named);
        }),
      );
    },
  };
}

function redeemerOf(id: string, body: string, operation: Fields, user: Fields, device: Fields): Redeemer {
  return {
    operation: toOperation(id, body, operation),
    user: toUser(user),
    device: device.length === 0 ? undefined : toDevice(device),
  };
}
