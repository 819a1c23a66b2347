/**
 * Records as Redis holds them: what never changes is one JSON text, what scripts read or change is a field of its own, so
 * that a poll of a pending operation neither reads nor writes the text. Empty members have no field.
 */
import type { Device } from '../../src/domain/device.ts';
import type { Decision, Operation, Redemption } from '../../src/domain/operation.ts';
import type { StoredUser } from '../../src/domain/user.ts';
import { isId } from '../../src/support/ids.ts';
import { idPart } from './keys.ts';
import { pack } from './packing.ts';
import type { Fields } from './scripts.ts';

type Values = Record<string, string | number | undefined>;

/** For HSET in a script: all texts, without what is absent. */
export function fieldsJson(values: Values): string {
  return JSON.stringify(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [name, `${value}`])),
  );
}

/** Names of fields that must go because the new record has no such member. */
export function absentJson(values: Values): string {
  return JSON.stringify(Object.entries(values).flatMap(([name, value]) => (value === undefined ? [name] : [])));
}

function byName(fields: Fields): Record<string, string | undefined> {
  const map: Record<string, string | undefined> = Object.create(null);
  for (let i = 0; i < fields.length; i += 2) map[fields[i]!] = fields[i + 1];
  return map;
}

/** Drops members that are undefined: a record comes out as it went in. */
function defined<T extends object>(record: T): T {
  for (const key of Object.keys(record) as (keyof T)[]) if (record[key] === undefined) delete record[key];
  return record;
}

const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text));

// --- users

/** s state, v version, up updatedAt, b the rest as JSON */
export function userFields({ state, version, updatedAt, ...rest }: StoredUser): Values {
  return { s: state, v: version, up: updatedAt, b: JSON.stringify(rest) };
}

/** Fields that an update sets. */
export function changedUserFields(user: StoredUser): Values {
  const { up, b } = userFields(user);
  return { up, b };
}

export function toUser(fields: Fields): StoredUser {
  const { s, v, up, b } = byName(fields);
  return { ...JSON.parse(b!), state: s as StoredUser['state'], version: Number(v), updatedAt: Number(up) };
}

// --- devices

/**
 * s state, v version, u user (key part), a application, lr lock reason, fp fn fl failures (PIN, number, life of the PIN
 * key), pk PIN key, np: the PIN key was deleted with a lock, ro keys that wait, bx its box pair, ct highest counter, at activatedAt, lu lastUsedAt, b the rest as JSON
 */
export function deviceFields(device: Device): Values {
  const { state, version, lockReason, failures } = device;
  return {
    ...changedDeviceFields(device),
    s: state,
    v: version,
    u: idPart(device.userId),
    lr: lockReason,
    fp: failures.pin,
    fn: failures.number,
    fl: failures.pinLifetime,
    ct: device.ctr,
  };
}

/** Fields that a save sets; state, lock reason, failures, counter and owner are not among them. */
export function changedDeviceFields(device: Device): Values {
  const { state: _s, version: _v, lockReason: _l, failures: _f, ctr: _c, activatedAt, lastUsedAt, ...rest } = device;
  const { box, rotation, keys: all, ...body } = rest;
  const { pin, ...keys } = all;
  return {
    a: rest.applicationId,
    pk: pin,
    bx: box && JSON.stringify(box),
    ro: rotation && JSON.stringify(rotation),
    at: activatedAt,
    lu: lastUsedAt,
    b: JSON.stringify({ ...body, keys }),
  };
}

export function toDevice(fields: Fields): Device {
  const { s, v, lr, fp, fn, fl, ct, pk, np, ro, bx, at, lu, b } = byName(fields);
  const rest = JSON.parse(b!) as Omit<Device, 'state' | 'version' | 'failures'>;
  return defined<Device>({
    ...rest,
    keys: pk === undefined ? rest.keys : { ...rest.keys, pin: pk },
    methods: np === undefined ? rest.methods : rest.methods.filter((method) => method !== 'pin'),
    state: s as Device['state'],
    version: Number(v),
    lockReason: lr as Device['lockReason'],
    failures: { pin: Number(fp), number: Number(fn), pinLifetime: Number(fl) },
    ctr: numberOf(ct),
    rotation: ro === undefined ? undefined : (JSON.parse(ro) as Device['rotation']),
    box: bx === undefined ? undefined : (JSON.parse(bx) as Device['box']),
    activatedAt: numberOf(at),
    lastUsedAt: numberOf(lu),
  });
}

// --- operations

/**
 * s state, v version, k kind, c client, u user (key part), al askedAs, d named device, x expiresAt, a answerBy, r retainUntil,
 * f finishedAt, e endReason, t m tries (used, max), i polling interval now, l last accepted poll, h:<hash> a message that
 * has reserved a try; tw tc tk tx tb td of a ticket (wrong codes, tries and time of its confirmation, box pair, bound to, device); dc decision as JSON, dd its device;
 * of oc offer (sealed) and who claimed it as JSON, co the offer that it came of; nm ns notification (mode, sealed), wh wu a poll that is held (by whom, until when),
 * rs rh ru rr rb rp ra redemption (state, holder, until, response, binding, replayUntil, delivered or expired at)
 */
export function operationFields(operation: Operation): Values {
  const { ticket, tries } = operation;
  return {
    s: operation.state,
    v: operation.version,
    k: operation.kind,
    c: operation.clientId,
    u: idPart(operation.userId),
    al: operation.askedAs,
    d: operation.deviceId,
    x: operation.expiresAt,
    a: operation.answerBy,
    r: operation.retainUntil,
    t: tries.used,
    m: tries.max,
    i: operation.poll?.intervalSeconds,
    of: operation.offer?.sealed,
    oc: operation.claimed && JSON.stringify(operation.claimed),
    co: operation.claimOf,
    nm: operation.notification?.mode,
    ns: operation.notification?.sealed,
    tw: ticket?.wrongCodes,
    tc: ticket?.confirmTries,
    tk: ticket?.confirmedAt,
    tx: ticket?.box && JSON.stringify(ticket.box),
    tb: ticket?.boundTo,
    td: ticket?.deviceId,
  };
}

/** The members that are no fields. An id of another form than ours is kept here: its key holds only a hash. */
export function operationBody(operation: Operation): Buffer {
  const { id, version: _v, state: _s, kind: _k, clientId: _c, userId, askedAs: _al, deviceId: _d, ...rest } = operation;
  const { expiresAt: _x, answerBy: _a, retainUntil: _r, tries: _t, notification: _n, offer: _o, ...others } = rest;
  const { claimed: _by, claimOf: _of, ticket, ...body } = others;
  return pack(
    JSON.stringify({
      ...body,
      id: isId(id) ? undefined : id,
      userId: isId(userId) ? undefined : userId,
      ticket: ticket && { codeHmac: ticket.codeHmac },
    }),
  );
}

export function toOperation(id: string, body: string, fields: Fields): Operation {
  const f = byName(fields);
  const { ticket, ...rest } = JSON.parse(body) as Partial<Operation>;
  return defined<Operation>({
    id,
    userId: f.u!,
    ...rest,
    version: Number(f.v),
    state: f.s as Operation['state'],
    kind: f.k as Operation['kind'],
    clientId: f.c!,
    askedAs: f.al,
    deviceId: f.d,
    methods: rest.methods!,
    createdAt: rest.createdAt!,
    expiresAt: Number(f.x),
    answerBy: Number(f.a),
    retainUntil: Number(f.r),
    finishedAt: numberOf(f.f),
    endReason: f.e as Operation['endReason'],
    tries: { used: Number(f.t), max: Number(f.m) },
    ticket: ticket && defined({ ...ticket, ...countedOf(f), boundTo: f.tb, deviceId: f.td }),
    notification: f.nm === undefined ? undefined : defined({ mode: f.nm as 'ping' | 'push', sealed: f.ns }),
    offer: f.of === undefined ? undefined : { sealed: f.of },
    claimed: f.oc === undefined ? undefined : (JSON.parse(f.oc) as Operation['claimed']),
    claimOf: f.co,
    decision: f.dc === undefined ? undefined : (JSON.parse(f.dc) as Decision),
    redemption: toRedemption(f),
  });
}

function countedOf({ tw, tc, tk, tx }: Record<string, string | undefined>) {
  const box = tx === undefined ? undefined : (JSON.parse(tx) as NonNullable<Operation['ticket']>['box']);
  return { wrongCodes: Number(tw), confirmTries: numberOf(tc), confirmedAt: numberOf(tk), box };
}

function toRedemption(f: Record<string, string | undefined>): Redemption | undefined {
  const held = { holder: f.rh!, until: Number(f.ru) };
  switch (f.rs as Redemption['state'] | undefined) {
    case 'leased':
      return { state: 'leased', ...held };
    case 'committed':
      return { state: 'committed', ...held, response: f.rr!, binding: f.rb!, replayUntil: Number(f.rp) };
    case 'delivered':
    case 'expired':
      return { state: f.rs as 'delivered' | 'expired', at: Number(f.ra) };
    default:
      return undefined;
  }
}

export function toReceipt(deviceId: string, jti: string, fields: Fields) {
  const { h, o, u } = byName(fields);
  return { deviceId, jti, jwsHash: h!, outcome: o!, until: Number(u) };
}
