import type { DeviceState, Receipt } from '../../src/domain/device.ts';
import type { AuditEvent } from '../../src/domain/event.ts';
import type {
  ClosedEvent,
  DeviceStore,
  KeyClaim,
  MessageCounter,
  ReviewedClaim,
} from '../../src/domain/ports/devices.ts';
import type { Tally } from '../../src/domain/ports/operations.ts';
import type { UserState } from '../../src/domain/user.ts';
import { HOUR } from '../../src/support/clock.ts';
import { lifetimeMs, placeOf, subjectOf, sweptLifetimeMs, tailOf } from './changes.ts';
import { createClaims, ownerOf } from './claims.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';
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
  const { client, keys, scripts, changes, walk } = context;
  const claims = createClaims(scripts, keys);

  const claimKeyOf = (thumbprintHmac: string) => keys.hashed('thumbprint', thumbprintHmac);

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
      const standing = async (owner: string) => {
        const device = await readRecord(keys.ofPart('device', owner));
        if (!device) return 'unconfirmed';
        return device.state === 'deactivated' ? 'free' : 'confirmed';
      };
      const review = { about: encodeURIComponent(thumbprintHmac), at: now + HOUR };
      return (await claims.claim(claimKeyOf(thumbprintHmac), deviceId, now, standing, review)) !== undefined;
    },

    async claimsDue({ partitions, now, limit }) {
      const { taken } = await walk(partitions, limit, {
        kind: 'claims',
        count: (partition) => answered(client.zcount(keys.at(partition, 'claimReviews'), '-inf', now)),
        take: (partition, share) =>
          scripts.run('dueClaims', [keys.root(partition), keys.at(partition, 'claimReviews')], [now, share]),
      });
      return taken.flat().map(keyClaimOf);
    },

    async settleClaim(claim, next) {
      const key = claimKeyOf(claim.thumbprint);
      const stands = await answered(client.get(key));
      if (stands === null || !isSameClaim(stands, claim)) return false;
      return claims.review(key, stands, next && { entry: reviewedEntry(stands, next), at: next.reviewAt });
    },

    async boxesDue({ partitions, now, madeUntil, limit }) {
      const { taken } = await walk(partitions, limit, {
        kind: 'boxes',
        async count(partition) {
          const made = answered(client.zcount(keys.at(partition, 'boxesMade'), '-inf', madeUntil));
          const former = answered(client.zcount(keys.at(partition, 'boxesFormer'), '-inf', now));
          return (await made) + (await former);
        },
        take: (partition, share) =>
          scripts.run(
            'dueBoxes',
            [keys.root(partition), keys.at(partition, 'boxesMade'), keys.at(partition, 'boxesFormer')],
            [madeUntil, now, share],
          ),
      });
      return taken.flat().map(([, fields]) => toDevice(fields));
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
          opens ? sweptLifetimeMs(opens.retainUntil, now) : '',
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

    async keyHolder(thumbprintHmac) {
      const entry = await answered(client.get(keys.hashed('thumbprint', thumbprintHmac)));
      return entry === null ? undefined : readRecord(keys.ofPart('device', ownerOf(entry)));
    },

    async reserveProof({ deviceId, jti, jwsHash, pinKey, limits, now, leaseMs, until }) {
      const receipt = { deviceId, jti, jwsHash, outcome: '', until };
      const reply = await scripts.run(
        'reserveProof',
        [
          keys.root(partitionFor(deviceId)),
          keys.of('device', deviceId),
          receiptKey(context, deviceId, receipt),
          keys.proofTry(deviceId, jwsHash),
        ],
        [
          now,
          receiptJson(receipt),
          limits.pin,
          limits.pinLifetime,
          lifetimeMs(until, now),
          pinKey ?? '',
          idPart(deviceId),
          leaseMs,
        ],
      );
      switch (reply[0]) {
        case 'reserved':
        case 'again':
        case 'exhausted': {
          const [result, which, ...counts] = reply;
          const tally = proofTallyOf(counts);
          return result === 'exhausted' ? { result, which: which as 'pin', ...tally } : { result, ...tally };
        }
        case 'refused':
          return { result: 'refused', state: reply[1] as DeviceState };
        case 'repeated':
          return { result: 'repeated', outcome: reply[1] };
        default:
          return { result: reply[0] };
      }
    },

    async failProof({ deviceId, now, tally, lockDevice, closedEvent, receipt, ctr, events }) {
      const reply = await scripts.run(
        'failProof',
        [keys.root(partitionFor(deviceId)), keys.of('device', deviceId), receiptKey(context, deviceId, receipt)],
        [
          now,
          lockDevice ?? '',
          receiptJson(receipt),
          changes(events),
          counterJson(context, ctr),
          idPart(deviceId),
          closedJson(closedEvent),
          tally ? JSON.stringify([...failuresOf(tally), tally.underWay]) : '',
        ],
      );
      if (reply[0] === 'repeated') return { result: 'repeated', outcome: reply[1] };
      if (reply[0] !== 'changed') return { result: reply[0] };
      const [result, ...counts] = reply;
      return { result, ...proofTallyOf(counts) };
    },

    async activate({ device, mode, now, events, replacedEvent, closedEvent, receipt, ctr }) {
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
          counterJson(context, ctr),
          mode,
          fieldsJson(fields),
          absentJson(fields),
          tailOf(replacedEvent),
          // its id is made there
          JSON.stringify(placeOf(replacedEvent, context.outsideNotices ? '' : undefined)),
          receiptJson(receipt),
          changes(events),
          closedJson(closedEvent),
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

    async changeState({ id, from, to, reason, now, events, closedEvent, receipt, ctr }) {
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
          closedJson(closedEvent),
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

/** `<device> <claimed at> <nonce> <HMAC> [<former since>]`, the first three as claims.ts writes them. */
function keyClaimOf(entry: string): KeyClaim {
  const [deviceId = '', claimedAt, _nonce, about = '', formerSince] = entry.split(' ');
  return {
    thumbprint: decodeURIComponent(about),
    deviceId,
    claimedAt: Number(claimedAt),
    ...(formerSince !== undefined && { formerSince: Number(formerSince) }),
  };
}

function isSameClaim(entry: string, { deviceId, claimedAt }: KeyClaim): boolean {
  const stands = keyClaimOf(entry);
  return stands.deviceId === deviceId && stands.claimedAt === claimedAt;
}

function reviewedEntry(entry: string, { formerSince }: ReviewedClaim): string {
  const claim = entry.split(' ').slice(0, 4).join(' ');
  return formerSince === undefined ? claim : `${claim} ${formerSince}`;
}

/** The receipt's own key, in the partition of `id`; where there is none, the root, which every script knows as "none". */
export function receiptKey({ keys }: Context, id: string, receipt: Receipt | undefined): string {
  return receipt ? keys.receipt(id, receipt.deviceId, receipt.jti) : keys.root(partitionFor(id));
}

/** As scripts/shared/counter.lua reads it. */
export function counterJson({ changes }: Context, counter: MessageCounter | undefined): string {
  if (!counter) return '';
  const { value, suspected, deviceId } = counter;
  return JSON.stringify([value, changes([suspected]), ...(deviceId === undefined ? [] : [idPart(deviceId)])]);
}

/** As scripts/shared/ends.lua reads it. */
export function closedJson(event: ClosedEvent | undefined): string {
  return event ? JSON.stringify([tailOf(event), subjectOf(event)[1], event.at]) : '';
}

type Failures = Tally['failures'];

export function failuresOf({ failures }: { failures: Failures }): [number, number, number] {
  return [failures.pin, failures.number, failures.pinLifetime];
}

function proofTallyOf([pin, number, pinLifetime, underWay]: [number, number, number, number]) {
  return { failures: { pin, number, pinLifetime }, underWay };
}

export function receiptJson(receipt: Receipt | undefined): string {
  if (!receipt) return '';
  const { jwsHash, outcome, until } = receipt;
  return JSON.stringify({ jwsHash, outcome, until });
}
