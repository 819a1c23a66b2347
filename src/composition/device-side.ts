/** The side of the devices, and the dispatcher of the outbox: what it delivers to them and what it delivers to others. */

import { randomBytes } from 'node:crypto';
import { createDispatcher } from '../channels/dispatcher.ts';
import { createInboxHandler } from '../channels/inbox.ts';
import type { Handler } from '../channels/outcome.ts';
import { createWakeHub } from '../channels/wake-hub.ts';
import type { Config } from '../config.ts';
import type { AttestationVerifier } from '../domain/attestation.ts';
import type { IsClientActive } from '../domain/client-standing.ts';
import { createDeviceSide } from '../domain/device-side.ts';
import { addressLimit } from '../http/address-limit.ts';
import { createDeviceApi, createDeviceCalls } from '../http/device-api/index.ts';
import { approvalText } from '../http/pages/approval-text.ts';
import type { Log } from '../observability/log.ts';
import { meteredHandlers } from '../observability/metered.ts';
import type { Metrics } from '../observability/metrics.ts';
import { HOUR, SECOND } from '../support/clock.ts';
import { systemTimers } from '../support/timers.ts';
import type { UnderWay } from '../support/under-way.ts';
import type { ServerDeps } from './deps.ts';
import type { Domain } from './domain.ts';

interface DevicePartOf {
  handlers: Record<string, Handler>;
  deciding: UnderWay;
  metrics: Metrics | undefined;
  isClientActive: IsClientActive;
}

/** What talks to authenticators: the device API, its event streams, and the dispatcher that wakes them. */
export function createDevicePart(
  config: Config,
  { store, clock, timers = systemTimers, log, plugins }: ServerDeps,
  domain: Domain,
  { handlers, deciding, metrics, isClientActive }: DevicePartOf,
) {
  const { issuer, acr, device, retention } = config;
  const hub = createWakeHub({ wakeups: store.wakeups });
  const side = createDeviceSide({
    ...domain,
    issuer,
    store,
    clock,
    timers,
    random: randomBytes,
    isClientActive,
    approvalText,
    ...(plugins?.attestation && { verifyAttestation: toldOf(plugins.attestation, log) }),
    watch: hub,
    options: {
      acr,
      evidenceRetentionMs: retention.evidenceHours * HOUR,
      notMeMs: config.limits.notMeSeconds * SECOND,
      skewSeconds: device.skewSeconds,
      sessionSeconds: device.sessionSeconds,
      heartbeatMs: device.eventHeartbeatSeconds * SECOND,
      streamLifetimeMs: device.eventStreamSeconds * SECOND,
      ownBoxes: { rotationDays: config.keys.boxRotationDays, destroyHours: config.keys.boxDestroyHours },
      streamsPerDevice: device.eventStreamsPerDevice,
    },
  });
  const all = { ...handlers, inbox: createInboxHandler({ hub }) };
  const dispatcher = createDispatcher({
    outbox: store.outbox,
    wakeups: store.wakeups,
    handlers: metrics ? meteredHandlers(all, metrics) : all,
    clock,
    timers,
    holder: randomBytes(9).toString('base64url'),
    log,
  });
  const perMinute = device.callsPerMinute;
  const limit = addressLimit({ perMinute, clock });
  const { streams, ownBoxes } = side;
  const { bodyLimitBytes } = config.listeners;
  const parts = { ...side, deciding, limit, bodyLimitBytes, clock, log };
  return { calls: createDeviceCalls(parts), api: createDeviceApi(parts), streams, ownBoxes, dispatcher };
}

/** A verifier that fails is the operator's to mend; the device is told no more than that it could not be done. */
function toldOf(verify: AttestationVerifier, log: Log): AttestationVerifier {
  return async (statement) => {
    try {
      return await verify(statement);
    } catch (error) {
      log.error('attestation.fault', { kind: statement.kind, error });
      throw error;
    }
  };
}
