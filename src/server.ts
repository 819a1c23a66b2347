import { createOperationWatch } from './channels/operation-watch.ts';
import { clientSideOf, protocolOf } from './composition/client-side.ts';
import type { ServerDeps } from './composition/deps.ts';
import { createDevicePart } from './composition/device-side.ts';
import { createDomain } from './composition/domain.ts';
import { outboundOf } from './composition/files.ts';
import { createHelpers, demoAddresses } from './composition/helpers.ts';
import { type Addresses, createListeners, listenAll, tlsOf } from './composition/listeners.ts';
import { measured, metricsOf } from './composition/metrics.ts';
import { noticeHandlers } from './composition/notices.ts';
import { watched } from './composition/overload.ts';
import { nowherePages, signInPages } from './composition/pages.ts';
import { createUpkeep } from './composition/upkeep.ts';
import type { Config } from './config.ts';
import { createClients } from './domain/clients.ts';
import { addressLimit } from './http/address-limit.ts';
import { createAuthenticatorApp, createManagementApp, createPublicApp } from './http/app.ts';
import { drain } from './http/listeners.ts';
import { createManagementApi } from './http/management-api/index.ts';
import { AUTHENTICATOR_ASSETS, loadAssets, SIGN_IN_ASSETS } from './http/pages/assets.ts';
import { createConsent } from './http/pages/consent-text.ts';
import { createSignInRoutes, limited } from './http/pages/sign-in.ts';
import { createHealth } from './observability/health.ts';
import { meteredWatch } from './observability/metered.ts';
import { currentTrace } from './observability/trace.ts';
import { createBeat } from './support/beat.ts';
import { SECOND } from './support/clock.ts';
import { createLateness } from './support/lateness.ts';
import { asFetch } from './support/outbound.ts';
import { createUnderWay } from './support/under-way.ts';

export type { ServerDeps, Storage } from './composition/deps.ts';
export type { Addresses } from './composition/listeners.ts';

export interface AssentServer {
  /** Resolves with the addresses when all listeners accept connections. */
  start(): Promise<Addresses>;
  /** RL-19: not ready, nobody new, what is in flight finishes, bounded by `drainSeconds`. The store stays open. */
  stop(): Promise<void>;
  /** Looks at the files that may change while it runs: certificates. */
  reload(): void;
}

/** Composition root: every part is made here, once, and gets what it needs as arguments. */
export async function createServer(config: Config, given: ServerDeps): Promise<AssentServer> {
  const { log } = given;
  // first: files that cannot be used are a wrong setting, and nothing has begun yet
  const tls = config.tls && tlsOf(config.tls, given);
  const outbound = outboundOf(config.outbound, log);
  const metrics = metricsOf(config, given, () => devices.streams.count());
  const lateness = createLateness();
  const deps = watched(metrics ? measured(given, metrics) : given, lateness);
  const domain = await createDomain(config, deps, metrics);
  const stopping = new AbortController();
  const operationWatch = createOperationWatch({ wakeups: deps.store.wakeups });
  const pages = config.signIn.enabled ? signInPages(config) : undefined;
  const configured = config.clients.map((client) => ({ ...client, ...demoAddresses(client, config) }));
  const clients = createClients({
    store: deps.store,
    clock: deps.clock,
    configured,
    check: (metadata) => protocol.checkClient(metadata),
  });
  const protocol = protocolOf({
    issuer: config.issuer,
    clients: configured,
    settings: config,
    users: domain.users,
    devices: domain.devices,
    userCodes: domain.userCodes,
    clientRate: domain.clientRate,
    operations: domain.operations,
    redemptions: domain.redemptions,
    deliveries: domain.deliveries,
    serverKeys: domain.serverKeys,
    idempotency: deps.store.idempotency,
    artifacts: deps.artifacts,
    clientStore: deps.store.clients,
    ...clientSideOf(config, clients),
    fetch: asFetch(outbound),
    checkAddress: outbound.check,
    replay: deps.store.replay,
    ...(pages && { signIn: { settings: config.signIn, pages, offers: domain.offers } }),
    consent: createConsent(config.language),
    ...(given.plugins?.policy && { policy: given.plugins.policy }),
    secrets: domain.secrets,
    clock: deps.clock,
    timers: deps.timers,
    beat: createBeat(),
    overload: { lateMs: lateness.ms, limitMs: config.listeners.overloadMs },
    watchOperation: metrics ? meteredWatch(operationWatch.watch, metrics) : operationWatch.watch,
    stopping: stopping.signal,
    log,
    traceId: () => currentTrace()?.traceId,
  });
  const deciding = createUnderWay();
  const handlers = noticeHandlers(deps, domain, { outbound, notifications: protocol.notifications, deciding });
  const devices = createDevicePart(config, deps, domain, {
    handlers,
    deciding,
    metrics,
    isClientActive: protocol.isClientActive,
  });
  domain.serverKeys.onChange(() => {
    protocol.reload().catch((error: unknown) => log.error('keys.not_taken_into_use', { error }));
  });
  const health = createHealth({ checkStore: () => deps.store.check(), signers: domain.signers.state });
  const helpers = await createHelpers(config, domain, log);
  const limit = addressLimit({ perMinute: config.device.callsPerMinute, clock: deps.clock });
  const signIn =
    pages && protocol.signIn
      ? createSignInRoutes({
          issuer: config.issuer,
          signIn: protocol.signIn,
          pages,
          assets: await loadAssets(SIGN_IN_ASSETS),
          stopping: stopping.signal,
          log,
          bodyLimitBytes: config.listeners.bodyLimitBytes,
          limit,
        })
      : undefined;

  const { listeners: limits, proxyHops, proxy } = config;
  const common = { log, limits, proxyHops, proxy, ...(metrics && { metrics }) };
  const nowhere = nowherePages(config, signIn);
  const publicApp = createPublicApp({
    ...common,
    issuer: config.issuer,
    authenticatorOrigin: config.authenticator.origin,
    health,
    deviceCalls: devices.calls,
    deviceApi: devices.api,
    engine: pages ? limited(protocol, { issuer: config.issuer, pages, limit }) : protocol,
    others: [...(signIn ? [signIn] : []), ...helpers],
    nowhere: nowhere.public,
  });
  const managementApi = createManagementApi({
    ...domain,
    clients,
    idempotency: deps.store.idempotency,
    clock: deps.clock,
    log,
    apiKeys: config.management.apiKeys,
  });
  const managementApp = createManagementApp({
    ...common,
    health,
    managementApi,
    nowhere: nowhere.management,
  });
  const assets = await loadAssets(AUTHENTICATOR_ASSETS);
  const authenticatorApp = createAuthenticatorApp({
    ...common,
    origin: config.authenticator.origin,
    assets,
    deviceCalls: devices.calls,
    deviceApi: devices.api,
    nowhere: nowhere.authenticator,
  });

  const apps = { public: publicApp, management: managementApp, authenticator: authenticatorApp };
  const listeners = createListeners(config, apps, tls);
  stopping.signal.addEventListener('abort', () => devices.streams.endAll((config.drainSeconds * SECOND) / 2));
  const sweeper = createUpkeep(deps, domain, devices.ownBoxes);

  return {
    async start() {
      await outbound.assertGuarded();
      await operationWatch.start();
      await devices.dispatcher.start();
      sweeper.start();
      lateness.start();
      tls?.start();
      return await listenAll(config, listeners);
    },
    reload: () => void tls?.reload(),
    async stop() {
      for (const helper of helpers) helper.stop();
      tls?.stop();
      await drain({
        listeners: Object.values(listeners),
        health,
        stopping,
        deadlineMs: config.drainSeconds * SECOND,
        log,
      });
      operationWatch.stop();
      lateness.stop();
      await Promise.all([sweeper.stop(), devices.dispatcher.stop()]);
    },
  };
}
