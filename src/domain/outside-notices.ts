/**
 * What changed about a person's devices, told over a channel that was no part of it (device-protocol, sections 3 and 8): by
 * a module of whoever runs the server and has a gateway for mail or messages.
 *
 *     change ─┬─ event with `noticeUntil` ──> the person's other devices (notices.ts), where there are any
 *             └─ outbox entry `notice` ─────> channels/outside-notices.ts ──> the module, until it has taken it
 *
 * Both are written in the step of the change. The entry holds ids only; who is told, and where, is read when it leaves.
 */
import type { Applications } from './applications.ts';
import type { Device, DeviceState } from './device.ts';
import { shownInfo } from './device-info.ts';
import { DomainError } from './errors.ts';
import type { AuditEvent, EventType } from './event.ts';
import type { DeviceStore } from './ports/devices.ts';
import type { User } from './user.ts';
import type { Users } from './users.ts';

export interface OutsideNotice {
  /** The same in every attempt: by it a repetition is known. */
  id: string;
  /** `device.activated`, `ticket.created` … There will be more: tell of one that you do not know in general words, or not. */
  type: EventType;
  /** When it happened; ISO 8601, UTC. */
  at: string;
  /** Of a lock: `attempts` for too many wrong answers. */
  reason?: string;
  /** Who did it: `device:<id>`, `management:<key name>`, `system`. */
  actor?: string;
  user: Pick<User, 'id' | 'username' | 'externalRef' | 'name' | 'email' | 'phone' | 'language'>;
  /** Absent where it is about no device, or one that is not known any longer. */
  device?: NoticedDevice;
}

export interface NoticedDevice {
  id: string;
  /** As it is now. */
  state: DeviceState;
  /** Its application, by name. */
  application: string;
  /** In the words of whoever enrolled it, perhaps a stranger: one line, to be shown as text. */
  name?: string;
  model?: string;
  os?: string;
}

/**
 * The default export of the module that `plugins.notice` names. Whatever it resolves with, the notice is told, or there is
 * nobody to tell; what it throws, and an answer later than ten seconds, comes again later.
 */
export type NoticeTeller = (notice: OutsideNotice, call: { attempt: number; signal: AbortSignal }) => unknown;

export interface OutsideNotices {
  /** undefined: there is no such person. */
  of(event: AuditEvent): Promise<OutsideNotice | undefined>;
}

interface Deps {
  store: { devices: Pick<DeviceStore, 'get'> };
  users: Pick<Users, 'get'>;
  applications: Pick<Applications, 'find'>;
}

export function createOutsideNotices({ store, users, applications }: Deps): OutsideNotices {
  async function findUser(id: string): Promise<User | undefined> {
    try {
      return await users.get(id);
    } catch (error) {
      if (error instanceof DomainError && error.code === 'user_not_found') return undefined;
      throw error;
    }
  }

  function described({ id, state, applicationId, info }: Device): NoticedDevice {
    return { id, state, application: applications.find(applicationId)?.name ?? applicationId, ...shownInfo(info) };
  }

  return {
    async of({ id, type, at, userId = '', deviceId, actor, data }) {
      const [found, device] = await Promise.all([
        findUser(userId),
        deviceId === undefined ? undefined : store.devices.get(deviceId),
      ]);
      if (!found) return undefined;
      const { username, externalRef, name, email, phone, language } = found;
      return {
        id,
        type,
        at: new Date(at).toISOString(),
        ...(typeof data?.['reason'] === 'string' && { reason: data['reason'] }),
        ...(actor !== undefined && { actor }),
        user: { id: found.id, username, externalRef, name, email, phone, language },
        ...(device && { device: described(device) }),
      };
    },
  };
}
