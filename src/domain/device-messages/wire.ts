/**
 * The words of the device protocol as they travel: types of messages, names of calls, and the JSON of each.
 * Members are snake_case because this is the wire; src/device-sdk/wire.ts says the same for the other side, and the
 * round-trip tests hold the two together. Instants are epoch seconds, bytes base64url, hashes SHA-256.
 */
import type { EcPublicJwk } from '../../support/jose/index.ts';
import type { Method } from '../application.ts';
import type { MatchMode } from '../operation.ts';

/** `typ` of every message, compared exactly: one key must never sign something that reads as another thing. */
export const typ = {
  up: 'assent-up',
  down: 'assent-down',
  sealed: 'assent-sealed',
  keys: 'assent-keys+jwt',
  request: 'assent-request+jwt',
  proof: 'assent-proof+jwt',
  challenge: 'assent-challenge+jwt',
  confirm: 'assent-confirm+jwt',
  context: 'assent-context+jwt',
  evidence: 'assent-evidence+jwt',
} as const;

/** Names of the calls: the last part of the path and the value of `act`. */
export const acts = [
  'redeem',
  'enroll',
  'session',
  'inbox',
  'events',
  'present',
  'decide',
  'status',
  'unenroll',
] as const;
export type Act = (typeof acts)[number];

/** Calls that may go up under a session key; all others need the device's signature. */
export const sessionActs: readonly Act[] = ['inbox', 'events', 'present', 'status'];

/** Clocks may differ by this much, except in `decide`, where the challenge gives freshness. */
export const clockSkewSeconds = 120;

/** Up messages are padded to a multiple of this, so that their length tells little. */
export const paddingBytes = 512;

/** The outer plaintext of a message up. */
export interface UpEnvelope {
  rk: string;
  jws?: string;
  proofs?: string[];
  request?: Record<string, unknown>;
  pad?: string;
}

export interface RedeemAnswer {
  device_id: string;
  nonce: string;
  policy: {
    methods: Method[];
    /** least number of digits of a PIN */
    pin_length: number;
    attestation: 'off' | 'record' | 'require';
    /** number matching that this device must be able to show */
    modes: MatchMode[];
  };
  display: { issuer: string; application: string; masked_user: string };
}

export interface EnrollAnswer {
  device_id: string;
  state: 'pending';
  /** JWE to `enc` of a JWS `assent-confirm+jwt` */
  confirm: string;
}

export interface SessionAnswer {
  id: string;
  /** 32 bytes */
  key: string;
  exp: number;
}

export interface InboxAnswer {
  operations: { op: string; exp: number }[];
  /** when to ask again, for devices that do not hold a stream */
  poll_seconds: number;
}

/** One event of the stream, beside `now` and `seq`. */
export type StreamEvent =
  | ({ event: 'inbox' } & InboxAnswer)
  | { event: 'operation'; op: string; exp: number }
  | { event: 'closed'; op: string; state: string }
  | { event: 'device'; state: string };

export interface PresentAnswer {
  /** JWE to `enc` of a JWS `assent-challenge+jwt` */
  challenge: string;
}

export interface DecideAnswer {
  op: string;
  state: 'approved' | 'denied';
  /** JWE to `enc` of a JWS `assent-context+jwt`; for the device that decided only */
  post_context?: string;
}

export interface StatusAnswer {
  device: { id: string; state: string; reason?: string; methods: Method[]; name?: string };
  /** while the device is pending: the confirmation again, for one that was interrupted */
  confirm?: string;
  /** once, with the answer that activates the device */
  post_context?: string;
  /** of the operation asked for by `op` */
  operation?: { op: string; state: string; exp: number };
}

export interface UnenrollAnswer {
  state: 'deactivated';
}

/** What a device says of its keys in `enroll`; the PIN key's public half stands only in its proof. */
export interface EnrollKeys {
  enc: EcPublicJwk;
  pin?: { kid: string };
}
