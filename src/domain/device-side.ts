/** Everything behind the device API, put together: one call for the composition root. */
import type { Clock } from '../support/clock.ts';
import type { RandomBytes } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Timers } from '../support/timers.ts';
import type { AcrNames } from './acr.ts';
import { createAnswers } from './answers.ts';
import type { Applications } from './applications.ts';
import type { AttestationVerifier } from './attestation.ts';
import { createClaims } from './claims.ts';
import { createClientStanding, type IsClientActive } from './client-standing.ts';
import { createDeviceCalls, type DeviceCalls } from './device-calls.ts';
import { createDeviceRequests, type DeviceRequests } from './device-requests.ts';
import { createDeviceServerKeys, type DeviceServerKeys } from './device-server-keys.ts';
import { createDocuments } from './documents.ts';
import { createEnrollment } from './enrollment.ts';
import { type ApprovalText, createEnrollmentGates } from './enrollment-gates.ts';
import { createInbox } from './inbox.ts';
import { createInboxStreams, type InboxStreams, type UserWatch } from './inbox-stream.ts';
import type { Operations } from './operations.ts';
import { createOwnBoxes, type OwnBoxes } from './own-boxes.ts';
import type { Store } from './ports/store.ts';
import { createRefusedKeys } from './refused-keys.ts';
import type { ServerKeys } from './server-keys.ts';
import type { Tickets } from './tickets.ts';
import { createUpkeep } from './upkeep.ts';
import type { Users } from './users.ts';

export interface DeviceSide {
  requests: DeviceRequests;
  calls: DeviceCalls;
  streams: InboxStreams;
  serverKeys: DeviceServerKeys;
  ownBoxes: Pick<OwnBoxes, 'offered' | 'maintainDue'>;
}

export interface DeviceSideDeps {
  /** `aud` and `iss` of every message. */
  issuer: string;
  store: Pick<Store, 'devices' | 'operations' | 'events' | 'counters'>;
  operations: Pick<Operations, 'start' | 'cancel'>;
  users: Pick<Users, 'get'>;
  tickets: Pick<Tickets, 'operationIdOf' | 'byActivationCode' | 'create'>;
  applications: Applications;
  isClientActive: IsClientActive;
  serverKeys: Pick<ServerKeys, 'current' | 'byKid' | 'publicKeys' | 'reload'>;
  secrets: Secrets;
  clock: Clock;
  timers: Timers;
  random: RandomBytes;
  /** What a person is asked who is to let a new device in. */
  approvalText?: ApprovalText;
  verifyAttestation?: AttestationVerifier;
  /** Of channels/wake-hub.ts. */
  watch: UserWatch;
  options: DeviceSideOptions;
}

export interface DeviceSideOptions {
  acr: AcrNames;
  evidenceRetentionMs: number;
  /** Of the limits of starts. */
  notMeMs?: number;
  /** How far a device's clock may be off: 120 s. */
  skewSeconds: number;
  /** At most an hour. */
  sessionSeconds: number;
  /** Of event streams (device-protocol, section 7): 15 s and 55 s. */
  heartbeatMs: number;
  streamLifetimeMs: number;
  streamsPerDevice: number;
  /** Of box pairs that devices have for themselves: as of the shared one. */
  ownBoxes: { rotationDays: number; destroyHours: number };
}

export function createDeviceSide({ serverKeys: keyStore, options, ...deps }: DeviceSideDeps): DeviceSide {
  const { acr, evidenceRetentionMs, notMeMs, skewSeconds, sessionSeconds } = options;
  const { heartbeatMs, streamLifetimeMs, streamsPerDevice } = options;
  const common = {
    ...deps,
    serverKeys: createDeviceServerKeys({ ...deps, serverKeys: keyStore }),
    clients: createClientStanding(deps),
  };
  const ownBoxes = createOwnBoxes({ ...common, ...options.ownBoxes });
  const requests = createDeviceRequests({ ...common, ownBoxes, skewSeconds });
  const inbox = createInbox(common);
  const gates = createEnrollmentGates({ approvalText: plainApprovalText, ...common });
  const refusedKeys = createRefusedKeys(common);
  const enrollment = createEnrollment({ ...common, gates, refusedKeys });
  const answers = createAnswers({
    ...common,
    inbox,
    acr,
    evidenceRetentionMs,
    ...(notMeMs !== undefined && { notMeMs }),
  });
  const documents = createDocuments({ ...common, inbox });
  const claims = createClaims(common);
  const upkeep = createUpkeep({ ...common, refusedKeys });
  return {
    requests,
    calls: createDeviceCalls({
      ...common,
      requests,
      gates,
      enrollment,
      upkeep,
      answers,
      documents,
      claims,
      inbox,
      sessionSeconds,
    }),
    streams: createInboxStreams({
      ...common,
      requests,
      inbox,
      heartbeatMs,
      lifetimeMs: streamLifetimeMs,
      perDevice: streamsPerDevice,
    }),
    serverKeys: common.serverKeys,
    ownBoxes,
  };
}

/** Where nobody brings a table of texts. */
const plainApprovalText: ApprovalText = (device) => `Add ${device} to your devices?`;
