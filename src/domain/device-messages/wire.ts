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
  document: 'assent-document+jwt',
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
  'document',
  'decide',
  'claim',
  'status',
  'methods',
  'rotate',
  'tickets',
  'unenroll',
] as const;
export type Act = (typeof acts)[number];

/** Calls that may go up under a session key; all others need the device's signature. */
export const sessionActs: readonly Act[] = ['inbox', 'events', 'present', 'document', 'status'];

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
    /** `code`: six digits will come with the confirmation, for this device to show */
    confirm: 'off' | 'code';
  };
  display: { issuer: string; application: string; masked_user: string };
  /** what the device is to ask `GET keys` for, where it has a box pair of its own */
  keys_for?: string;
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

/** A security-relevant change of the same user's, made elsewhere; told for some days. */
export interface NoticeMessage {
  id: string;
  /** of the audit event */
  type: string;
  at: number;
  /** whom it is about; `revocable`: this device may take it away */
  device?: { id: string; name?: string; model?: string; state?: string; revocable: boolean };
}

export interface InboxAnswer {
  operations: { op: string; exp: number }[];
  notices: NoticeMessage[];
  /** when to ask again, for devices that do not hold a stream */
  poll_seconds: number;
}

/** One event of the stream, beside `now` and `seq`. */
export type StreamEvent =
  // after so many seconds the stream ends by itself: what ends much sooner was ended for a reason
  | ({ event: 'inbox'; stream_seconds: number } & InboxAnswer)
  | { event: 'notice'; notice: NoticeMessage }
  | { event: 'operation'; op: string; exp: number }
  | { event: 'closed'; op: string; state: string }
  | { event: 'device'; state: string };

export interface PresentAnswer {
  /** JWE to `enc` of a JWS `assent-challenge+jwt` */
  challenge: string;
}

export interface DocumentAnswer {
  /** JWE to `enc` of a JWS `assent-document+jwt`: {@link DocumentPart} */
  document: string;
}

/** What of a document fits into one message; `offset` says where it begins. */
export interface DocumentPart {
  iss: string;
  aud: string;
  op: string;
  /** of the whole document, as in `ctx` */
  sha256: string;
  /** of the whole document, in bytes */
  size: number;
  offset: number;
  /** base64url; shorter than the others at the end only */
  data: string;
}

/** Sealed twice and in base64url four times, so much stays below the 56 KiB of a message. */
export const documentPartBytes = 16 * 1024;

export interface DecideAnswer {
  op: string;
  state: 'approved' | 'denied';
  /** JWE to `enc` of a JWS `assent-context+jwt`; for the device that decided only */
  post_context?: string;
}

export interface ClaimAnswer {
  /** to be presented */
  op: string;
}

export interface StatusAnswer {
  device: {
    id: string;
    state: string;
    reason?: string;
    methods: Method[];
    name?: string;
    /** when it became active */
    since?: number;
    /** the PIN key that counts; `kid` is random and says nothing of it */
    pin?: { kid: string };
  };
  /** what the application lets its devices activate, and the least number of digits of a PIN */
  policy?: { methods: Method[]; pin_length: number };
  /** while the device is pending: the confirmation again, for one that was interrupted */
  confirm?: string;
  /** with the answer that activates the device, and whenever it quotes the same `confirm` again */
  post_context?: string;
  /** of the operation asked for by `op` */
  operation?: { op: string; state: string; exp: number };
  /** of a device that has proved its keys and is not active yet: what it waits for; it asks again after `poll_seconds` */
  enrollment?: { waiting: 'code' | 'approval'; exp: number; poll_seconds: number };
}

export interface MethodsAnswer {
  /** activated from now on */
  methods: Method[];
}

export interface RotateAnswer {
  /** JWE to the new `enc` of a JWS `assent-confirm+jwt`; the new keys count once the new `sig` quotes it in `status` */
  confirm: string;
}

/** As the management API shows a ticket. */
export interface TicketsAnswer {
  operation_id: string;
  ticket_uri: string;
  activation_code: string;
  /** ISO 8601 */
  expires_at: string;
}

export interface UnenrollAnswer {
  state: 'deactivated';
  /** where another device was named */
  device?: string;
}

/** What a device says of its keys in `enroll`; the PIN key's public half stands only in its proof. */
export interface EnrollKeys {
  enc: EcPublicJwk;
  pin?: { kid: string };
}
