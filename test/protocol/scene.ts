import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { createOperationWatch } from '../../src/channels/operation-watch.ts';
import type { Device } from '../../src/domain/device.ts';
import type { User } from '../../src/domain/user.ts';
import { createConsent } from '../../src/http/pages/consent-text.ts';
import type { LogLevel } from '../../src/observability/log.ts';
import type { ProtocolDeps } from '../../src/protocol/deps.ts';
import type { ArtifactStore } from '../../src/protocol/ports.ts';
import { type ClientMetadata, createProtocol, type ProtocolSettings } from '../../src/protocol/protocol.ts';
import { createRequestIds } from '../../src/protocol/request-ids.ts';
import { operationIdOf } from '../../src/support/ids.ts';
import { decide, enroll, newUser, openScene, type Scene, type SceneOptions } from '../domain/scene.ts';
import { canaries } from '../support/canaries/index.ts';
import { exchange, type HttpAnswer } from '../support/http.ts';
import { watchedLog } from '../support/log.ts';
import { createTimers } from '../support/timers.ts';

export const CIBA = 'urn:openid:params:grant-type:ciba';
export const ACR = { possession: 'urn:assent:acr:possession', twoFactor: 'urn:assent:acr:two-factor' };

export const settings: ProtocolSettings = {
  ciba: {
    intervalSeconds: 5,
    deliveryModes: ['poll', 'ping', 'push'],
    hold: { maxSeconds: 25, perClient: 100, perProcess: 200 },
    expiry: { defaultSeconds: 300, minSeconds: 10, maxSeconds: 600 },
    bindingMessage: { maxCodePoints: 160, maxBytes: 640 },
    document: { maxBytes: 40_960 },
    requests: {
      mustBeSigned: false,
      mustHaveContext: false,
      mustHaveDetails: false,
      mustBeTwoFactor: false,
      mustMatch: false,
    },
    userCode: { enabled: false },
  },
  hints: { issuers: [] },
  resources: [],
  authorizationDetails: [],
  language: 'en',
  redemption: { replaySeconds: 60 },
  acr: ACR,
  tokens: { accessSeconds: 900, idSeconds: 3600, refreshSeconds: 14 * 24 * 3600, senderConstrained: false },
  keys: { idTokenAlg: 'ES256', idTokenAlgs: ['ES256', 'RS256'] },
  clientAuthentication: {
    audience: 'core',
    methods: [
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
    ],
    signingAlgs: ['ES256', 'PS256', 'RS256', 'Ed25519', 'EdDSA'],
  },
  dpop: { requireNonce: false, signingAlgs: ['ES256', 'PS256', 'Ed25519', 'EdDSA'] },
};

export const aClient = (client_id: string, overrides: Partial<ClientMetadata> = {}): ClientMetadata => ({
  client_id,
  client_secret: `${client_id}-secret-0123456789abcdef0123456789`,
  client_name: `The ${client_id}`,
  grant_types: [CIBA, 'refresh_token'],
  backchannel_token_delivery_mode: 'poll',
  ...overrides,
});

export interface ProtocolOptions extends SceneOptions {
  clients?: ClientMetadata[];
  settings?: ProtocolSettings;
  /** The path of the issuer. */
  issuerPath?: string;
  /** Further providers that share nothing but the store; requests go to each in turn. */
  peers?: number;
  /** Takes the place of a dependency, to let it fail. */
  overrides?: (scene: Scene) => Partial<ProtocolDeps>;
}

export interface Reply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  body: any;
}

export type ProtocolScene = Awaited<ReturnType<typeof openProtocol>>;

/** The OpenID provider on a port of its own, on a new embedded store. Also the engine's time is the test's clock. */
export async function openProtocol(options: ProtocolOptions = {}) {
  const scene = await openScene(options);
  followClock(scene);
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = origin + (options.issuerPath ?? '');
  const clients = options.clients ?? [aClient('helpdesk'), aClient('other')];
  const logged: { event: string; fields: Record<string, unknown> }[] = [];
  const logs = new EventEmitter();
  const watched = watchedLog();
  const write =
    (level: LogLevel) =>
    (event: string, fields: Record<string, unknown> = {}) => {
      watched.log[level](event, fields);
      logged.push({ event, fields });
      logs.emit(event);
    };
  canaries.learn(JSON.stringify(clients));
  const close = async () => {
    await new Promise((closed) => server.close(closed).closeAllConnections());
    jest.useRealTimers();
    await scene.close();
    watched.check();
  };
  const timers = createTimers(scene.clock);
  const watch = createOperationWatch({ wakeups: scene.store.wakeups });
  await watch.start();
  const stopping = new AbortController();
  const deps: ProtocolDeps = {
    issuer,
    clients,
    settings: options.settings ?? settings,
    consent: createConsent('en'),
    users: scene.users,
    devices: scene.devices,
    userCodes: scene.userCodes,
    idempotency: scene.store.idempotency,
    operations: scene.operations,
    redemptions: scene.redemptions,
    deliveries: scene.deliveries,
    serverKeys: scene.serverKeys,
    artifacts: (scene.store as unknown as { artifacts: ArtifactStore }).artifacts,
    clientStore: scene.store.clients,
    replay: scene.store.replay,
    secrets: scene.secrets,
    clock: scene.clock.now,
    timers,
    beat: async () => {},
    watchOperation: watch.watch,
    stopping: stopping.signal,
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    ...options.overrides?.(scene),
  };
  const protocol = await orAfter(close, () => createProtocol(deps));
  const protocols = [protocol, ...Array.from({ length: options.peers ?? 0 }, () => createProtocol(deps))];
  let turn = 0;
  server.on('request', (req, res) => void protocols[turn++ % protocols.length]!.handle(req, res));

  const send = async (method: string, path: string, init: RequestInit = {}): Promise<Reply> =>
    replyOf(await fetch(origin + path, { method, ...init }));
  /** The same for what clients send again and again. */
  const post = async (path: string, headers: Record<string, string>, body: URLSearchParams): Promise<Reply> =>
    replyOf(await exchange(origin + path, { method: 'POST', headers, body }));

  return {
    ...scene,
    scene,
    origin,
    issuer,
    clients,
    server,
    deps,
    protocol,
    protocols,
    /** Where the request lies that a client knows by this id. */
    operationIdOf: (authReqId: string) => operationIdOf(createRequestIds(deps.secrets).handleOf(authReqId)),
    /** Which of them gets the next request. */
    turn: () => turn % protocols.length,
    timers,
    /** Of the process: it drains when this is aborted. */
    stopping,
    logged,
    /** Resolves when such a line is written, or was before. */
    logs: async (event: string) => logged.some((line) => line.event === event) || (await once(logs, event)),
    send,
    /** A client that authenticates with its secret in the `Authorization` header. */
    client: (id: string) => callsOf(send, post, clients.find(({ client_id }) => client_id === id)!),
    close,
  };
}

/** What was opened before is closed again where the rest fails. */
async function orAfter<T>(close: () => Promise<void>, work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    await close();
    throw error;
  }
}

type SendForm = (path: string, headers: Record<string, string>, body: URLSearchParams) => Promise<Reply>;
type Send = (method: string, path: string, init?: RequestInit) => Promise<Reply>;
type Params = Record<string, string> | [string, string][];

async function replyOf(answer: HttpAnswer): Promise<Reply> {
  const { status, headers } = answer;
  const whole = await answer.text();
  return { status, headers, body: headers.get('content-type')?.includes('json') ? JSON.parse(whole) : whole };
}

function callsOf(send: Send, sendForm: SendForm, { client_id, client_secret }: ClientMetadata) {
  const headers = { authorization: basic(client_id, String(client_secret)) };
  const post = (path: string, params: Params, more: Record<string, string> = {}) =>
    sendForm(path, { ...headers, ...more }, new URLSearchParams(params));
  return {
    headers,
    post,
    authenticate: (params: Record<string, string> = {}, more?: Record<string, string>) =>
      post('/bc-authorize', { scope: 'openid', login_hint: 'alice', ...params }, more),
    poll: (authReqId: string, more?: Record<string, string>) =>
      post('/oauth/token', { grant_type: CIBA, auth_req_id: authReqId }, more),
    refresh: (refreshToken: string, params: Record<string, string> = {}) =>
      post('/oauth/token', { grant_type: 'refresh_token', refresh_token: refreshToken, ...params }),
    introspect: (token: string) => post('/oauth/introspect', { token }),
    revoke: (token: string) => post('/oauth/revoke', { token }),
    cancel: (authReqId: string) =>
      send('DELETE', '/bc-authorize', { headers, body: new URLSearchParams({ auth_req_id: authReqId }) }),
    userinfo: (token: string) => send('GET', '/userinfo', { headers: { authorization: `Bearer ${token}` } }),
  };
}

export const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;

/** A scene of its own for each test of the enclosing `describe`. */
export function protocolForEach(options: ProtocolOptions = {}): ProtocolScene {
  let scene: ProtocolScene;
  beforeEach(async () => {
    scene = await openProtocol(options);
  });
  afterEach(() => scene.close());
  return later(() => scene);
}

/** One scene for all tests of the enclosing `describe`, where none disturbs another. */
export function protocolForAll(options: ProtocolOptions = {}): ProtocolScene {
  let scene: ProtocolScene;
  beforeAll(async () => {
    scene = await openProtocol(options);
  });
  afterAll(() => scene.close());
  return later(() => scene);
}

const later = (scene: () => ProtocolScene) =>
  new Proxy({} as ProtocolScene, { get: (_target, name) => scene()[name as keyof ProtocolScene] });

/** The engine reads the machine's clock; here that is the test's. */
function followClock({ clock }: Scene): void {
  jest.useFakeTimers({
    now: clock.now(),
    doNotFake: [
      'clearImmediate',
      'clearInterval',
      'clearTimeout',
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'setInterval',
      'setTimeout',
    ],
  });
  const { advance } = clock;
  clock.advance = (seconds) => {
    advance(seconds);
    jest.setSystemTime(clock.now());
  };
}

export interface Alice {
  user: User;
  device: Device;
}

/** A user with everything that a hint may name, and a phone. */
export async function withAlice({ scene }: Pick<ProtocolScene, 'scene'>): Promise<Alice> {
  const user = await newUser(scene, {
    username: 'alice',
    email: 'alice@example.test',
    phone: '+31612345678',
    name: 'Alice',
    language: 'nl',
    attributes: { branch: 'Utrecht' },
  });
  return { user, device: await enroll(scene, user) };
}

/** Her answer, as the device side records it. */
export async function answer(
  { scene, operationIdOf }: Pick<ProtocolScene, 'scene' | 'operationIdOf'>,
  { user, device }: Alice,
  authReqId: string,
  approved = true,
): Promise<void> {
  const outcome = await decide(scene, { id: operationIdOf(authReqId), userId: user.id }, device, approved);
  if (outcome.result !== 'decided') throw new Error(outcome.result);
}

/** From the request to the approval; the tokens are not fetched yet. */
export async function approved(
  protocol: ProtocolScene,
  alice: Alice,
  { client = 'helpdesk', ...params }: Record<string, string> = {},
): Promise<string> {
  const { body } = await protocol.client(client).authenticate(params);
  await answer(protocol, alice, body.auth_req_id);
  return body.auth_req_id;
}

export const claimsOf = (jwt: string): Record<string, unknown> => part(jwt, 1);
export const headerOf = (jwt: string): Record<string, unknown> => part(jwt, 0);

function part(jwt: string, index: number): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[index]!, 'base64url').toString());
}
