import { createHash, randomBytes } from 'node:crypto';
import { createClients } from '../../../src/domain/clients.ts';
import { openKeyRing } from '../../../src/domain/key-ring.ts';
import { createPinProofs } from '../../../src/domain/pin-proofs.ts';
import { createManagementApi } from '../../../src/http/management-api/index.ts';
import { createHealth } from '../../../src/observability/health.ts';
import type { SceneOptions } from '../../domain/scene.ts';
import { watchedLog } from '../../support/log.ts';
import { startDeviceServer } from '../device-server.ts';
import { documentation, type OpenapiDocument } from './documented.ts';
import { managementApp, startListener } from './server.ts';

export const managementKey = 'test-management-key-0123456789abcdef';
export const readerKey = 'test-reader-key-0123456789abcdefghij';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

interface CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
  key?: string | null;
}

export interface ApiAnswer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test says in its expectation what it expects
  body: any;
}

export type ManagementServer = Awaited<ReturnType<typeof startManagement>>;

/** Management API and device API on one new embedded store, over HTTP. Every answer is held against the OpenAPI document. */
export async function startManagement(options: SceneOptions = {}) {
  const devices = await startDeviceServer(options);
  const { scene } = devices;
  const { log, lines, check } = watchedLog();
  const clients = createClients({
    store: scene.store,
    clock: scene.clock.now,
    configured: [{ client_id: 'configured', token_endpoint_auth_method: 'client_secret_basic' }],
    // what metadata may be is the protocol folder's matter, and tested there
    check: async (metadata) => metadata,
  });
  const keyRing = await openKeyRing({
    ...scene,
    clock: scene.clock.now,
    random: randomBytes,
    masterKey: scene.place.masterKey,
  });
  const managementApi = createManagementApi({
    ...scene,
    keyRing,
    clients,
    pinProofs: createPinProofs({ ...scene, clock: scene.clock.now }),
    idempotency: scene.store.idempotency,
    clock: scene.clock.now,
    log,
    apiKeys: [
      { name: 'test', sha256: sha256(managementKey), scopes: ['*'] },
      { name: 'reader', sha256: sha256(readerKey), scopes: ['users:read'] },
    ],
  });
  const health = createHealth({ checkStore: () => scene.store.check() });
  const listener = await startListener(managementApp({ managementApi, health, log }));
  const base = `${listener.url}/management/v1`;
  const document = (await (await fetch(`${base}/openapi.json`)).json()) as OpenapiDocument;
  const documented = documentation(document);

  async function api(
    method: string,
    path: string,
    { body, headers, key = managementKey }: CallOptions = {},
  ): Promise<ApiAnswer> {
    const answer = await fetch(base + path, {
      method,
      headers: {
        ...(key && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const parsed = text === '' ? undefined : JSON.parse(text);
    const type = answer.headers.get('content-type') ?? '';
    const shape = { method, path: path.split('?')[0]!, status: answer.status, type, body: parsed };
    if (documented.operationOf(method, shape.path)) expect(documented.problems(shape)).toEqual([]);
    return { status: answer.status, headers: answer.headers, body: parsed };
  }

  return {
    api,
    base,
    document,
    devices,
    scene,
    lines,
    /** Creates a user over the API and answers its document. */
    async user(body: Record<string, unknown> = {}) {
      return (await api('POST', '/users', { body })).body as { id: string; state: string };
    },
    async close() {
      await listener[Symbol.asyncDispose]();
      await devices.close();
      check();
    },
  };
}

/** A server of its own for each test of the enclosing `describe`. */
export function managementForEach(options: SceneOptions = {}): ManagementServer {
  let server: ManagementServer;
  beforeEach(async () => {
    server = await startManagement(options);
  });
  afterEach(() => server.close());
  return new Proxy({} as ManagementServer, { get: (_target, name) => server[name as keyof ManagementServer] });
}

/** One server for all tests of the enclosing `describe`, for tests that change nothing. */
export function managementForAll(options: SceneOptions = {}): ManagementServer {
  let server: ManagementServer;
  beforeAll(async () => {
    server = await startManagement(options);
  });
  afterAll(() => server.close());
  return new Proxy({} as ManagementServer, { get: (_target, name) => server[name as keyof ManagementServer] });
}
