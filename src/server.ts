import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createDispatcher } from './channels/dispatcher.ts';
import { createInboxHandler } from './channels/inbox.ts';
import { createNotificationHandler } from './channels/notifications.ts';
import { createOperationWatch } from './channels/operation-watch.ts';
import type { Handler } from './channels/outcome.ts';
import { createOutsideNoticeHandler } from './channels/outside-notices.ts';
import { createWakeHub } from './channels/wake-hub.ts';
import { type Config, ConfigError } from './config.ts';
import { createDemo } from './demo/routes.ts';
import { websiteAddresses } from './demo/web.ts';
import type { Application } from './domain/application.ts';
import { createApplications } from './domain/applications.ts';
import type { AttestationVerifier } from './domain/attestation.ts';
import { createClientRate } from './domain/client-rate.ts';
import type { IsClientActive } from './domain/client-standing.ts';
import { type Clients, createClients } from './domain/clients.ts';
import { createDeviceSide } from './domain/device-side.ts';
import { createDevices } from './domain/devices.ts';
import { createExternalSigners, type ExternalSigners } from './domain/external-signers.ts';
import { createKeyClaims } from './domain/key-claims.ts';
import { MasterKeyRefused, openKeyRing } from './domain/key-ring.ts';
import { createNotificationLog } from './domain/notification-log.ts';
import { createOperations } from './domain/operations.ts';
import { createOutsideNotices, type NoticeTeller } from './domain/outside-notices.ts';
import { createPinProofs } from './domain/pin-proofs.ts';
import type { StartLimits } from './domain/ports/operations.ts';
import type { Store } from './domain/ports/store.ts';
import { createRedemptions } from './domain/redemptions.ts';
import { seedUsers } from './domain/seed.ts';
import { createServerKeys, type ServerKeys } from './domain/server-keys.ts';
import { createSweeper } from './domain/sweeper.ts';
import { createTicketConfirmation } from './domain/ticket-confirmation.ts';
import { createTickets } from './domain/tickets.ts';
import { createUserCodes } from './domain/user-codes.ts';
import { createUsers } from './domain/users.ts';
import { createAddressLimit, noLimit } from './http/address-limit.ts';
import { createAuthenticatorApp, createManagementApp, createPublicApp, MANAGEMENT_PREFIX } from './http/app.ts';
import { createDeviceApi } from './http/device-api/index.ts';
import { peerCertificateOf } from './http/edge/peer-certificate.ts';
import { createListener, drain, type Listener } from './http/listeners.ts';
import { createManagementApi } from './http/management-api/index.ts';
import type { Mounted } from './http/mount.ts';
import { approvalText } from './http/pages/approval-text.ts';
import { AUTHENTICATOR_ASSETS, DEMO_ASSETS, loadAssets, SIGN_IN_ASSETS } from './http/pages/assets.ts';
import { createConsent } from './http/pages/consent-text.ts';
import { createSignInRoutes } from './http/pages/sign-in.ts';
import { createSignInPages } from './http/pages/sign-in-pages.ts';
import { createTls, type Tls, TlsFilesError, type TlsKind } from './http/tls.ts';
import { createHealth } from './observability/health.ts';
import type { Log } from './observability/log.ts';
import { meteredHandlers, meteredPort, meteredStore, meteredWatch } from './observability/metered.ts';
import { createMetrics, type Metrics } from './observability/metrics.ts';
import { currentTrace } from './observability/trace.ts';
import type { Plugins } from './plugins.ts';
import type { ArtifactStore } from './protocol/ports.ts';
import { createProtocol } from './protocol/protocol.ts';
import { createSimulator } from './simulator/index.ts';
import { createBeat } from './support/beat.ts';
import { type Clock, HOUR, SECOND } from './support/clock.ts';
import { operationIdOf } from './support/ids.ts';
import { asFetch, createOutbound } from './support/outbound.ts';
import { systemTimers, type Timers } from './support/timers.ts';

/** One adapter serves both ports. */
export interface Storage {
  store: Store;
  artifacts: ArtifactStore;
}

export interface ServerDeps extends Storage {
  /** 32 bytes. */
  masterKey: Buffer;
  /** They open a store that `masterKey` does not open yet. */
  formerMasterKeys?: readonly Buffer[];
  /** What the modules of the configuration export. */
  plugins?: Plugins;
  clock: Clock;
  timers?: Timers;
  log: Log;
}

export interface Addresses {
  public: string;
  management: string;
  authenticator: string;
  /** With `config.tls`. */
  tls?: string;
  /** With `config.tls.clientPort`. */
  tlsClients?: string;
}

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
  const metrics = metricsOf(config, given, () => devices.streams.count());
  const deps = metrics ? measured(given, metrics) : given;
  const domain = await createDomain(config, deps, metrics);
  const stopping = new AbortController();
  const operationWatch = createOperationWatch({ wakeups: deps.store.wakeups });
  const outbound = createOutbound({ ...config.outbound, log });
  const pages = config.signIn.enabled ? await signInPages(config) : undefined;
  const configured = config.clients.map((client) => ({ ...client, ...demoAddresses(client, config) }));
  const clients = createClients({
    store: deps.store,
    clock: deps.clock,
    configured,
    check: (metadata) => protocol.checkClient(metadata),
  });
  const protocol = createProtocol({
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
    ...(pages && { signIn: { settings: config.signIn, pages } }),
    consent: createConsent(config.language),
    ...(given.plugins?.policy && { policy: given.plugins.policy }),
    secrets: domain.secrets,
    clock: deps.clock,
    timers: deps.timers,
    beat: createBeat(),
    watchOperation: metrics ? meteredWatch(operationWatch.watch, metrics) : operationWatch.watch,
    stopping: stopping.signal,
    log,
    traceId: () => currentTrace()?.traceId,
  });
  const notify = createNotificationHandler({
    notifications: protocol.notifications,
    outbound,
    events: deps.store.events,
    deliveries: domain.deliveries,
    clock: deps.clock,
    timers: deps.timers ?? systemTimers,
    random: Math.random,
    log,
  });
  const tell = given.plugins?.notice;
  const handlers = { ping: notify, push: notify, ...(tell && { notice: outsideNotices(tell, deps, domain) }) };
  const devices = createDevicePart(config, deps, domain, {
    handlers,
    metrics,
    isClientActive: protocol.isClientActive,
  });
  domain.serverKeys.onChange(() => {
    protocol.reload().catch((error: unknown) => log.error('keys.not_taken_into_use', { error }));
  });
  const health = createHealth({ checkStore: () => deps.store.check(), signers: domain.signers.state });
  const helpers = await createHelpers(config, domain, log);
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
        })
      : undefined;

  const { listeners: limits, proxyHops, proxy } = config;
  const common = { log, limits, proxyHops, proxy, ...(metrics && { metrics }) };
  const authenticatorOrigin = config.authenticator.origin;
  const publicApp = createPublicApp({
    ...common,
    issuer: config.issuer,
    authenticatorOrigin,
    health,
    deviceApi: devices.api,
    engine: protocol,
    others: [...(signIn ? [signIn] : []), ...helpers],
    nowhere: {
      language: config.language,
      ...(signIn && { look: lookBelow(`${signIn.paths[0]}/assets`) }),
      link: { href: authenticatorOrigin, text: 'nowhere.authenticator' },
    },
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
    nowhere: {
      language: config.language,
      link: { href: `${MANAGEMENT_PREFIX}/openapi.json`, text: 'nowhere.management' },
    },
  });
  const assets = await loadAssets(AUTHENTICATOR_ASSETS);
  const authenticatorApp = createAuthenticatorApp({
    ...common,
    origin: authenticatorOrigin,
    assets,
    deviceApi: devices.api,
    nowhere: {
      language: config.language,
      look: lookBelow(''),
      link: { href: '/', text: 'nowhere.home' },
    },
  });

  const listen = (name: string, host: string, port: number, handler: typeof publicApp) =>
    createListener({ name, host, port, handler, limits: config.listeners });
  const listeners = {
    public: listen('public', config.host, config.port, publicApp),
    management: listen('management', config.management.host, config.management.port, managementApp),
    authenticator: listen('authenticator', config.host, config.authenticator.port, authenticatorApp),
  };
  const secure: { tls?: Listener; tlsClients?: Listener } = tls ? tlsListeners(config, tls, publicApp) : {};
  stopping.signal.addEventListener('abort', () => devices.streams.endAll((config.drainSeconds * SECOND) / 2));
  const sweeper = createSweeper({
    store: deps.store,
    clock: deps.clock,
    timers: deps.timers,
    serverKeys: domain.serverKeys,
    keyRing: domain.keyRing,
    ownBoxes: devices.ownBoxes,
    keyClaims: createKeyClaims({ ...domain, ...deps }),
    onError: (job, error) => log.warn('sweep.failed', { job, error }),
  });

  return {
    async start() {
      await outbound.assertGuarded();
      await operationWatch.start();
      await devices.dispatcher.start();
      sweeper.start();
      tls?.start();
      return {
        public: await addressOf(config.host, listeners.public),
        management: await addressOf(config.management.host, listeners.management),
        authenticator: await addressOf(config.host, listeners.authenticator),
        ...(secure.tls && { tls: await addressOf(config.host, secure.tls, 'https') }),
        ...(secure.tlsClients && { tlsClients: await addressOf(config.host, secure.tlsClients, 'https') }),
      };
    },
    reload: () => void tls?.reload(),
    async stop() {
      for (const helper of helpers) helper.stop();
      tls?.stop();
      await drain({
        listeners: [...Object.values(listeners), ...Object.values(secure)],
        health,
        stopping,
        deadlineMs: config.drainSeconds * SECOND,
        log,
      });
      operationWatch.stop();
      await Promise.all([sweeper.stop(), devices.dispatcher.stop()]);
    },
  };
}

/** undefined: nobody wants them, and nothing is measured. */
function metricsOf(config: Config, { store, clock }: ServerDeps, streams: () => number): Metrics | undefined {
  const { enabled, clientLabel } = config.metrics;
  if (!enabled) return undefined;
  const labelledClients = config.clients.map(({ client_id }) => client_id);
  return createMetrics({ outbox: store.outbox, clock, streams, ...(clientLabel && { labelledClients }) });
}

function measured(deps: ServerDeps, metrics: Metrics): ServerDeps {
  const { store, artifacts } = deps;
  return {
    ...deps,
    store: meteredStore(store, metrics),
    artifacts: meteredPort('artifacts', artifacts, metrics),
  };
}

/** @throws ConfigError where the files cannot be used */
function tlsOf(settings: NonNullable<Config['tls']>, { clock, timers = systemTimers, log }: ServerDeps): Tls {
  try {
    return createTls({ settings, clock, timers, log });
  } catch (error) {
    if (error instanceof TlsFilesError) throw new ConfigError([{ setting: error.setting, message: error.message }]);
    throw error;
  }
}

/** The public app once more, over TLS: on one port for everybody, on another for clients that show a certificate. */
function tlsListeners({ host, tls: settings, listeners: limits }: Config, tls: Tls, handler: RequestListener) {
  const listen = (name: string, port: number, kind: TlsKind) =>
    createListener({ name, host, port, handler, limits, tls: { tls, kind } });
  const { port = 0, clientPort } = settings ?? {};
  return {
    tls: listen('tls', port, 'server'),
    ...(clientPort !== undefined && { tlsClients: listen('tls-clients', clientPort, 'client-certificates') }),
  };
}

/** How clients may register and show themselves, as far as that is switched on. */
function clientSideOf({ environment, tls, proxy, mtls, registration }: Config, clients: Clients) {
  const { enabled, initialAccessToken } = registration;
  const canShowCertificates = tls?.clientPort !== undefined || proxy.clientCertificateHeader !== undefined;
  return {
    // for certification suites; a bank's accounts are elsewhere
    exampleResource: environment !== 'production',
    ...(canShowCertificates && { mtls: { origin: mtls.origin, peerCertificateOf } }),
    ...(enabled && initialAccessToken !== undefined && { registration: { clients, initialAccessToken } }),
  };
}

/** As sign-in looks. */
function lookBelow(path: string) {
  const sheets = ['tokens.css', 'components.css', 'sign-in.css'].map((name) => `${path}/${name}`);
  return { sheets, icon: `${path}/icon.svg` };
}

function signInPages({ issuer, authenticator, language, limits }: Config) {
  const againSeconds = limits.backOff.firstSeconds;
  return createSignInPages({ issuer, authenticatorOrigin: authenticator.origin, language, againSeconds });
}

/** Services on the store. */
async function createDomain(config: Config, deps: ServerDeps, metrics?: Metrics) {
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
    redemptions,
  };
}

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

type Domain = Awaited<ReturnType<typeof createDomain>>;

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

interface DevicePartOf {
  handlers: Record<string, Handler>;
  metrics: Metrics | undefined;
  isClientActive: IsClientActive;
}

/** What talks to authenticators: the device API, its event streams, and the dispatcher that wakes them. */
function createDevicePart(
  config: Config,
  { store, clock, timers = systemTimers, log, plugins }: ServerDeps,
  domain: Domain,
  { handlers, metrics, isClientActive }: DevicePartOf,
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
  const limit = perMinute === 0 ? noLimit : createAddressLimit({ perMinute, clock });
  const { streams, ownBoxes } = side;
  return { api: createDeviceApi({ ...side, limit, clock, log }), streams, ownBoxes, dispatcher };
}

/** The store writes what they are about where it was opened for it (main.ts). */
function outsideNotices(tell: NoticeTeller, { store, clock, timers = systemTimers, log }: ServerDeps, domain: Domain) {
  const notices = createOutsideNotices({ ...domain, store });
  return createOutsideNoticeHandler({ notices, tell, events: store.events, clock, timers, random: Math.random, log });
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

type Helper = Mounted & { stop(): void };

/** Demo pages and simulator: for trying out, and refused by every production configuration. */
async function createHelpers(config: Config, { operations }: Domain, log: Log): Promise<Helper[]> {
  const management = {
    url: `http://${hostOf(config.management.host)}:${config.management.port}`,
    key: config.management.apiKeys.find(({ key }) => key)?.key ?? '',
  };
  const helpers: Helper[] = [];
  if (config.demo.enabled) {
    const assets = await loadAssets(DEMO_ASSETS);
    const clients = {
      helpdesk: demoClient(config, 'demo-helpdesk'),
      tv: demoClient(config, 'demo-tv'),
      web: demoClient(config, 'demo-web'),
    };
    helpers.push(createDemo({ issuer: config.issuer, clients, management, asset: (name) => assets.get(name) }));
  }
  if (config.simulator.enabled) {
    const operationOf = (authReqId: string) => operations.get(operationIdOf(authReqId));
    helpers.push(
      createSimulator({
        authenticator: config.authenticator.origin,
        management,
        operationOf,
        matchCodeOf: async (operationId) => operations.matchCodeOf(await operations.get(operationId)),
        onTrouble: (deviceId, error) => log.warn('simulator.refused', { deviceId, error }),
      }),
    );
  }
  return helpers;
}

/** The demo website is a part of this server: its addresses follow the server's, whatever port it has. */
function demoAddresses({ client_id }: Config['clients'][number], { demo, issuer }: Config) {
  return demo.enabled && client_id === 'demo-web' ? websiteAddresses(issuer) : {};
}

function demoClient(config: Config, clientId: string) {
  return { clientId, secret: config.clients.find((client) => client.client_id === clientId)?.client_secret ?? '' };
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

async function addressOf(host: string, listener: Listener, scheme = 'http'): Promise<string> {
  return `${scheme}://${hostOf(host)}:${await listener.listen()}`;
}

/** A wildcard is no address to connect to. */
function hostOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
