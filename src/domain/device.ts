import type { Method } from './application.ts';
import type { Attestation } from './attestation.ts';
import type { DeviceBox } from './own-boxes.ts';

/**
 * One enrolled installation of an application; *authentication device* in CIBA's words.
 *
 *     (ticket redeemed) ──> pending ──keys proved and confirmed──> active <──lock / unlock──> locked
 *                              │                                     │                          │
 *                              └──────────────── deactivate / unenroll / replaced ──────────────┘
 *                                                        v
 *                                                   deactivated      (final)
 *
 * A lock for `attempts` has also deleted the PIN key: unlocking does not bring it back, a new enrollment does.
 */
export type DeviceState = 'pending' | 'active' | 'locked' | 'deactivated';

/** `admin`: the management API. `attempts`: too many wrong PINs or numbers ("disconnected", F139). */
export type LockReason = 'admin' | 'attempts';

/** A public P-256 key, members in any order. */
export interface PublicJwk {
  kty: 'EC';
  crv: 'P-256';
  x: string;
  y: string;
}

export interface Device {
  id: string;
  version: number;
  userId: string;
  applicationId: string;
  /** The registration operation whose ticket this device redeemed. */
  operationId: string;
  state: DeviceState;
  lockReason?: LockReason;
  keys: {
    /** Bound by `redeem`. */
    sig: PublicJwk;
    /** From `enroll` on. */
    enc?: PublicJwk;
    /** Sealed under the master key with the device's id as AAD: its public half is an oracle for the PIN. */
    pin?: string;
  };
  /** Keys that `rotate` brought and that are not in use before the device has confirmed them; the last ones count. */
  rotation?: { sig: PublicJwk; enc: PublicJwk; at: number };
  /** How often the keys were rotated; sessions belong to one generation. Absent: never. */
  generation?: number;
  /** The server's pair that only this device writes to, where there is one; gone when the device is deactivated. */
  box?: DeviceBox;
  /** Activated methods: `device` always, `pin` with a PIN key. */
  methods: Method[];
  /** What the device says of itself; shown to people, trusted for nothing. */
  info: { name?: string; model?: string; os?: string; appVersion?: string };
  /** What the platform says of `sig`, as the verifier found it; `jkt` is the key that it was found for. */
  attestation?: Attestation & { jkt: string; at: number };
  /** Nonce of the enrollment, until active. */
  enrollNonce?: string;
  failures: {
    /** Wrong PINs since the last right one or unlock. */
    pin: number;
    /** Wrong numbers since the last right one or unlock. */
    number: number;
    /** Wrong PINs in the life of this PIN key. */
    pinLifetime: number;
  };
  /** The highest `ctr` of its signed messages, where it sends one. */
  ctr?: number;
  createdAt: number;
  activatedAt?: number;
  lastUsedAt?: number;
}

/** The outcome of one signed message that changed something, kept so that the same message gets the same answer. */
export interface Receipt {
  deviceId: string;
  jti: string;
  /** SHA-256 of the compact JWS, base64url. */
  jwsHash: string;
  /** The answer, JSON. Sealed by the caller where it is confidential. */
  outcome: string;
  /** Epoch milliseconds; at least 10 minutes after the message. */
  until: number;
}
