import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createDispatcher } from '../../src/channels/dispatcher.ts';
import { createInboxHandler } from '../../src/channels/inbox.ts';
import { createWakeHub } from '../../src/channels/wake-hub.ts';
import { beginEnrollment, type Device, type DeviceInfo, memoryStorage } from '../../src/device-sdk/index.ts';
import { defaultAcrNames } from '../../src/domain/acr.ts';
import type { AttestationVerifier } from '../../src/domain/attestation.ts';
import type { IsClientActive } from '../../src/domain/client-standing.ts';
import { createDeviceSide, type DeviceSideOptions } from '../../src/domain/device-side.ts';
import type { StartOperation } from '../../src/domain/operations.ts';
import type { User } from '../../src/domain/user.ts';
import { type AddressLimit, noLimit } from '../../src/http/address-limit.ts';
import { createPublicApp } from '../../src/http/app.ts';
import { createDeviceApi, createDeviceCalls } from '../../src/http/device-api/index.ts';
import { createHealth } from '../../src/observability/health.ts';
import { DAY, HOUR, SECOND } from '../../src/support/clock.ts';
import { createUnderWay, type UnderWay } from '../../src/support/under-way.ts';
import { by, newUser, openScene, type Scene, type SceneOptions, startOf } from '../domain/scene.ts';
import { canaries } from '../support/canaries/index.ts';
import { watchedLog } from '../support/log.ts';
import '../support/pin-derivations.ts';
import { createTimers } from '../support/timers.ts';

export type DeviceServer = Awaited<ReturnType<typeof startDeviceServer>>;

/** Bytes as whoever ends TLS in front of the server sees them. */
export interface Exchange {
  method: string;
  path: string;
  headers: string;
  up: string;
  status: number;
  down: string;
}

const issuer = 'https://assent.example.test';

export interface DeviceServerOptions extends SceneOptions {
  verifyAttestation?: AttestationVerifier;
  /** Of the clients that ask; default: all are active. */
  isClientActive?: IsClientActive;
  /** Of calls from one address. */
  limit?: AddressLimit;
  /** Is told of decisions until they are answered. */
  deciding?: UnderWay;
}

/** The device API over HTTP, on the real app and a new embedded store; time moves when a test says so. */
export async function startDeviceServer(options: DeviceServerOptions = {}) {
  const scene = await openScene(options);
  const timers = createTimers(scene.clock);
  const { log, check } = watchedLog();
  const hub = createWakeHub(scene.store);
  const makeSide = (
    changed: Partial<DeviceSideOptions> = {},
    own: Partial<Pick<Scene, 'serverKeys' | 'operations'>> = {},
  ) =>
    createDeviceSide({
      ...scene,
      ...own,
      issuer,
      clock: scene.clock.now,
      timers,
      random: randomBytes,
      isClientActive: options.isClientActive ?? (async () => true),
      ...(options.verifyAttestation && { verifyAttestation: options.verifyAttestation }),
      watch: hub,
      options: {
        acr: defaultAcrNames,
        evidenceRetentionMs: 365 * DAY,
        notMeMs: HOUR,
        skewSeconds: 120,
        sessionSeconds: 3600,
        heartbeatMs: 15 * SECOND,
        streamLifetimeMs: 55 * SECOND,
        ownBoxes: { rotationDays: 7, destroyHours: 48 },
        streamsPerDevice: 4,
        ...changed,
      },
    });
  const dispatcher = createDispatcher({
    ...scene.store,
    handlers: { inbox: createInboxHandler({ hub }) },
    clock: scene.clock.now,
    timers,
    holder: 'test',
    log,
  });
  const first = await listen(makeSide());
  const exchanges: Exchange[] = [];
  const enrolled = new Map<string, ReturnType<typeof memoryStorage>>();

  async function listen(side: ReturnType<typeof makeSide>) {
    const limits = { maxHeadersCount: 64, bodyLimitBytes: 56 * 1024 };
    const parts = {
      ...side,
      deciding: options.deciding ?? createUnderWay(),
      limit: options.limit ?? noLimit,
      bodyLimitBytes: limits.bodyLimitBytes,
      clock: scene.clock.now,
      log,
    };
    const app = createPublicApp({
      issuer,
      authenticatorOrigin: 'https://authenticator.example.test',
      health: createHealth({ checkStore: () => scene.store.check() }),
      deviceCalls: createDeviceCalls(parts),
      deviceApi: createDeviceApi(parts),
      engine: { paths: [], handle: () => {} },
      log,
      limits,
      proxyHops: 0,
    });
    const server = createServer(app);
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const { port } = server.address() as AddressInfo;
    return { side, server, base: `http://127.0.0.1:${port}` };
  }

  /** A proxy's view: everything that passes is kept. */
  async function recordingFetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
    const url = new URL(String(input));
    const response = await fetch(input, init);
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    const down = isStream ? '' : await response.clone().text();
    const headers = JSON.stringify([...response.headers, ...new Headers(init?.headers)]);
    const { method = 'GET', body = '' } = init ?? {};
    exchanges.push({ method, path: url.pathname, headers, up: String(body), status: response.status, down });
    return response;
  }

  const sdk = {
    fetch: recordingFetch,
    now: scene.clock.now,
    // nothing waits in a test: what the SDK would wait for is there, or the test moves the clock
    sleep: async () => {},
  };

  return {
    ...first,
    scene,
    timers,
    hub,
    dispatcher,
    exchanges,
    sdk,
    issuer,
    /** Another process on the same store; with `serverKeys` as it has read them. */
    another: (changed: Partial<DeviceSideOptions> = {}, own: Partial<Pick<Scene, 'serverKeys' | 'operations'>> = {}) =>
      listen(makeSide(changed, own)),
    alice: (user = {}) => newUser(scene, { username: 'alice', name: 'Alice Example', ...user }),
    ticket: async (user: User, applicationId = 'assent-web') => {
      const ticket = await scene.tickets.create({ userId: user.id, applicationId }, by);
      canaries.add('an activation code', ticket.activationCode);
      canaries.learn(new URL(ticket.uri).hash);
      return { ...ticket, uri: ticket.uri.replace('http://localhost:3002', first.base) };
    },
    async enroll(user: User, { pin, applicationId, device = {} }: EnrollOptions = {}): Promise<Device> {
      const storage = memoryStorage();
      const { uri } = await this.ticket(user, applicationId);
      const enrollment = await beginEnrollment(storage, uri, sdk);
      const enrolledDevice = await enrollment.finish({ device, ...(pin !== undefined && { pin }) });
      enrolled.set(enrolledDevice.deviceId, storage);
      return enrolledDevice;
    },
    storageOf: (device: Device) => enrolled.get(device.deviceId)!,
    ask: (user: User, overrides: Partial<StartOperation> = {}) => scene.operations.start(startOf(user, overrides)),
    /** Ends this process and starts another on the same file. */
    async restart() {
      await stopListening();
      await scene.store.close();
      return startDeviceServer({ ...options, place: scene.place });
    },
    async close() {
      await stopListening();
      await scene.close();
    },
  };

  async function stopListening() {
    first.side.streams.endAll(5000);
    first.server.closeAllConnections();
    await new Promise((closed) => first.server.close(closed));
    check();
  }
}

interface EnrollOptions {
  pin?: string;
  applicationId?: string;
  device?: DeviceInfo;
}

/** A server of its own for each test of the enclosing `describe`. */
export function deviceServerForEach(
  options: DeviceServerOptions | (() => Promise<DeviceServerOptions>) = {},
): DeviceServer {
  let server: DeviceServer;
  beforeEach(async () => {
    server = await startDeviceServer(typeof options === 'function' ? await options() : options);
  });
  afterEach(() => server.close());
  return new Proxy({} as DeviceServer, { get: (_target, name) => server[name as keyof DeviceServer] });
}

export type { Scene };
