import type { Receipt } from '../../src/domain/device.ts';
import type { Operation, OperationState } from '../../src/domain/operation.ts';
import type { OperationStore, Start } from '../../src/domain/ports/operations.ts';
import { subjectOf, sweptLifetimeMs, tailOf } from './changes.ts';
import type { Context } from './context.ts';
import { createDecisionCalls } from './decisions.ts';
import { counterJson, receiptJson, receiptKey } from './devices.ts';
import { answered } from './failures.ts';
import { idPart, partitionFor } from './keys.ts';
import {
  deviceFields,
  fieldsJson,
  operationBody,
  operationFields,
  toDevice,
  toOperation,
  toReceipt,
  toUser,
} from './records.ts';
import { createRedemptionCalls } from './redemptions.ts';
import type { OperationRow } from './scripts.ts';

/** How long devices may be told that an operation has expired: afterwards they have looked by themselves. */
const EXPIRED_NOTICE_MS = 600_000;

export function createOperationStore(context: Context): OperationStore {
  const { client, keys, scripts, changes, walk, eventRetentionMs } = context;

  const pendingIn = async (list: 'pendingOf' | 'ticketsOf', userId: string, now: number) => {
    const rows = await scripts.run('readPending', [keys.root(partitionFor(userId)), keys.of(list, userId)], [now]);
    return rows.map(operationOf).sort((a, b) => a.createdAt - b.createdAt);
  };

  return {
    ...createDecisionCalls(context),
    ...createRedemptionCalls(context),

    async start(start) {
      const { id, userId, retainUntil } = start.operation;
      const reply = await scripts.run(
        'startOperation',
        [
          keys.root(partitionFor(id)),
          keys.of('operation', id),
          keys.of('body', id),
          keys.beside(id, 'user', userId),
          receiptKey(context, id, start.receipt),
        ],
        [
          start.now,
          idPart(id),
          idPart(userId),
          fieldsJson(operationFields(start.operation)),
          operationBody(start.operation),
          sweptLifetimeMs(retainUntil, start.now),
          capJson(start),
          ...supersededArgs(start.supersededEvent),
          changes(start.events, start.outbox),
          start.limits ? JSON.stringify(start.limits) : '',
          refusedArg(start.refusedEvent),
          start.orDecoy ? idPart(start.orDecoy.userId) : '',
          start.orDecoy ? changes(start.orDecoy.events, start.orDecoy.outbox) : '',
          start.document ?? '',
          receiptJson(start.receipt),
          counterJson(context, start.ctr),
        ],
      );
      switch (reply[0]) {
        case 'started':
          return { result: 'started', superseded: reply[1], ...(reply[2] !== '' && { unasked: reply[2] }) };
        case 'refused':
          return { result: 'refused', limit: reply[1], retryAt: Number(reply[2]) };
        case 'repeated':
          return { result: 'repeated', outcome: reply[1] };
        default:
          return { result: reply[0] };
      }
    },

    async liftLimits({ userId, clientId, now, events }) {
      const reply = await scripts.run(
        'liftLimits',
        [keys.root(partitionFor(userId)), keys.of('startNotes', userId)],
        [now, idPart(userId), clientId === undefined ? '' : `=${clientId}`, changes(events)],
      );
      return reply === 1;
    },

    async get(id) {
      const reply = await scripts.run('readOperation', [
        keys.root(partitionFor(id)),
        keys.of('operation', id),
        keys.of('body', id),
      ]);
      return reply.length === 0 ? undefined : toOperation(id, ...reply);
    },

    pendingOf: (userId, now) => pendingIn('pendingOf', userId, now),

    async ticketsOf(userId, now) {
      const tickets = await pendingIn('ticketsOf', userId, now);
      return tickets.filter(({ ticket }) => ticket?.codeHmac !== undefined).reverse();
    },

    async forDevice(operationId, deviceId, message) {
      const partition = partitionFor(operationId);
      if (partition !== partitionFor(deviceId)) return {};
      const root = keys.root(partition);
      const receiptAt = message ? keys.receipt(deviceId, deviceId, message.jti) : root;
      const [body, operation, device, user, fields] = await scripts.run('readForDevice', [
        root,
        keys.of('operation', operationId),
        keys.of('body', operationId),
        keys.of('device', deviceId),
        receiptAt,
      ]);
      const receipt = fields.length > 0 ? toReceipt(deviceId, message!.jti, fields) : undefined;
      return {
        ...(operation.length > 0 && body !== null && { operation: toOperation(operationId, body, operation) }),
        ...(device.length > 0 && { device: toDevice(device) }),
        ...(user.length > 0 && { user: toUser(user) }),
        ...(receipt && message!.now < receipt.until && { receipt: receipt satisfies Receipt }),
      };
    },

    async bindTicket({ operationId, thumbprint, device, now, events }) {
      const partition = partitionFor(operationId);
      const reply = await scripts.run(
        'bindTicket',
        [
          keys.root(partition),
          keys.of('operation', operationId),
          keys.beside(operationId, 'device', device.id),
          keys.beside(operationId, 'devicesOf', device.userId),
          keys.at(partition, 'devices'),
        ],
        [now, thumbprint, idPart(device.id), fieldsJson(deviceFields(device)), changes(events)],
      );
      if (reply[0] === 'bound') return { result: 'bound', device: structuredClone(device) };
      if (reply[0] === 'again') return { result: 'again', device: toDevice(reply[2]) };
      return { result: reply[0] };
    },

    async reserveCode({ operationId, code, limit, now, events = [] }) {
      const [result, used] = await scripts.run(
        'reserveCode',
        [keys.root(partitionFor(operationId)), keys.of('operation', operationId)],
        [now, idPart(operationId), limit, code === 'confirm' ? 'tc' : 'tw', changes(events)],
      );
      return result === 'reserved' ? { result, used: used! } : { result };
    },

    async confirmTicket({ operationId, now, events }) {
      const [result, ...row] = await scripts.run(
        'confirmTicket',
        [keys.root(partitionFor(operationId)), keys.of('operation', operationId)],
        [now, idPart(operationId), changes(events)],
      );
      return result === 'confirmed' ? { result, operation: operationOf(row as OperationRow) } : { result };
    },

    document: async (operationId) => (await answered(client.get(keys.of('document', operationId)))) ?? undefined,
    evidence: async (operationId) => (await answered(client.get(keys.of('evidence', operationId)))) ?? undefined,
    pinProof: async (operationId) => (await answered(client.get(keys.of('pinProof', operationId)))) ?? undefined,

    async cancel({ operationId, clientId, reason, now, events, outbox }) {
      const [result, ...row] = await scripts.run(
        'cancelOperation',
        [keys.root(partitionFor(operationId)), keys.of('operation', operationId)],
        [now, idPart(operationId), clientId === undefined ? '' : `=${clientId}`, reason, changes(events, outbox)],
      );
      return result === 'missing' ? { result } : { result, operation: operationOf(row as OperationRow) };
    },

    async claim({ operationId, claimed: { deviceId, sealed }, now, events }) {
      const [result, ...rest] = await scripts.run(
        'claimOperation',
        [keys.root(partitionFor(operationId)), keys.of('operation', operationId)],
        [now, idPart(operationId), deviceId, JSON.stringify({ deviceId, sealed, at: now }), changes(events)],
      );
      if (result === 'closed') return { result, state: stateOf(rest[0] as string) };
      if (result === 'missing' || result === 'claimed_by_other') return { result };
      return { result, operation: operationOf(rest as OperationRow) };
    },

    async expireDue({ partitions, now, limit, event }) {
      const { taken } = await walk(partitions, limit, {
        kind: 'due',
        count: (partition) => answered(client.zcount(keys.at(partition, 'due'), '-inf', now)),
        take: (partition, share) =>
          scripts.run(
            'expireOperations',
            [keys.root(partition), keys.at(partition, 'due')],
            [now, share, event.type, tailOf(event), event.at, now + EXPIRED_NOTICE_MS, eventRetentionMs],
          ),
      });
      return taken.flat();
    },
  };
}

export function operationOf([id, body, fields]: OperationRow): Operation {
  return toOperation(id, body, fields);
}

export const stateOf = (text: string) => text as OperationState;

function capJson({ cap: { perClient, policy, perUser, claims }, decoy }: Start): string {
  return JSON.stringify({ perClient, perUser, replace: policy === 'replace', claims, decoy });
}

function refusedArg(event: Start['refusedEvent']): string {
  return event ? JSON.stringify([tailOf(event), subjectOf(event)[1], event.at]) : '';
}

function supersededArgs(event: Start['supersededEvent']): (string | number)[] {
  return event ? [tailOf(event), subjectOf(event)[1], event.at] : ['', '', 0];
}
