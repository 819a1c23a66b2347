import type { DeviceState, Receipt } from '../../src/domain/device.ts';
import type { AuditEvent } from '../../src/domain/event.ts';
import type { DeviceStore, MessageCounter } from '../../src/domain/ports/devices.ts';
import type { UserState } from '../../src/domain/user.ts';
import { lifetimeMs, placeOf, tailOf } from './changes.ts';
import { createClaims } from './claims.ts';
import type { Context } from './context.ts';
import { idPart, partitionFor } from './keys.ts';
import { createPages } from './pages.ts';
import { readHash } from './read-hash.ts';
import {
  absentJson,
  changedDeviceFields,
  fieldsJson,
  operationBody,
  operationFields,
  toDevice,
  toReceipt,
} from './records.ts';

export function createDeviceStore(context: Context): DeviceStore {
  const { client, keys, scripts, changes } = context;
  const claims = createClaims(scripts);

  const readRecord = async (key: string) => {
    const fields = await readHash(client, key);
    return fields && toDevice(fields);
  };

  return {
    get: (id) => readRecord(keys.of('device', id)),
    list: createPages(context, 'devices', 'device', (_id, fields) => toDevice(fields)),

    async withUser(id, message, noticesAt) {
      const root = keys.root(partitionFor(id));
      const receiptAt = message ? keys.receipt(id, id, message.jti) : root;
      const at = [root, keys.of('device', id), receiptAt];
      const [fields, userState, seen = [], texts = []] = await scripts.run('readDevice', at, [noticesAt ?? '']);
      if (!fields || !userState) return undefined;
      const receipt = seen.length > 0 ? toReceipt(id, message!.jti, seen) : undefined;
      return {
        device: toDevice(fields),
        userState: userState as UserState,
        ...(receipt && message!.now < receipt.until && { receipt }),
        ...(texts.length > 0 && { notices: texts.map((text) => JSON.parse(text) as AuditEvent) }),
      };
    },

    async ofUser(userId) {
      const rows = await scripts.run('readDevicesOf', [keys.root(partitionFor(userId)), keys.of('devicesOf', userId)]);
      return rows.map(([, fields]) => toDevice(fields)).sort((a, b) => a.createdAt - b.createdAt);
    },

    async claimKey(thumbprintHmac, deviceId, now) {
      const claim = await claims.claim(keys.hashed('thumbprint', thumbprintHmac), deviceId, now, async (owner) => {
        const device = await readRecord(keys.ofPart('device', owner));
        if (!device) return 'unconfirmed';
        return device.state === 'deactivated' ? 'free' : 'confirmed';
      });
      return claim !== undefined;
    },

    async save({ device, states, now, events, receipt, ctr, pin, spends, opens }) {
      const fields = changedDeviceFields(device);
      const reply = await scripts.run(
        'saveDevice',
        [keys.root(partitionFor(device.id)), keys.of('device', device.id), receiptKey(context, device.id, receipt)],
        [
          now,
          device.version,
          JSON.stringify(states),
          fieldsJson(fields),
          absentJson(fields),
          receiptJson(receipt),
          changes(events),
          counterJson(context, ctr),
          pin ?? '',
          spends === undefined ? '' : idPart(spends),
          opens ? idPart(opens.id) : '',
          opens ? fieldsJson(operationFields(opens)) : '',
          opens ? operationBody(opens) : '',
          opens ? lifetimeMs(opens.retainUntil, now) : '',
        ],
      );
      switch (reply[0]) {
        case 'saved':
          return { result: 'saved', device: toDevice(reply[1]) };
        case 'refused':
          return { result: 'refused', state: reply[1] as DeviceState };
        case 'repeated':
          return { result: 'repeated', outcome: reply[1] };
        default:
          return { result: reply[0] };
      }
    },

    async reserveProof({ deviceId, jti, jwsHash, pinKey, limits, now, until }) {
      const receipt = { deviceId, jti, jwsHash, outcome: '', until };
      const reply = await scripts.run(
        'reserveProof',
        [
          keys.root(partitionFor(deviceId)),
          keys.of('device', deviceId),
          receiptKey(context, deviceId, receipt),
          keys.proofTry(deviceId, jwsHash),
        ],
        [now, receiptJson(receipt), limits.pin, limits.pinLifetime, lifetimeMs(until, now), pinKey ?? ''],
      );
      switch (reply[0]) {
        case 'reserved':
        case 'again':
          return { result: reply[0], failures: { pin: reply[1], number: reply[2], pinLifetime: reply[3] } };
        case 'exhausted':
          return { result: 'exhausted', which: reply[1] };
        case 'refused':
          return { result: 'refused', state: reply[1] as DeviceState };
        case 'repeated':
          return { result: 'repeated', outcome: reply[1] };
        default:
          return { result: reply[0] };
      }
    },

    async failProof({ deviceId, now, lockDevice, receipt, ctr, events }) {
      const reply = await scripts.run(
        'failProof',
        [keys.root(partitionFor(deviceId)), keys.of('device', deviceId), receiptKey(context, deviceId, receipt)],
        [now, lockDevice ?? '', receiptJson(receipt), changes(events), counterJson(context, ctr)],
      );
      return reply[0] === 'repeated' ? { result: 'repeated', outcome: reply[1] } : { result: reply[0] };
    },

    async activate({ device, mode, now, events, replacedEvent, receipt }) {
      const { id, userId, operationId } = device;
      const fields = changedDeviceFields(device);
      const reply = await scripts.run(
        'activateDevice',
        [
          keys.root(partitionFor(id)),
          keys.of('device', id),
          keys.beside(id, 'operation', operationId),
          keys.beside(id, 'devicesOf', userId),
          receiptKey(context, id, receipt),
        ],
        [
          now,
          device.version,
          idPart(id),
          idPart(operationId),
          idPart(userId),
          mode,
          fieldsJson(fields),
          absentJson(fields),
          tailOf(replacedEvent),
          // its id is made there
          JSON.stringify(placeOf(replacedEvent, context.outsideNotices ? '' : undefined)),
          receiptJson(receipt),
          changes(events),
        ],
      );
      switch (reply[0]) {
        case 'activated':
          return { result: 'activated', device: toDevice(reply[1]), replaced: reply[2] };
        case 'conflict':
          return { result: 'conflict', deviceId: reply[1] };
        case 'refused':
          return { result: 'refused', state: reply[1] as DeviceState };
        case 'repeated':
          return { result: 'repeated', outcome: reply[1] };
        default:
          return { result: reply[0] };
      }
    },

    async changeState({ id, from, to, reason, now, events, receipt, ctr }) {
      const reply = await scripts.run(
        'changeDevice',
        [keys.root(partitionFor(id)), keys.of('device', id), receiptKey(context, id, receipt)],
        [
          now,
          id,
          JSON.stringify(from),
          to,
          reason ?? '',
          receiptJson(receipt),
          changes(events),
          counterJson(context, ctr),
        ],
      );
      switch (reply[0]) {
        case 'changed':
          return { result: 'changed', device: toDevice(reply[1]), closed: reply[2] };
        case 'refused':
          return { result: 'refused', state: reply[1] as DeviceState };
        case 'repeated':
          return { result: 'repeated', outcome: reply[1] };
        default:
          return { result: reply[0] };
      }
    },
  };
}

/** The receipt's own key, in the partition of `id`; where there is none, the root, which every script knows as "none". */
export function receiptKey({ keys }: Context, id: string, receipt: Receipt | undefined): string {
  return receipt ? keys.receipt(id, receipt.deviceId, receipt.jti) : keys.root(partitionFor(id));
}

/** As scripts/shared/counter.lua reads it. */
export function counterJson({ changes }: Context, counter: MessageCounter | undefined): string {
  return counter ? JSON.stringify([counter.value, changes([counter.suspected])]) : '';
}

export function receiptJson(receipt: Receipt | undefined): string {
  if (!receipt) return '';
  const { jwsHash, outcome, until } = receipt;
  return JSON.stringify({ jwsHash, outcome, until });
}
