import type { Partition } from '../../support/ids.ts';
import type { EnrollmentMode } from '../application.ts';
import type { Device, DeviceState, LockReason, Receipt } from '../device.ts';
import type { AuditEvent } from '../event.ts';
import type { Operation } from '../operation.ts';
import type { UserState } from '../user.ts';
import type { Page } from './users.ts';

/** A signed message was seen before: with this outcome, or its id belongs to another message. */
export type Replayed = { result: 'repeated'; outcome: string } | { result: 'message_reused' };

/**
 * The `ctr` of a signed message (device-protocol, section 2). The highest seen stays on the device's record; where `value`
 * is not above it, `suspected` is written beside the change, which is refused nothing. A message that is `repeated` is
 * not looked at again.
 */
export interface MessageCounter {
  value: number;
  suspected: AuditEvent;
  /** The sender, where it is not the device that is changed; of the same partition. */
  deviceId?: string;
}

/** Written for each operation that ends with a device, with the operation's id and the device's. */
export type ClosedEvent = Omit<AuditEvent, 'id' | 'operationId' | 'deviceId'>;

/** Tries of one PIN: those used up, and how many of them are being evaluated for other messages (see `UnderWay`). */
export interface ProofTally {
  failures: Device['failures'];
  underWay: number;
}

/** That a public key is a device's. */
export interface KeyClaim {
  /** HMAC of the key's thumbprint. */
  thumbprint: string;
  deviceId: string;
  claimedAt: number;
  /** The device was seen without this key. */
  formerSince?: number;
}

export interface ReviewedClaim {
  /** When it is looked at again. */
  reviewAt: number;
  formerSince?: number;
}

/**
 * Devices, in their user's partition. One that has not become active goes with `collectGarbage` when its registration's
 * `retainUntil` is over; every other stays. A {@link Receipt} is checked and written in the same step as the change: the
 * same (device, jti, jwsHash) resolves `repeated` and changes nothing; the same jti with another hash `message_reused`.
 */
export interface DeviceStore {
  /** One read. */
  get(id: string): Promise<Device | undefined>;

  /**
   * The device and its user's state, one round trip, one partition. With `message`, also the receipt of that message of
   * this device, if it lives at `now`. With `noticesAt`, also events of the user whose `noticeUntil` is later, the newest
   * twenty, oldest first; no member where there is none.
   */
  withUser(
    id: string,
    message?: { jti: string; now: number },
    noticesAt?: number,
  ): Promise<{ device: Device; userState: UserState; receipt?: Receipt; notices?: AuditEvent[] } | undefined>;

  /** One partition; oldest first. */
  ofUser(userId: string): Promise<Device[]>;

  /** All devices, in an order that does not change. */
  list(page: Page): Promise<{ items: Device[]; nextCursor?: string }>;

  /**
   * Reserves a public key's thumbprint (HMAC) for a device; its own partition (that of the HMAC). The entry is
   * believed while the named device is not `deactivated`, so a key in use cannot be enrolled again (device-protocol, 3.3).
   * Two steps with the device's record; an entry whose device does not exist may be taken over 30 s after the claim. An
   * hour after it, it is due for a review.
   */
  claimKey(thumbprintHmac: string, deviceId: string, now: number): Promise<boolean>;

  /** The device that holds a claimed key, whatever its state; undefined where there is none. Says who is to be told of a refusal. */
  keyHolder(thumbprintHmac: string): Promise<Device | undefined>;
  /** Claims whose review is due, at most `limit`. Of partitions of their own (those of the HMACs). */
  claimsDue(due: { partitions: readonly Partition[]; now: number; limit: number }): Promise<KeyClaim[]>;

  /** After a review: when the next one is due; undefined drops the claim. False: it was made anew meanwhile, and stands as it is. One step. */
  settleClaim(claim: KeyClaim, next: ReviewedClaim | undefined): Promise<boolean>;

  /**
   * Devices whose box pair was made until `madeUntil`, or has a former one whose time is over at `now`; at most `limit`.
   */
  boxesDue(due: { partitions: readonly Partition[]; now: number; madeUntil: number; limit: number }): Promise<Device[]>;

  /**
   * Replaces the record if its stored version is `device.version` and its state is one of `states`; the new one has
   * `device.version + 1`. `state`, `lockReason`, `failures` and `ctr` are kept from the stored record, but for what the
   * change says of them. All in one step.
   */
  save(change: {
    device: Device;
    states: DeviceState[];
    now: number;
    events: AuditEvent[];
    receipt?: Receipt;
    ctr?: MessageCounter;
    /** `right`: clears the PIN's failures as a decision does. `renewed`: it is another key, or none, and begins at zero. */
    pin?: 'right' | 'renewed';
    /** A ticket of this user that stands in for a proof: pending and bound to no key, else `ticket_closed`. Becomes `approved`, by this device. */
    spends?: string;
    /** A registration that this device asks for, as {@link OperationStore.start} writes it. Its user must be active. */
    opens?: Operation;
  }): Promise<
    | { result: 'saved'; device: Device }
    | { result: 'stale' }
    | { result: 'missing' }
    | { result: 'refused'; state: DeviceState }
    | { result: 'ticket_closed' }
    | { result: 'user_not_active' }
    | Replayed
  >;

  /**
   * Reserves a try of the PIN for a message that changes the device itself, before any proof is looked at; the counters
   * have grown when this resolves. One step. `stale`: the PIN key is another one by now, at which nothing was guessed. `again`: this very message has reserved before and has no outcome yet (a
   * crash); looked at before `exhausted`. `failures` counts this try; it is under way for `leaseMs`, anew where it is `again`.
   */
  reserveProof(attempt: {
    deviceId: string;
    jti: string;
    /** SHA-256 of the message's JWS: it reserves once, however often it is sent. */
    jwsHash: string;
    /** As read: `keys.pin` of the record that the message is held against. */
    pinKey: string | undefined;
    /** At or above a limit nothing is reserved: `exhausted`. */
    limits: { pin: number; pinLifetime: number };
    now: number;
    leaseMs: number;
    /** Until when the message may arrive again. */
    until: number;
  }): Promise<
    | ({ result: 'reserved' | 'again' } & ProofTally)
    | ({ result: 'exhausted'; which: 'pin' | 'pin_lifetime' } & ProofTally)
    | { result: 'refused'; state: DeviceState }
    | { result: 'stale' }
    | { result: 'missing' }
    | Replayed
  >;

  /**
   * Records that a reserved try failed, in one step; with `lockDevice` the device is locked, its PIN key and its waiting
   * keys are deleted, and the pending registrations that it opened are cancelled (reason `device_locked`).
   */
  failProof(failed: {
    deviceId: string;
    now: number;
    /** What the consequences were drawn from. Where something else holds by now, nothing is written: `changed`. */
    tally?: ProofTally;
    lockDevice?: LockReason;
    closedEvent?: ClosedEvent;
    receipt: Receipt;
    ctr?: MessageCounter;
    events: AuditEvent[];
  }): Promise<{ result: 'recorded' } | ({ result: 'changed' } & ProofTally) | { result: 'missing' } | Replayed>;

  /**
   * pending -> active, once: writes `device` (as {@link save} does), approves its registration operation, and applies
   * the enrollment mode among the user's devices of this application that are `active` or `locked`, all in one step.
   * `single`: refused with the other device's id. `override`: the others become `deactivated`, with the same
   * consequences as {@link changeState}.
   */
  activate(change: {
    device: Device;
    mode: EnrollmentMode;
    now: number;
    events: AuditEvent[];
    replacedEvent: Omit<AuditEvent, 'id' | 'deviceId'>;
    closedEvent?: ClosedEvent;
    receipt?: Receipt;
    ctr?: MessageCounter;
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
   * Changes the state if it is one of `from`; keys that wait go, whichever it is. `deactivated` also cancels pending
   * operations that name the device and registrations that it opened (reason `device_deactivated`), `locked` only the
   * latter (`device_locked`). To `active`: failure counters `pin` and `number` become 0 and the lock reason goes;
   * `pinLifetime` stays.
   */
  changeState(change: {
    id: string;
    from: DeviceState[];
    to: DeviceState;
    reason?: LockReason;
    now: number;
    events: AuditEvent[];
    closedEvent?: ClosedEvent;
    receipt?: Receipt;
    ctr?: MessageCounter;
  }): Promise<
    | { result: 'changed'; device: Device; closed: string[] }
    | { result: 'missing' }
    | { result: 'refused'; state: DeviceState }
    | Replayed
  >;
}
