import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedStore } from '../../adapters/embedded/index.ts';
import type { Application, Method } from '../../src/domain/application.ts';
import { createApplications } from '../../src/domain/applications.ts';
import type { Device } from '../../src/domain/device.ts';
import { createDevices } from '../../src/domain/devices.ts';
import { createNotificationLog } from '../../src/domain/notification-log.ts';
import { createOffers } from '../../src/domain/offers.ts';
import type { Operation } from '../../src/domain/operation.ts';
import { createOperations, type OperationsOptions, type StartOperation } from '../../src/domain/operations.ts';
import type { ServerKey } from '../../src/domain/ports/records.ts';
import type { Store } from '../../src/domain/ports/store.ts';
import { createRedemptions } from '../../src/domain/redemptions.ts';
import { createServerKeys } from '../../src/domain/server-keys.ts';
import { createSweeper } from '../../src/domain/sweeper.ts';
import { createTicketConfirmation } from '../../src/domain/ticket-confirmation.ts';
import { createTickets } from '../../src/domain/tickets.ts';
import type { User } from '../../src/domain/user.ts';
import { createUserCodes } from '../../src/domain/user-codes.ts';
import { type By, createUsers, type NewUser } from '../../src/domain/users.ts';
import { DAY, MINUTE, SECOND } from '../../src/support/clock.ts';
import { newHandle, newId, operationIdOf, partitionOf } from '../../src/support/ids.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { createClock, type TestClock } from '../support/clock.ts';
import { aDecision, aHash, aReceipt } from '../support/records.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';
import { lendStore } from './lent-store.ts';

export const by: By = { actor: 'management:test' };

export const anApplication = (overrides: Partial<Application> = {}): Application => ({
  id: 'assent-web',
  name: 'Web authenticator',
  active: true,
  methods: ['device', 'pin'],
  enrollmentMode: 'multiple',
  pin: { length: 6, maxFailures: 3, lifetimeFailures: 100 },
  ...overrides,
});

export interface SceneOptions {
  applications?: Application[];
  cap?: OperationsOptions['cap'];
  /** How often people may be asked; as often as anybody likes. */
  limits?: OperationsOptions['limits'];
  /** Of a scene whose store was closed: the server starts again on the same file. */
  place?: Place;
  /** Instead of a new embedded one; closed with the scene. */
  store?: Store;
  /** Each ticket with a box pair of its own. */
  ownBoxes?: boolean;
  /** Begin without keys, as the very first start does. */
  makesKeys?: boolean;
}

interface Place {
  folder: TemporaryFolder;
  masterKey: Buffer;
  clock: TestClock;
}

export type Scene = Awaited<ReturnType<typeof openScene>>;

/** The domain's services on an empty embedded store, with a clock that a test moves. */
export async function openScene({ applications = [anApplication()], cap, limits, ...options }: SceneOptions = {}) {
  const lent = options.place || options.store ? undefined : await lendStore();
  const place = options.place ?? (await newPlace(lent?.folder));
  const { folder, clock } = place;
  const store: Store =
    options.store ?? lent?.store ?? (await openEmbeddedStore({ file: join(folder.path, 'assent.db') }));
  const secrets = createSecrets(place.masterKey);
  const common = { store, clock: clock.now, secrets, applications: createApplications(applications) };
  if (!options.makesKeys && !options.place) await addKeysMadeBefore(store, clock.now());
  const serverKeys = await createServerKeys(common);
  keysMade ??= await store.keys.list();
  const retentionMs = DAY;
  const operations = createOperations({
    ...common,
    options: {
      cap: cap ?? { perClient: 1, policy: 'replace', perUser: 0 },
      ...(limits && { limits }),
      retentionMs,
    },
  });
  return {
    ...common,
    clock,
    place,
    applicationList: applications,
    serverKeys,
    users: createUsers(common),
    devices: createDevices(common),
    userCodes: createUserCodes({ ...common, options: { maxTries: 5, maxTriesOfAll: 15, windowSeconds: 900 } }),
    tickets: createTickets({
      ...common,
      serverKeys,
      options: {
        authenticatorOrigin: 'http://localhost:3002',
        defaultSeconds: 300,
        maxSeconds: 600,
        retentionMs,
        ...(options.ownBoxes && { ownBoxes: true }),
      },
    }),
    ticketConfirmation: createTicketConfirmation(common),
    operations,
    offers: createOffers({
      ...common,
      operations,
      options: { authenticatorOrigin: 'http://localhost:3002', retentionMs },
    }),
    redemptions: createRedemptions({
      ...common,
      options: { leaseMs: 5 * SECOND, pacing: { toleranceMs: SECOND, stepSeconds: 5, maxSeconds: 60 } },
    }),
    deliveries: createNotificationLog({ ...common, options: { keep: 100, keepMs: 30 * DAY } }),
    sweeper: createSweeper({
      ...common,
      serverKeys,
      onError: (_job, error) => {
        throw error;
      },
    }),
    /** What lies on the disk. */
    files: () => readdirSync(folder.path).map((name) => join(folder.path, name)),
    async close() {
      if (lent) return lent.giveBack();
      await store.close();
      await folder.remove();
    },
  };
}

async function newPlace(folder?: TemporaryFolder): Promise<Place> {
  return { folder: folder ?? (await temporaryFolder('assent-domain')), masterKey, clock: createClock() };
}

// An RSA key takes longer to make than most tests to run: the first scene of a file makes the keys, the others get them.
const masterKey = randomBytes(32);
let keysMade: ServerKey[] | undefined;

async function addKeysMadeBefore(store: Store, now: number): Promise<void> {
  for (const key of keysMade ?? []) await store.keys.add({ key, now, events: [] });
}

/** A scene of its own for each test of the enclosing `describe`. */
export function sceneForEach(options: SceneOptions = {}): Scene {
  let scene: Scene;
  beforeEach(async () => {
    scene = await openScene(options);
  });
  afterEach(() => scene.close());
  return new Proxy({} as Scene, { get: (_target, name) => scene[name as keyof Scene] });
}

export const newUser = (scene: Scene, user: NewUser = {}): Promise<User> => scene.users.create(user, by);

/** An active device, made by the store's own steps: a redeemed ticket, then activation. */
export async function enroll(
  { store, tickets, clock, applications }: Scene,
  user: User,
  { applicationId = 'assent-web', methods = ['device', 'pin'] as Method[] } = {},
): Promise<Device> {
  const { operationId } = await tickets.create({ userId: user.id, applicationId }, by);
  const key = () => randomBytes(32).toString('base64url');
  const sig = { kty: 'EC', crv: 'P-256', x: key(), y: key() } as const;
  const now = clock.now();
  const pending: Device = {
    id: newId(partitionOf(user.id)),
    version: 1,
    userId: user.id,
    applicationId,
    operationId,
    state: 'pending',
    keys: { sig, ...(methods.includes('pin') && { pin: 'sealed.pin-key' }) },
    methods,
    info: {},
    failures: { pin: 0, number: 0, pinLifetime: 0 },
    createdAt: now,
  };
  const bound = await store.operations.bindTicket({
    operationId,
    thumbprint: aHash(),
    device: pending,
    now,
    events: [],
  });
  if (bound.result !== 'bound') throw new Error(bound.result);
  const activated = await store.devices.activate({
    device: { ...bound.device, state: 'active', activatedAt: now },
    mode: applications.find(applicationId)!.enrollmentMode,
    now,
    events: [],
    replacedEvent: { type: 'device.replaced', at: now, userId: user.id, ...by },
  });
  if (activated.result !== 'activated') throw new Error(activated.result);
  return activated.device;
}

/** A CIBA request of five minutes, polled every five seconds. */
export const startOf = (user: User, overrides: Partial<StartOperation> = {}): StartOperation => ({
  handle: newHandle(partitionOf(user.id)),
  kind: 'authentication',
  userId: user.id,
  clientId: 'demo-helpdesk',
  shown: { client: { id: 'demo-helpdesk', name: 'Demo help desk' }, purpose: 'authentication' },
  match: 'none',
  lifetimeSeconds: (5 * MINUTE) / SECOND,
  intervalSeconds: 5,
  by: { actor: 'client:demo-helpdesk' },
  ...overrides,
});

/** The decision of a device, as the device side records it once the message has been verified. */
export function decide(
  { store, clock }: Scene,
  operation: Pick<Operation, 'id' | 'userId'>,
  device: Pick<Device, 'id'>,
  approved = true,
) {
  const now = clock.now();
  const decision = aDecision(device, { approved, decidedAt: now });
  return store.operations.decide({
    operationId: operation.id,
    deviceId: device.id,
    userId: operation.userId,
    decision,
    clear: ['pin', 'number'],
    receipt: aReceipt(device, { jwsHash: decision.jwsHash, until: now + 10 * MINUTE }),
    now,
    events: [],
    outbox: [],
  });
}

export interface Approved {
  user: User;
  device: Device;
  authReqId: string;
  operation: Operation;
}

/** A user with one device who was asked one thing. */
export async function asked(scene: Scene, overrides: Partial<StartOperation> = {}): Promise<Approved> {
  const user = await newUser(scene);
  const device = await enroll(scene, user);
  const start = startOf(user, overrides);
  const { operation } = await scene.operations.start(start);
  return { user, device, authReqId: start.handle, operation };
}

export async function approved(scene: Scene, overrides: Partial<StartOperation> = {}): Promise<Approved> {
  const all = await asked(scene, overrides);
  const outcome = await decide(scene, all.operation, all.device);
  if (outcome.result !== 'decided') throw new Error(outcome.result);
  return all;
}

export const poll = (
  { redemptions }: Scene,
  authReqId: string,
  { clientId = 'demo-helpdesk', holder = aHash() }: { clientId?: string; holder?: string } = {},
) => redemptions.poll({ handle: authReqId, clientId, holder });

export const commit = ({ redemptions, clock }: Scene, authReqId: string, holder: string, response = '{"tokens":1}') =>
  redemptions.commit({
    operationId: operationIdOf(authReqId),
    holder,
    response,
    binding: '',
    replayUntil: clock.now() + MINUTE,
  });

/** The code of the refusal, or `resolved`. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'resolved',
    (error) => error.code ?? String(error),
  );
}

/** The same store, and the calls made to it as `port.method`, in order. */
export function watched(store: Store): { store: Store; calls: string[] } {
  const calls: string[] = [];
  const watch = <T extends object>(name: string, port: T): T =>
    new Proxy(port, {
      get(target, method) {
        const member: unknown = Reflect.get(target, method);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          calls.push(`${name}.${String(method)}`);
          return member.apply(target, args);
        };
      },
    });
  const { users, devices, operations, counters, events } = store;
  const ports = { users, devices, operations, counters, events };
  const proxies = Object.entries(ports).map(([name, port]) => [name, watch(name, port)]);
  return { store: { ...store, ...Object.fromEntries(proxies) }, calls };
}
