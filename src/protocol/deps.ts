import type { ClientRate } from '../domain/client-rate.ts';
import type { Devices } from '../domain/devices.ts';
import type { NotificationLog } from '../domain/notification-log.ts';
import type { Offers } from '../domain/offers.ts';
import type { Operations } from '../domain/operations.ts';
import type { ClientStore } from '../domain/ports/clients.ts';
import type { IdempotencyStore } from '../domain/ports/records.ts';
import type { Redemptions } from '../domain/redemptions.ts';
import type { ServerKeys } from '../domain/server-keys.ts';
import type { UserCodes } from '../domain/user-codes.ts';
import type { Users } from '../domain/users.ts';
import type { Beat } from '../support/beat.ts';
import type { Clock } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Timers } from '../support/timers.ts';
import type { MutualTls } from './certificates.ts';
import type { Fetch } from './client-keys.ts';
import type { HintIssuer } from './issuer-keys.ts';
import type { Policy } from './policy.ts';
import type { ArtifactStore } from './ports.ts';
import type { Registration } from './registration-call.ts';
import type { ResourceSetting } from './resources.ts';
import type { DetailType } from './rich-requests.ts';
import type { Consent } from './shared.ts';
import type { EnginePages, SignInSettings } from './sign-in-types.ts';

/** RFC 7591 metadata, and our members that begin with `assent_`. */
export interface ClientMetadata {
  client_id: string;
  client_name?: string;
  assent_match?: 'none' | 'choose' | 'type2' | 'type6';
  assent_method?: 'device' | 'pin';
  assent_active?: boolean;
  assent_unknown_user?: 'error' | 'decoy';
  assent_hold_seconds?: number;
  assent_introspect?: 'own' | 'any';
  assent_assertion_audience?: 'core' | 'rfc10070';
  assent_notification_keys?: string[];
  assent_documents?: boolean;
  [member: string]: unknown;
}

/** The members of the configuration that this folder obeys, by the same names. */
export interface ProtocolSettings {
  ciba: {
    intervalSeconds: number;
    deliveryModes: ('poll' | 'ping' | 'push')[];
    /** Long polling, in one process. */
    hold: { maxSeconds: number; perClient: number; perProcess: number };
    expiry: { defaultSeconds: number; minSeconds: number; maxSeconds: number };
    bindingMessage: { maxCodePoints: number; maxBytes: number };
    document: { maxBytes: number };
    userCode: { enabled: boolean };
    /** What every request must be; presets set it. */
    requests: {
      mustBeSigned: boolean;
      mustHaveContext: boolean;
      mustHaveDetails: boolean;
      mustBeTwoFactor: boolean;
      mustMatch: boolean;
    };
  };
  /** Who else may name people to us. */
  hints: { issuers: readonly HintIssuer[] };
  /** What access tokens may be for. */
  resources: readonly ResourceSetting[];
  /** Types of authorization details. */
  authorizationDetails: readonly DetailType[];
  /** For people who did not choose one. */
  language: string;
  redemption: { replaySeconds: number };
  acr: { possession: string; twoFactor: string };
  tokens: { accessSeconds: number; idSeconds: number; refreshSeconds: number; senderConstrained: boolean };
  keys: { idTokenAlg: string; idTokenAlgs: readonly string[] };
  clientAuthentication: {
    audience: 'core' | 'rfc10070';
    methods: readonly string[];
    signingAlgs: readonly string[];
  };
  dpop: { requireNonce: boolean; signingAlgs: readonly string[] };
}

type Write = (event: string, fields?: Record<string, unknown>) => void;
export interface Log {
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
}

/** Single use of ids that others choose; the part of the domain's replay store that is needed here. */
export interface ReplayStore {
  once(use: { scope: string; id: string; now: number; until: number }): Promise<boolean>;
}

export interface ProtocolDeps {
  issuer: string;
  clients: ClientMetadata[];
  settings: ProtocolSettings;
  users: Pick<Users, 'get' | 'find'>;
  devices: Pick<Devices, 'get'>;
  userCodes: UserCodes;
  /** Requests of one client altogether. Absent: any number. */
  clientRate?: ClientRate;
  operations: Pick<Operations, 'start' | 'cancel' | 'get'>;
  redemptions: Redemptions;
  /** What clients were told. */
  deliveries: Pick<NotificationLog, 'ofClient' | 'ofOperation'>;
  serverKeys: Pick<ServerKeys, 'publicKeys' | 'byKid' | 'secret' | 'signOutside'>;
  artifacts: ArtifactStore;
  /** Registered clients; those of the configuration are in `clients`. */
  clientStore: Pick<ClientStore, 'get' | 'revision'>;
  /** The guarded way out, for keys and sectors of clients. Without it nothing is fetched. */
  fetch?: Fetch;
  /** What the text of an address alone tells. @throws where it is none that this server calls */
  checkAddress?: (address: string) => void;
  /** Dynamic registration; absent: there is none. */
  registration?: Registration;
  /** `/fapi/resource`, for certification suites. */
  exampleResource?: boolean;
  /** Where clients may show certificates. */
  mtls?: MutualTls;
  replay: ReplayStore;
  idempotency: IdempotencyStore;
  /** Sign-in of people in browsers. Without it `/authorize`, `/logout` and `/oauth/par` are not there. */
  signIn?: {
    settings: SignInSettings;
    pages: EnginePages;
    offers: Pick<Offers, 'offer' | 'linkOf' | 'look' | 'withdraw'>;
  };
  /** What people read of what a client gets. */
  consent: Consent;
  /** The integrator's word on a request, before anybody is asked. */
  policy?: Policy;
  secrets: Pick<Secrets, 'seal' | 'open' | 'hmac' | 'key'>;
  /** How far the process is behind, and how far it may be before it takes on less; 0: any. Absent: nobody looks. */
  overload?: { lateMs: () => number; limitMs: number };
  clock: Clock;
  timers?: Timers;
  /** When whoever must not know who exists is answered. */
  beat: Beat;
  /** Calls back when the operation has ended, in whatever process; a hint. The answer stops it. */
  watchOperation: (operationId: string, listener: () => void) => () => void;
  /** Aborted when the process drains: held requests are answered. */
  stopping?: AbortSignal;
  log: Log;
  /** The trace of the request that is being served, for the audit trail. */
  traceId?: () => string | undefined;
}
