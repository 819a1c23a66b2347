import type { DeviceState, Receipt } from '../../src/domain/device.ts';
import type { DeviceStore } from '../../src/domain/ports/devices.ts';
import type { UserState } from '../../src/domain/user.ts';
import { subjectOf, tailOf } from './changes.ts';
import { createClaims } from './claims.ts';
import type { Context } from './context.ts';
import { idPart, partitionFor } from './keys.ts';
import { createPages } from './pages.ts';
import { readHash } from './read-hash.ts';
import { absentJson, changedDeviceFields, fieldsJson, toDevice } from './records.ts';

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

    async withUser(id) {
      const [fields, userState] = await scripts.run('readDevice', [keys.root(partitionFor(id)), keys.of('device', id)]);
      return fields && userState ? { device: toDevice(fields), userState: userState as UserState } : undefined;
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

    async save({ device, states, now, events, receipt }) {
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
          JSON.stringify([...subjectOf(replacedEvent), replacedEvent.at]),
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

    async changeState({ id, from, to, reason, now, events, receipt }) {
      const reply = await scripts.run(
        'changeDevice',
        [keys.root(partitionFor(id)), keys.of('device', id), receiptKey(context, id, receipt)],
        [now, id, JSON.stringify(from), to, reason ?? '', receiptJson(receipt), changes(events)],
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

export function receiptJson(receipt: Receipt | undefined): string {
  if (!receipt) return '';
  const { jwsHash, outcome, until } = receipt;
  return JSON.stringify({ jwsHash, outcome, until });
}
