/**
 * Keys that are refused because they, or the ticket, belong to somebody else (device-protocol, section 3; TH-13). Every one of
 * them is in the audit trail. The owner is told where it says that something of theirs is in other hands:
 *
 *     another key at a bound ticket        somebody else has the link          told to the ticket's owner
 *     a key that proved itself, in use     somebody has a copy of a device     told to its owner, and to the ticket's
 *     a key that proved nothing, its own   a mistake of a program              not told
 *     no trusted statement of a platform   said on the new device              not told
 *
 * Who has a link can try as often as they like, so one thing is told once a day, and no person of more than a few.
 */
import type { Clock } from '../support/clock.ts';
import { DAY } from '../support/clock.ts';
import { partitionOf } from '../support/ids.ts';
import type { Device } from './device.ts';
import { by, type Caller } from './enrollment-callers.ts';
import type { AuditEvent } from './event.ts';
import { bySystem, newEvent } from './new-event.ts';
import { noticeEnd } from './notices.ts';
import type { Operation } from './operation.ts';
import type { Store } from './ports/store.ts';
import type { By } from './users.ts';

export interface RefusedKeys {
  /** A second key at a ticket that is bound to another. */
  ticketBound(ticket: Operation, caller: Caller): Promise<void>;
  /** A key that another device has, or that is in use by the sender for something else. */
  reused(refused: ReusedKey): Promise<void>;
}

export interface ReusedKey {
  /** That brought it. */
  device: Device;
  key: string;
  /** As it was claimed. */
  thumbprintHmac: string;
  /** Its private half was shown: whoever brought it has it. */
  isProved: boolean;
  operationId?: string;
  caller: Caller;
}

interface Deps {
  store: Pick<Store, 'devices' | 'events' | 'counters'>;
  clock: Clock;
}

const toldADay = 5;

export function createRefusedKeys({ store, clock }: Deps): RefusedKeys {
  async function isToldAtMost(limit: number, subject: string): Promise<boolean> {
    const reserve = { key: `key-refused:${subject}`, limit, windowMs: DAY, now: clock() };
    return (await store.counters.reserve(reserve)).allowed;
  }

  /** @param subject what it is told of once a day */
  async function write(userId: string, event: AuditEvent, subject?: string): Promise<void> {
    const isTold =
      subject !== undefined &&
      (await isToldAtMost(1, `${userId}:${subject}`)) &&
      (await isToldAtMost(toldADay, userId));
    const noticed = isTold ? { ...event, noticeUntil: noticeEnd(event.at) } : event;
    await store.events.write(partitionOf(userId), [noticed]);
  }

  return {
    ticketBound({ id: operationId, userId }, { traceId }) {
      const who: By = { ...bySystem, ...(traceId !== undefined && { traceId }) };
      const about = { operationId, userId, data: { why: 'ticket_bound' } };
      return write(userId, newEvent('device.key_refused', clock(), who, about), operationId);
    },

    async reused({ device, key, thumbprintHmac, isProved, operationId, caller }) {
      const { id: deviceId, userId } = device;
      const data = { why: 'key_reused', key };
      const about = { userId, deviceId, ...(operationId !== undefined && { operationId }), data };
      const event = newEvent('device.key_refused', clock(), by(deviceId, caller), about);
      const found = isProved ? await store.devices.keyHolder(thumbprintHmac) : undefined;
      const holder = found && found.id !== deviceId ? found : undefined;
      await write(userId, event, holder && thumbprintHmac);
      if (!holder || holder.userId === userId) return;
      const toOwner = { userId: holder.userId, deviceId: holder.id, data };
      await write(holder.userId, newEvent('device.key_refused', clock(), bySystem, toOwner), thumbprintHmac);
    },
  };
}
