import type { Device } from '../../domain/device.ts';
import type { NotificationLine } from '../../domain/notification-log.ts';
import { type Operation, stateAt } from '../../domain/operation.ts';
import type { Ticket } from '../../domain/tickets.ts';
import type { Attributes, Proofing, User } from '../../domain/user.ts';
import type { NewUser, UserPatch } from '../../domain/users.ts';

/** Between the wire and the domain, both ways. What comes in has passed its schema. */

const instant = (at: number): string => new Date(at).toISOString();
const instantOrNull = (at: number | undefined): string | null => (at === undefined ? null : instant(at));

export function userDocument(user: User) {
  return {
    id: user.id,
    state: user.state,
    username: user.username ?? null,
    external_ref: user.externalRef ?? null,
    email: user.email ?? null,
    phone: user.phone ?? null,
    name: user.name ?? null,
    language: user.language ?? null,
    attributes: user.attributes,
    proofing: user.proofing.map(({ at, ...rest }) => ({ ...rest, at: instant(at) })),
    created_at: instant(user.createdAt),
    updated_at: instant(user.updatedAt),
  };
}

export function deviceDocument(device: Device) {
  const { info } = device;
  return {
    id: device.id,
    user_id: device.userId,
    application: device.applicationId,
    state: device.state,
    lock_reason: device.lockReason ?? null,
    methods: device.methods,
    name: info.name ?? null,
    model: info.model ?? null,
    os: info.os ?? null,
    app_version: info.appVersion ?? null,
    created_at: instant(device.createdAt),
    activated_at: instantOrNull(device.activatedAt),
    last_used_at: instantOrNull(device.lastUsedAt),
    attestation: device.attestation ? attestationDocument(device.attestation) : null,
  };
}

function attestationDocument({ kind, verdict, level, detail, at }: NonNullable<Device['attestation']>) {
  return { kind, verdict, level: level ?? null, detail: detail ?? null, at: instant(at) };
}

export function ticketDocument(ticket: Ticket, qrSvg: string) {
  return {
    operation_id: ticket.operationId,
    ticket_uri: ticket.uri,
    activation_code: ticket.activationCode,
    expires_at: instant(ticket.expiresAt),
    qr_svg: qrSvg,
  };
}

export function ticketStatusDocument(operation: Operation, now: number) {
  return {
    operation_id: operation.id,
    user_id: operation.userId,
    application: operation.applicationId ?? null,
    state: stateAt(operation, now),
    device_id: operation.ticket?.deviceId ?? null,
    confirmed_at: instantOrNull(operation.ticket?.confirmedAt),
    created_at: instant(operation.createdAt),
    expires_at: instant(operation.expiresAt),
    finished_at: instantOrNull(operation.finishedAt),
  };
}

/** By the names that the operations API gives them. */
export function operationDocument(operation: Operation, now: number) {
  const { decision, ticket, claimed } = operation;
  const state = stateAt(operation, now);
  const deviceId = decision?.deviceId ?? ticket?.deviceId ?? claimed?.deviceId;
  return {
    operation_id: operation.id,
    kind: operation.kind,
    state,
    client_id: operation.clientId,
    user: { id: operation.userId },
    device: deviceId === undefined ? null : { id: deviceId },
    application: operation.applicationId ?? null,
    method_used: decision?.approved ? decision.method : null,
    acr: decision?.approved ? decision.acr : null,
    amr: decision?.approved ? decision.amr : null,
    deny_reason: decision?.reason ?? null,
    end_reason: operation.endReason ?? null,
    created_at: instant(operation.createdAt),
    expires_at: instant(operation.expiresAt),
    finished_at: instantOrNull(operation.finishedAt ?? (state === 'expired' ? operation.expiresAt : undefined)),
  };
}

/** An attempt to tell a client. */
export function deliveryDocument({ operationId, mode, attempt, outcome, at, status, reason, ms }: NotificationLine) {
  return {
    operation_id: operationId,
    mode,
    attempt,
    outcome,
    status: status ?? null,
    reason: reason ?? null,
    duration_ms: ms ?? null,
    at: instant(at),
  };
}

interface WireProofing {
  mechanism: string;
  reference?: string;
  level?: string;
  at?: string;
}

interface WireUser {
  username?: string;
  external_ref?: string;
  email?: string;
  phone?: string;
  name?: string;
  language?: string;
  user_code?: string;
  attributes?: Attributes;
  proofing?: WireProofing[];
}

type WireUserPatch = { [K in keyof Omit<WireUser, 'attributes'>]?: WireUser[K] | null } & {
  attributes?: UserPatch['attributes'];
};

export function newUserOf(body: unknown, now: number): NewUser {
  const { external_ref: externalRef, user_code: userCode, proofing, ...rest } = body as WireUser;
  return { ...rest, ...given({ externalRef, userCode, proofing: proofing?.map((each) => proofingOf(each, now)) }) };
}

export function userPatchOf(body: unknown, now: number): UserPatch {
  const { external_ref: externalRef, user_code: userCode, proofing, ...rest } = body as WireUserPatch;
  const proofs = proofing === null ? null : proofing?.map((each) => proofingOf(each, now));
  return { ...rest, ...given({ externalRef, userCode, proofing: proofs }) };
}

function proofingOf({ at, ...rest }: WireProofing, now: number): Proofing {
  return { ...rest, at: at === undefined ? now : Date.parse(at) };
}

/** Without the members that are undefined: in a patch, absent and removed are different things. */
function given<T extends object>(members: T): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<T>;
}
