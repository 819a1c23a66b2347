import type { EnrollmentMode } from '../application.ts';
import type { Device, DeviceState, LockReason, Receipt } from '../device.ts';
import type { AuditEvent } from '../event.ts';
import type { UserState } from '../user.ts';
import type { Page } from './users.ts';

/** A signed message was seen before: with this outcome, or its id belongs to another message. */
export type Replayed = { result: 'repeated'; outcome: string } | { result: 'message_reused' };

/**
 * Devices, in their user's partition. A {@link Receipt} is checked and written in the same step as the change: the
 * same (device, jti, jwsHash) resolves `repeated` and changes nothing; the same jti with another hash `message_reused`.
 */
export interface DeviceStore {
  /** One read. */
  get(id: string): Promise<Device | undefined>;

  /** The device and its user's state, one round trip, one partition. */
  withUser(id: string): Promise<{ device: Device; userState: UserState } | undefined>;

  /** One partition; oldest first. */
  ofUser(userId: string): Promise<Device[]>;

  /** All devices, in an order that does not change. */
  list(page: Page): Promise<{ items: Device[]; nextCursor?: string }>;

  /**
   * Reserves a public key's thumbprint (HMAC) for a device; its own partition (that of the HMAC). The entry is
   * believed while the named device is not `deactivated`, so a key in use cannot be enrolled again (device-protocol, 3.3).
   * Two steps with the device's record; an entry whose device does not exist may be taken over 30 s after the claim.
   */
  claimKey(thumbprintHmac: string, deviceId: string, now: number): Promise<boolean>;

  /**
   * Replaces the record if its stored version is `device.version` and its state is one of `states`; the new one has
   * `device.version + 1`. `state`, `lockReason` and `failures` are kept from the stored record.
   */
  save(change: {
    device: Device;
    states: DeviceState[];
    now: number;
    events: AuditEvent[];
    receipt?: Receipt;
  }): Promise<
    | { result: 'saved'; device: Device }
    | { result: 'stale' }
    | { result: 'missing' }
    | { result: 'refused'; state: DeviceState }
    | Replayed
  >;

  /**
   * pending -> active, once: writes `device` (as {@link save} does), approves its registration operation, and applies
   * the enrollment mode among the user's devices of this application that are `active` or `locked`, all in one step.
   * `single`: refused with the other device's id. `override`: the others become `deactivated`, pending operations
   * that name one of them `cancelled`.
   */
  activate(change: {
    device: Device;
    mode: EnrollmentMode;
    now: number;
    events: AuditEvent[];
    replacedEvent: Omit<AuditEvent, 'id' | 'deviceId'>;
    receipt?: Receipt;
  }): Promise<
    | { result: 'activated'; device: Device; replaced: string[] }
    | { result: 'conflict'; deviceId: string }
    | { result: 'stale' }
    | { result: 'missing' }
    | { result: 'refused'; state: DeviceState }
    | { result: 'operation_closed' }
    | Replayed
  >;

  /**
   * Changes the state if it is one of `from`. `deactivated` also cancels pending operations that name the device
   * (reason `device_deactivated`). To `active`: failure counters `pin` and `number` become 0 and the lock reason goes;
   * `pinLifetime` stays.
   */
  changeState(change: {
    id: string;
    from: DeviceState[];
    to: DeviceState;
    reason?: LockReason;
    now: number;
    events: AuditEvent[];
    receipt?: Receipt;
  }): Promise<
    | { result: 'changed'; device: Device; closed: string[] }
    | { result: 'missing' }
    | { result: 'refused'; state: DeviceState }
    | Replayed
  >;
}
