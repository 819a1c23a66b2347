/** Valid records with as little in them as the type allows. Every id is new; what a test is about, it overrides. */
import { createHash, randomBytes } from 'node:crypto';
import type { Device, Receipt } from '../../src/domain/device.ts';
import type { AuditEvent, EventType } from '../../src/domain/event.ts';
import type { Decision, Operation } from '../../src/domain/operation.ts';
import type { NewOutboxEntry } from '../../src/domain/ports/outbox.ts';
import type { ServerKey } from '../../src/domain/ports/records.ts';
import type { StoredUser } from '../../src/domain/user.ts';
import type { Artifact } from '../../src/protocol/ports.ts';
import { DAY, MINUTE, SECOND } from '../../src/support/clock.ts';
import { newId, partitionOf, randomPartition } from '../../src/support/ids.ts';

/** When everything in these tests begins. */
export const T0 = Date.parse('2030-01-01T00:00:00Z');

type Owner = Pick<StoredUser, 'id'>;

const random = (bytes: number) => randomBytes(bytes).toString('base64url');

/** A new id in the partition of another one. */
export const idBeside = (id: string): string => newId(partitionOf(id));

export function aUser(overrides: Partial<StoredUser> = {}): StoredUser {
  return {
    id: newId(randomPartition()),
    version: 1,
    state: 'active',
    identifiers: { username: random(32) },
    sealed: `sealed.${random(24)}`,
    createdAt: T0,
    updatedAt: T0,
    ...overrides,
  };
}

export function aDevice(user: Owner, overrides: Partial<Device> = {}): Device {
  return {
    id: idBeside(user.id),
    version: 1,
    userId: user.id,
    applicationId: 'assent-web',
    operationId: idBeside(user.id),
    state: 'pending',
    keys: { sig: { kty: 'EC', crv: 'P-256', x: random(32), y: random(32) } },
    methods: ['device'],
    info: { name: 'Phone' },
    failures: { pin: 0, number: 0, pinLifetime: 0 },
    createdAt: T0,
    ...overrides,
  };
}

/** A CIBA request, pending for five minutes, polled every five seconds. */
export function anOperation(user: Owner, overrides: Partial<Operation> = {}): Operation {
  const createdAt = overrides.createdAt ?? T0;
  const expiresAt = overrides.expiresAt ?? createdAt + 5 * MINUTE;
  return {
    id: idBeside(user.id),
    version: 1,
    kind: 'authentication',
    state: 'pending',
    userId: user.id,
    clientId: 'demo-helpdesk',
    methods: ['pin'],
    createdAt,
    expiresAt,
    answerBy: expiresAt - 5 * SECOND,
    retainUntil: expiresAt + DAY,
    tries: { used: 0, max: 3 },
    poll: { intervalSeconds: 5 },
    ...overrides,
  };
}

/** A registration operation with a typed code: what a ticket is in the store. */
export function aTicket(user: Owner, overrides: Partial<Operation> = {}): Operation {
  const ticket = { codeHmac: random(32), wrongCodes: 0 };
  const { poll: _none, ...operation } = anOperation(user, { kind: 'registration', clientId: 'management:demo' });
  return { ...operation, ticket, ...overrides };
}

export function aDecision(device: Pick<Device, 'id'>, overrides: Partial<Decision> = {}): Decision {
  return {
    approved: true,
    deviceId: device.id,
    method: 'pin',
    acr: 'urn:assent:acr:two-factor',
    amr: ['swk', 'pin', 'mfa'],
    decidedAt: T0,
    jwsHash: aHash(),
    ...overrides,
  };
}

export function aReceipt(device: Pick<Device, 'id'>, overrides: Partial<Receipt> = {}): Receipt {
  return {
    deviceId: device.id,
    jti: random(16),
    jwsHash: aHash(),
    outcome: JSON.stringify({ status: 200, answer: random(6) }),
    until: T0 + 10 * MINUTE,
    ...overrides,
  };
}

export function anEvent(subject: { id: string }, type: EventType, overrides: Partial<AuditEvent> = {}): AuditEvent {
  return { id: idBeside(subject.id), type, at: T0, ...overrides };
}

export function anOutboxEntry(
  operation: Pick<Operation, 'id' | 'userId'>,
  overrides: Partial<NewOutboxEntry> = {},
): NewOutboxEntry {
  return {
    id: idBeside(operation.id),
    kind: 'inbox',
    operationId: operation.id,
    userId: operation.userId,
    payload: '{}',
    dueAt: T0,
    expiresAt: T0 + 5 * MINUTE,
    ...overrides,
  };
}

export function aServerKey(overrides: Partial<ServerKey> = {}): ServerKey {
  return {
    kid: random(16),
    version: 1,
    use: 'seal',
    alg: 'ES256',
    state: 'current',
    publicJwk: '{"kty":"EC"}',
    sealed: `sealed.${random(24)}`,
    createdAt: T0,
    ...overrides,
  };
}

export function anArtifact(overrides: Partial<Artifact> = {}): Artifact {
  return {
    model: 'AccessToken',
    id: createHash('sha256').update(random(16)).digest('hex'),
    payload: `sealed.${random(24)}`,
    expiresAt: T0 + 5 * MINUTE,
    ...overrides,
  };
}

export const aHash = (): string => random(32);
