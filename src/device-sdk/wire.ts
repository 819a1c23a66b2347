/**
 * The words of the device protocol as they travel, from the device's side. The server's side says the same in
 * domain/device-messages/wire.ts; neither imports the other, vectors and round trips hold them together.
 * Instants are epoch seconds, bytes base64url, hashes SHA-256.
 */

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
} as const;

export type Act =
  | 'redeem'
  | 'enroll'
  | 'session'
  | 'inbox'
  | 'events'
  | 'present'
  | 'document'
  | 'decide'
  | 'claim'
  | 'status'
  | 'methods'
  | 'rotate'
  | 'tickets'
  | 'unenroll';
export type SessionAct = 'inbox' | 'events' | 'present' | 'document' | 'status';

export type Method = 'device' | 'pin' | 'biometric' | 'face' | `custom:${string}`;
export type MatchMode = 'none' | 'choose' | 'type2' | 'type6';

export interface EcPublicJwk {
  kty: 'EC';
  crv: 'P-256';
  x: string;
  y: string;
}

export type NamedJwk = EcPublicJwk & { kid: string };

export interface RedeemAnswer {
  device_id: string;
  nonce: string;
  policy: {
    methods: Method[];
    pin_length: number;
    attestation: string;
    modes: MatchMode[];
    /** `code`: six digits will be shown here, to be typed elsewhere */
    confirm?: string;
  };
  display: { issuer: string; application: string; masked_user: string };
  /** what to ask `keys` for from now on: this device has a box key of its own */
  keys_for?: string;
}

export interface EnrollAnswer {
  device_id: string;
  state: string;
  confirm: string;
}

export interface SessionAnswer {
  id: string;
  key: string;
  exp: number;
}

/** A change that the owner of the user's devices should know of, made on another device or by an operator. */
export interface Notice {
  id: string;
  /** of the audit event: `device.activated`, `device.locked` …; unknown ones are to be shown in general words */
  type: string;
  /** epoch seconds */
  at: number;
  /** whom it is about; `revocable`: this device may take that one away */
  device?: { id: string; name?: string; model?: string; state?: string; revocable: boolean };
}

export interface InboxAnswer {
  operations: { op: string; exp: number }[];
  notices: Notice[];
  poll_seconds: number;
}

export interface DecideAnswer {
  op: string;
  state: 'approved' | 'denied';
  post_context?: string;
}

export interface ClaimAnswer {
  op: string;
}

export interface TicketsAnswer {
  operation_id: string;
  ticket_uri: string;
  activation_code: string;
  expires_at: string;
}

export interface StatusAnswer {
  device: {
    id: string;
    state: string;
    reason?: string;
    methods: Method[];
    name?: string;
    /** epoch seconds; absent while it is pending */
    since?: number;
    /** the PIN key that counts, by its random name */
    pin?: { kid: string };
  };
  /** what the application lets its devices activate, and the least number of digits of a PIN */
  policy?: { methods: Method[]; pin_length: number };
  confirm?: string;
  post_context?: string;
  operation?: { op: string; state: string; exp: number };
  /** while the device is pending and has proved its keys */
  enrollment?: { waiting: 'code' | 'approval'; exp: number; poll_seconds: number };
}
