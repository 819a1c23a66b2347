/** The services on the store: their settings, from those of the configuration, and the order in which they need each other. */

import { randomBytes } from 'node:crypto';
import { type Config, ConfigError } from '../config.ts';
import type { Application } from '../domain/application.ts';
import { createApplications } from '../domain/applications.ts';
import { createClientRate } from '../domain/client-rate.ts';
import { createDevices } from '../domain/devices.ts';
import { createExternalSigners, type ExternalSigners } from '../domain/external-signers.ts';
import { MasterKeyRefused, openKeyRing } from '../domain/key-ring.ts';
import { createNotificationLog } from '../domain/notification-log.ts';
import { createOffers } from '../domain/offers.ts';
import { createOperations } from '../domain/operations.ts';
import { createPinProofs } from '../domain/pin-proofs.ts';
import type { StartLimits } from '../domain/ports/operations.ts';
import { createRedemptions } from '../domain/redemptions.ts';
import { seedUsers } from '../domain/seed.ts';
import { createServerKeys, type ServerKeys } from '../domain/server-keys.ts';
import { createTicketConfirmation } from '../domain/ticket-confirmation.ts';
import { createTickets } from '../domain/tickets.ts';
import { createUserCodes } from '../domain/user-codes.ts';
import { createUsers } from '../domain/users.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { HOUR, SECOND } from '../support/clock.ts';
import type { ServerDeps } from './deps.ts';

export async function createDomain(config: Config, deps: ServerDeps, metrics?: Metrics) {
  const { store, clock } = deps;
  const keyRing = await openKeyRing({ ...deps, random: randomBytes }).catch(asWrongSetting);
  const { secrets } = keyRing;
  const { retention } = config;
  const retentionMs = retention.operationsHours * HOUR;
  const applications = createApplications(config.applications.map((application) => asApplication(application, config)));
  const signers = createExternalSigners({
    signers: deps.plugins?.signers ?? [],
    timers: deps.timers,
    onChange: ({ kid, isDown, error }) =>
      isDown ? deps.log.error('keys.signer_away', { kid, error }) : deps.log.warn('keys.signer_back', { kid }),
  });
  const serverKeys = await createServerKeys({ store, clock, secrets, signers, options: config.keys });
  warnOfSigners(serverKeys, signers, deps.log);
  const users = createUsers({ store, clock, secrets });
  const { ticketSeconds, ticketMaxSeconds } = config.device;
  const tickets = createTickets({
    store,
    clock,
    secrets,
    serverKeys,
    applications,
    options: {
      authenticatorOrigin: config.authenticator.origin,
      defaultSeconds: ticketSeconds,
      maxSeconds: ticketMaxSeconds,
      retentionMs,
      ownBoxes: config.device.ownBox,
    },
  });
  const { pendingPerClient: perClient, pendingPerUser: perUser, pendingPolicy: policy } = config.ciba;
  const operations = createOperations({
    store,
    clock,
    secrets,
    applications,
    options: { cap: { perClient, policy, perUser }, ...startLimits(config), retentionMs },
  });
  const redemptions = createRedemptions({
    store,
    clock,
    secrets,
    applications,
    options: { leaseMs: config.redemption.leaseMs, pacing: config.pacing },
  });
  await seedUsers(
    users,
    config.seed.users.map(({ external_ref: externalRef, ...user }) => ({ ...user, externalRef })),
  );
  return {
    secrets,
    keyRing,
    applications,
    signers,
    serverKeys,
    users,
    deliveries: createNotificationLog({
      store,
      clock,
      options: { keep: retention.deliveriesPerClient, keepMs: retention.deliveriesHours * HOUR },
    }),
    devices: createDevices({ store, clock }),
    clientRate: createClientRate({
      store,
      clock,
      options: rateOf(config.limits.perClient),
      ...(metrics && {
        onRefused: (clientId: string) => metrics.startRefused({ limit: 'client_total', told: true, clientId }),
      }),
    }),
    userCodes: createUserCodes({ store, secrets, clock, options: config.ciba.userCode }),
    tickets,
    ticketConfirmation: createTicketConfirmation({ store, clock, secrets, applications }),
    pinProofs: createPinProofs({ store, clock, secrets }),
    operations,
    offers: createOffers({
      store,
      operations,
      secrets,
      clock,
      options: { authenticatorOrigin: config.authenticator.origin, retentionMs },
    }),
    redemptions,
  };
}

export type Domain = Awaited<ReturnType<typeof createDomain>>;

const rateOf = ({ starts, windowSeconds }: { starts: number; windowSeconds: number }) => ({
  starts,
  windowMs: windowSeconds * SECOND,
});

/** Nothing is noted where nothing is limited. */
function startLimits({ limits: { perUserAndClient, perUser, backOff, notMeSeconds } }: Config) {
  const isAny = [perUserAndClient.starts, perUser.starts, backOff.firstSeconds, notMeSeconds].some((each) => each > 0);
  if (!isAny) return {};
  const limits: StartLimits = {
    perClient: rateOf(perUserAndClient),
    perUser: rateOf(perUser),
    backOff: { firstMs: backOff.firstSeconds * SECOND, maxMs: backOff.maxSeconds * SECOND },
    notMeMs: notMeSeconds * SECOND,
  };
  return { limits };
}

/** Nothing that stops a start, and nothing that should be met only in a token that is missing. */
function warnOfSigners(serverKeys: ServerKeys, signers: ExternalSigners, log: Log): void {
  for (const { kid, state, external } of serverKeys.publicKeys('oidc')) {
    if (external && state === 'current' && !signers.has(kid)) log.error('keys.signer_missing', { kid });
    const isOver = state === 'retired' || state === 'destroyed';
    if (isOver && signers.wanted.some((signer) => signer.kid === kid)) log.warn('keys.signer_not_used', { kid, state });
  }
}

function asWrongSetting(error: unknown): never {
  if (error instanceof MasterKeyRefused) throw new ConfigError([{ setting: 'masterKey', message: error.message }]);
  throw error;
}

function asApplication(
  { id, name, active, methods, enrollment_mode, pin, ...members }: Config['applications'][number],
  config: Config,
): Application {
  const { confirm, approve_by_existing_device: approveByExistingDevice, attestation } = members;
  const { lifetimeFailures } = config.device.pin;
  return {
    id,
    name,
    active,
    methods,
    enrollmentMode: enrollment_mode,
    enrollment: { confirm, approveByExistingDevice, attestation },
    pin: {
      length: pin.length,
      maxFailures: pin.max_failures,
      lifetimeFailures,
      proofRetention: pin.proof_retention,
    },
  };
}
