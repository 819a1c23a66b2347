import type { Method } from './application.ts';
import type { OwnBox } from './own-boxes.ts';

/**
 * One thing asked of one user: the aggregate of this system.
 *
 *     pending ──decide: approve──> approved ──poll──> (redemption, below)
 *        ├─────decide: deny──────> denied
 *        ├─────expiresAt passes──> expired      (read as expired from that instant on; a sweep writes it)
 *        ├─────cancel, supersede─> cancelled
 *        ├─────claim (an offer)──> cancelled    (`claimed`: it goes on as another operation, in the partition of who claimed it)
 *        └─────tries spent───────> failed
 *
 * Every state but `pending` is final. At most one decision; it never changes.
 */
export type OperationState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'failed';

export type OperationKind = 'registration' | 'authentication' | 'authorization' | 'signature';

/** Number matching. `choose`: one of three; `type2`, `type6`: typed. */
export type MatchMode = 'none' | 'choose' | 'type2' | 'type6';

/** Why an operation ended as it did; coarse, stable, shown to the client. */
export type EndReason =
  | 'not_me'
  | 'incorrect_data'
  | 'cancelled_by_user'
  | 'cancelled_by_client'
  | 'superseded'
  | 'claimed'
  | 'user_deactivated'
  | 'device_deactivated'
  | 'device_locked'
  | 'attempts';

export interface Operation {
  id: string;
  version: number;
  kind: OperationKind;
  state: OperationState;
  /** Absent only where no user is known yet (OTP). */
  userId: string;
  /** The client that asked; for a registration the actor, for example `management:demo`. */
  clientId: string;
  /** Another name that its client's limits are kept under: nobody's, always the same for one hint (see StartLimits). */
  askedAs?: string;
  /** Only devices of this application may answer. */
  applicationId?: string;
  /** Only this device may answer. */
  deviceId?: string;
  /** The method that the request named: no other is accepted. */
  methodRequested?: Method;
  /** Methods that may answer, preferred first. Fixed at the start. */
  methods: Method[];
  createdAt: number;
  expiresAt: number;
  /** Earlier than `expiresAt` by one polling interval, so that a last-second approval can still be redeemed. */
  answerBy: number;
  finishedAt?: number;
  endReason?: EndReason;
  /** Epoch milliseconds from which the record may be deleted. */
  retainUntil: number;

  /** What the device shows: see device-protocol, section 4. Absent for a registration. */
  context?: {
    /** The `ctx` string, sealed under its own random key. */
    sealed: string;
    /** That key, wrapped by the master key. Destroying it destroys the text. */
    wrappedKey: string;
    /** base64url SHA-256 of the string. */
    hash: string;
  };
  /** What the device is shown after success and not before: JSON of post-context.ts, sealed. */
  postContext?: {
    sealed: string;
    /** Its key, wrapped by the master key. Absent: the key of `context`, and destroyed with it. */
    wrappedKey?: string;
  };
  match?: {
    mode: MatchMode;
    /** HMAC of the right number, bound to the operation's id. */
    hmac: string;
    /** `choose`: the three numbers, in the order shown. Fixed at the start. */
    options?: string[];
  };
  tries: { used: number; max: number };

  /** The protocol's half of the request; opaque here, sealed by src/protocol. */
  protocol?: string;
  /** Of a CIBA request. */
  poll?: {
    /** Seconds between polls as answered in the acknowledgement. */
    intervalSeconds: number;
  };
  /** How the client learns of the end, where it does not poll for it; as it was at the start (C-14). */
  notification?: {
    mode: 'ping' | 'push';
    /** Where to and with which token, sealed by src/protocol. Gone once the operation has ended: see OperationStore. */
    sealed?: string;
  };
  /** Of a registration. */
  ticket?: {
    /** HMAC of the typed activation code. */
    codeHmac?: string;
    /** Wrong activation codes so far; five end the ticket. */
    wrongCodes: number;
    /** Tries of the six digits that the new device shows; the third wrong one ends the registration. */
    confirmTries?: number;
    /** When the digits were right. */
    confirmedAt?: number;
    /** The pair of keys that was made for this ticket alone, where there is one; gone when the registration has ended. */
    box?: OwnBox;
    /** Thumbprint of the `sig` key that redeemed it, and the device that was made. */
    boundTo?: string;
    deviceId?: string;
  };

  /**
   * Nobody is asked yet: `userId` is nobody's, so it is in no inbox, and no device can look at it or answer it. What the operation
   * needs that comes of it, sealed (offers.ts).
   */
  offer?: { sealed: string };
  /** Of an offer: who took it, and, sealed, what the operation was started with that came of it. */
  claimed?: { deviceId: string; sealed: string; at: number };
  /** The offer that it came of. The person's own device asked for it, so its end says nothing of its client (StartLimits). */
  claimOf?: string;

  decision?: Decision;
  redemption?: Redemption;
}

/** The user's signed answer. Immutable. */
export interface Decision {
  approved: boolean;
  reason?: 'not_me' | 'incorrect_data' | 'cancelled';
  deviceId: string;
  /** What was proved, not what was claimed. */
  method: Method;
  acr: string;
  amr: string[];
  /** Epoch milliseconds, server time: `auth_time`. */
  decidedAt: number;
  /** SHA-256 of the decision's compact JWS, base64url: a repeat is recognised by it. */
  jwsHash: string;
}

/**
 * The handing over of tokens for an approved operation; commits last.
 *
 *     none ──poll──> leased ──commit──> committed ──response handed to the kernel──> delivered
 *                      │                    └ until passes, or the connection broke: the next poll gets the same response
 *     └──────────┬─────┴ until passes: the next poll leases again
 *                └ a poll after the operation's time: expired
 */
export type Redemption =
  | { state: 'leased'; holder: string; until: number }
  | {
      state: 'committed';
      holder: string;
      until: number;
      /** The token response, sealed with the operation's id as AAD. */
      response: string;
      /** Thumbprint of the DPoP key or certificate that the tokens are bound to; empty for bearer tokens. */
      binding: string;
      /** From here on the response is not given again. */
      replayUntil: number;
    }
  | { state: 'delivered'; at: number }
  /** A poll was told so. It stays true, also for a process whose clock is behind (TH-14). */
  | { state: 'expired'; at: number };

/** Reads a pending operation past its time as what it is. */
export function stateAt(operation: Pick<Operation, 'state' | 'expiresAt'>, now: number): OperationState {
  return operation.state === 'pending' && now >= operation.expiresAt ? 'expired' : operation.state;
}
