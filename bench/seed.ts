/**
 * Users, each with an enrolled device, and decisions, written by the store's own steps: what a benchmark needs by the
 * thousand before it begins. Whatever is measured goes over HTTP.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRedisStore } from '../adapters/redis/index.ts';
import type { Device } from '../src/domain/device.ts';
import { openKeyRing } from '../src/domain/key-ring.ts';
import type { Store } from '../src/domain/ports/store.ts';
import type { User } from '../src/domain/user.ts';
import { createUsers } from '../src/domain/users.ts';
import { DAY, MINUTE } from '../src/support/clock.ts';
import { newId, partitionOf } from '../src/support/ids.ts';
import { newEcKey, publicJwkOf } from '../src/support/jose/index.ts';
import { StoreUnavailable } from '../src/support/unavailable.ts';
import { applicationId, type BenchAssent } from './assent.ts';
import { inParallel } from './client.ts';
import { operationIdsBy } from './operation-ids.ts';

export interface Seeded extends AsyncDisposable {
  names: string[];
  /** As the device API records it when the message has been verified. */
  approve(authReqIds: string[]): Promise<void>;
}

const by = { actor: 'management:bench' };
const width = 64;

export const userNames = (count: number): string[] => Array.from({ length: count }, (_, i) => `user-${i}`);

export async function seed(redisUrl: string, { masterKey }: BenchAssent, count: number): Promise<Seeded> {
  const store = await openRedisStore({ url: redisUrl });
  const { secrets } = await openKeyRing({ store, clock: Date.now, random: randomBytes, masterKey });
  const operationIdOf = operationIdsBy(secrets);
  const users = createUsers({ store, clock: Date.now, secrets });
  const names = userNames(count);
  // one key for all: it is only ever encrypted to
  const jwk = publicJwkOf(newEcKey());
  const devices = new Map<string, Device>();
  await inParallel(names, width, async (username) => {
    const user = await users.create({ username, email: `${username}@example.test`, name: `User ${username}` }, by);
    devices.set(user.id, await enroll(store, user, jwk));
  });
  return {
    names,
    async approve(authReqIds) {
      await inParallel(authReqIds, width, (authReqId) =>
        patiently(() => approve(store, devices, operationIdOf(authReqId))),
      );
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

async function enroll(store: Store, user: User, jwk: Device['keys']['sig']): Promise<Device> {
  const now = Date.now();
  const operationId = newId(partitionOf(user.id));
  const expiresAt = now + MINUTE;
  const device: Device = {
    id: newId(partitionOf(user.id)),
    version: 1,
    userId: user.id,
    applicationId,
    operationId,
    state: 'pending',
    keys: { sig: jwk, enc: jwk, pin: randomBytes(96).toString('base64url') },
    methods: ['device', 'pin'],
    info: { name: 'Phone', os: 'Linux' },
    failures: { pin: 0, number: 0, pinLifetime: 0 },
    createdAt: now,
  };
  const ticket = {
    id: operationId,
    version: 1,
    kind: 'registration' as const,
    state: 'pending' as const,
    userId: user.id,
    clientId: by.actor,
    applicationId,
    methods: [],
    createdAt: now,
    expiresAt,
    answerBy: expiresAt,
    retainUntil: expiresAt + DAY,
    tries: { used: 0, max: 5 },
    ticket: { wrongCodes: 0 },
  };
  const cap = { perClient: Number.MAX_SAFE_INTEGER, perUser: Number.MAX_SAFE_INTEGER, policy: 'replace' as const };
  expect('started', await store.operations.start({ operation: ticket, cap, now, events: [], outbox: [] }));
  const thumbprint = randomBytes(32).toString('base64url');
  const bound = await store.operations.bindTicket({ operationId, thumbprint, device, now, events: [] });
  if (bound.result !== 'bound') throw new Error(`bindTicket: ${bound.result}`);
  const activated = await store.devices.activate({
    device: { ...bound.device, state: 'active', activatedAt: now },
    mode: 'multiple',
    now,
    events: [],
    replacedEvent: { type: 'device.replaced', at: now, userId: user.id, ...by },
  });
  if (activated.result !== 'activated') throw new Error(`activate: ${activated.result}`);
  return activated.device;
}

async function approve(store: Store, devices: Map<string, Device>, operationId: string): Promise<void> {
  const now = Date.now();
  const operation = await store.operations.get(operationId);
  const device = devices.get(operation!.userId)!;
  const jwsHash = randomBytes(32).toString('base64url');
  const outcome = await store.operations.decide({
    operationId: operation!.id,
    deviceId: device.id,
    userId: operation!.userId,
    decision: {
      approved: true,
      deviceId: device.id,
      method: 'pin',
      acr: 'urn:assent:acr:two-factor',
      amr: ['swk', 'pin', 'mfa'],
      decidedAt: now,
      jwsHash,
    },
    clear: ['pin'],
    receipt: {
      deviceId: device.id,
      jti: randomBytes(16).toString('base64url'),
      jwsHash,
      outcome: '{}',
      until: now + 10 * MINUTE,
    },
    now,
    events: [],
    outbox: [],
  });
  // it may have been done at the first try, and the answer came late
  if (outcome.result !== 'decided_before') expect('decided', outcome);
}

/** A machine that has much else to do makes answers of the store late; nothing of this is measured. */
async function patiently(work: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || tries === 5) throw error;
      await sleep(200);
    }
  }
}

function expect(result: string, outcome: { result: string }): void {
  if (outcome.result !== result) throw new Error(`${outcome.result} instead of ${result}`);
}
