import type { Clock } from '../support/clock.ts';
import { isId } from '../support/ids.ts';
import type { Device, DeviceState } from './device.ts';
import { closedEvent } from './device-ends.ts';
import { DomainError } from './errors.ts';
import type { EventType } from './event.ts';
import { newEvent } from './new-event.ts';
import type { DeviceStore } from './ports/devices.ts';
import type { Page } from './ports/users.ts';
import type { By } from './users.ts';

/** Management of enrolled devices; needs no interaction with the device (F036). */
export interface Devices {
  /** @throws DomainError device_not_found */
  get(id: string): Promise<Device>;
  ofUser(userId: string): Promise<Device[]>;
  list(page: Page): Promise<{ items: Device[]; nextCursor?: string }>;
  /** Its open tickets are cancelled. @throws DomainError device_not_found | state_conflict. Locking a locked device changes nothing. */
  lock(id: string, by: By): Promise<Device>;
  /** Failure counters become zero. A device locked for `attempts` is usable for methods other than its erased PIN. */
  unlock(id: string, by: By): Promise<Device>;
  /** Final; pending operations that name the device, and tickets that it made, are cancelled. */
  deactivate(id: string, by: By): Promise<Device>;
}

export interface DevicesDeps {
  store: { devices: Pick<DeviceStore, 'get' | 'ofUser' | 'list' | 'changeState'> };
  clock: Clock;
}

interface StateChange {
  from: DeviceState[];
  to: Exclude<DeviceState, 'pending'>;
  type: EventType;
}

export function createDevices({ store, clock }: DevicesDeps): Devices {
  async function read(id: string): Promise<Device> {
    const device = isId(id) ? await store.devices.get(id) : undefined;
    if (!device) throw new DomainError('device_not_found');
    return device;
  }

  async function changeState(id: string, { from, to, type }: StateChange, by: By): Promise<Device> {
    const now = clock();
    const { userId } = await read(id);
    const reason = to === 'locked' ? ('admin' as const) : undefined;
    const events = [newEvent(type, now, by, { deviceId: id, userId })];
    const ends = to === 'active' ? {} : { closedEvent: closedEvent({ userId }, `device_${to}`, now, by) };
    const outcome = await store.devices.changeState({ id, from, to, reason, now, events, ...ends });
    if (outcome.result === 'changed') return outcome.device;
    if (outcome.result === 'refused' && outcome.state !== to) {
      throw new DomainError('state_conflict', { detail: `the device is ${outcome.state}` });
    }
    return read(id);
  }

  return {
    get: read,
    ofUser: (userId) => store.devices.ofUser(userId),
    list: (page) => store.devices.list(page),
    lock: (id, by) => changeState(id, { from: ['active'], to: 'locked', type: 'device.locked' }, by),
    unlock: (id, by) => changeState(id, { from: ['locked'], to: 'active', type: 'device.unlocked' }, by),
    deactivate: (id, by) =>
      changeState(id, { from: ['pending', 'active', 'locked'], to: 'deactivated', type: 'device.deactivated' }, by),
  };
}
