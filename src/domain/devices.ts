import type { Device } from './device.ts';
import type { Page } from './ports/users.ts';
import type { By } from './users.ts';

/** Management of enrolled devices; needs no interaction with the device (F036). */
export interface Devices {
  /** @throws DomainError device_not_found */
  get(id: string): Promise<Device>;
  ofUser(userId: string): Promise<Device[]>;
  list(page: Page): Promise<{ items: Device[]; nextCursor?: string }>;
  /** @throws DomainError device_not_found | state_conflict. Locking a locked device changes nothing. */
  lock(id: string, by: By): Promise<Device>;
  /** Failure counters become zero. A device locked for `attempts` is usable for methods other than its erased PIN. */
  unlock(id: string, by: By): Promise<Device>;
  /** Final; pending operations that name the device are cancelled. */
  deactivate(id: string, by: By): Promise<Device>;
}
