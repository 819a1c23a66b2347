/**
 * The gate of the device API: from the bytes of a request to a device that has proved its key and may make this call.
 *
 *     size, rate by address  (http)
 *     decrypt                openUp           plain 400: there is no key to answer under
 *     device by kid          findDevice       ┐
 *     signature              verifyRequest    ├ unknown device and bad signature: one 401
 *     typ, aud, iss, act,iat verifyRequest    ┘
 *     states                 refuseUnusable   only who proved a key learns them (ruling 15)
 *     the call               enrollment.ts, answers.ts, device-calls.ts
 */
import type { Clock } from '../support/clock.ts';
import { isId, partitionOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { JsonObject } from '../support/strict-json.ts';
import type { Applications } from './applications.ts';
import type { Device, DeviceState, Receipt } from './device.ts';
import {
  type Act,
  type OpenedUp,
  openSession,
  openUp,
  type ServerKeyPair,
  type UpKeys,
  type VerifiedRedeem,
  type VerifiedRequest,
  verifyRedeem,
  verifyRequest,
} from './device-messages/index.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import type { EnrollmentWaiting } from './enrollment-gates.ts';
import { DomainError } from './errors.ts';
import type { AuditEvent } from './event.ts';
import type { Operation } from './operation.ts';
import { isOwnKid, type OwnBoxes } from './own-boxes.ts';
import type { Store } from './ports/store.ts';
import type { UserState } from './user.ts';
import { waitingKeys } from './waiting-keys.ts';

/** What the store says of the device that sent a message, in one round trip. */
export interface KnownDevice {
  device: Device;
  userState: UserState;
  /** Of `decide`, `present` and `document`: the operation that the message names, where it is of this user. */
  operation?: Operation;
  /** This very message id was answered before. */
  receipt?: Receipt;
  /** The message proved the keys of a pending device, which is not active yet all the same. */
  waiting?: EnrollmentWaiting;
  /** Of `inbox` and `events`: what the user's devices are told at the moment. */
  notices?: AuditEvent[];
}

export type DeviceRequest = VerifiedRequest<KnownDevice>;

export interface DeviceRequests {
  /** @throws DomainError unreadable | unknown_key */
  open(body: string): OpenedUp | Promise<OpenedUp>;
  /** @throws DomainError device_refused | message_invalid | clock_skew */
  redeem(opened: OpenedUp): VerifiedRedeem;
  /**
   * Proves the device's key; its states are not looked at yet, see {@link DeviceRequests.refuseUnusable}.
   * @throws DomainError device_refused | message_invalid | clock_skew
   */
  verify(act: Act, opened: OpenedUp): Promise<DeviceRequest>;
  /** @throws DomainError device_locked | device_deactivated | state_conflict */
  refuseUnusable(act: Act, known: KnownDevice): void;
}

/** In which states of the device a call is possible. A locked device may learn why, and may be taken away. */
const usableIn: Record<Act, readonly DeviceState[]> = {
  redeem: [],
  enroll: ['pending'],
  session: ['active'],
  inbox: ['active'],
  events: ['active'],
  present: ['active'],
  document: ['active'],
  decide: ['active'],
  claim: ['active'],
  status: ['pending', 'active', 'locked'],
  methods: ['active'],
  rotate: ['active'],
  tickets: ['active'],
  unenroll: ['pending', 'active', 'locked', 'deactivated'],
};

interface Deps {
  issuer: string;
  store: Pick<Store, 'devices' | 'operations'>;
  serverKeys: Pick<DeviceServerKeys, 'box' | 'reread'>;
  ownBoxes: Pick<OwnBoxes, 'find'>;
  secrets: Secrets;
  applications: Pick<Applications, 'find'>;
  clock: Clock;
  /** How far a device's clock may be off. */
  skewSeconds: number;
}

export function createDeviceRequests(deps: Deps): DeviceRequests {
  const { issuer, store, serverKeys, ownBoxes, secrets, applications, clock, skewSeconds } = deps;
  return {
    open,

    redeem: (opened) => verifyRedeem(opened, { issuer, now: clock(), skewSeconds }),

    verify(act, opened) {
      // enrolled and replaced devices alike: a revoked one that proves its key is told so, anybody else is not
      const findDevice = async (id: string, claims: JsonObject) =>
        isId(id) ? find(id, namedIn(act, claims), act) : undefined;
      const sigKey = ({ device }: KnownDevice) => device.keys.sig;
      const generationOf = ({ device }: KnownDevice) => device.generation;
      const checks = { issuer, act, now: clock(), skewSeconds, findDevice, sigKey, generationOf };
      // section 8: keys that wait are confirmed, and asked about, by `status` alone
      const nextSigKey = ({ device }: KnownDevice) =>
        act === 'status' ? waitingKeys(device, clock())?.sig : undefined;
      return verifyRequest(opened, { ...checks, nextSigKey });
    },

    refuseUnusable(act, { device, userState }) {
      if (act === 'unenroll') return; // always possible: it only takes away
      const reason = whyUnusable(device, userState);
      if (reason === 'revoked') throw new DomainError('device_deactivated', { members: { reason } });
      if (reason && act !== 'status') throw new DomainError('device_locked', { members: { reason } });
      if (!usableIn[act].includes(device.state)) throw new DomainError('state_conflict', { detail: device.state });
    },
  };

  /**
   * Only a message to a pair of its device's own costs a look at the store; and one to a pair that is not known here, once a second.
   */
  function open(body: string): OpenedUp | Promise<OpenedUp> {
    let unknown: string | undefined;
    const openWith = (boxKey: UpKeys['boxKey']) =>
      openUp(body, { boxKey, openSession: (id) => openSession(secrets, id, clock()) });
    try {
      return openWith((kid) => {
        const pair = serverKeys.box(kid);
        if (!pair) unknown = kid;
        return pair;
      });
    } catch (error) {
      if (unknown === undefined) throw error;
      return lookFor(unknown).then((pair) => openWith(() => pair));
    }
  }

  async function lookFor(kid: string): Promise<ServerKeyPair | undefined> {
    if (isOwnKid(kid)) return ownBoxes.find(kid);
    await serverKeys.reread();
    return serverKeys.box(kid);
  }

  /** An operation of another partition cannot be this device's; the device is looked up all the same. */
  async function find(deviceId: string, { op, jti }: Named, act: Act): Promise<KnownDevice | undefined> {
    const message = jti === undefined ? undefined : { jti, now: clock() };
    if (op === undefined || partitionOf(op) !== partitionOf(deviceId)) {
      const noticesAt = act === 'inbox' || act === 'events' ? clock() : undefined;
      return store.devices.withUser(deviceId, message, noticesAt);
    }
    const { device, user, operation, receipt } = await store.operations.forDevice(op, deviceId, message);
    if (!device || !user) return undefined;
    const own = operation?.userId === device.userId ? operation : undefined;
    return { device, userState: user.state, ...(own && { operation: own }), ...(receipt && { receipt }) };
  }

  function whyUnusable(device: Device, userState: UserState): 'locked' | 'attempts' | 'revoked' | undefined {
    if (device.state === 'deactivated' || userState === 'deactivated') return 'revoked';
    if (device.state === 'locked') return device.lockReason === 'attempts' ? 'attempts' : 'locked';
    return userState === 'locked' || !applications.find(device.applicationId)?.active ? 'locked' : undefined;
  }
}

/** Calls whose receipts are looked at first: the same message gets the same answer, whatever has become of the device. */
const changes: readonly Act[] = ['decide', 'claim', 'methods', 'rotate', 'tickets'];

interface Named {
  op?: string;
  jti?: string;
}

/**
 * What the message names, read before its signature is looked at: so that device, user, operation and receipt come in
 * one round trip. It only chooses what is fetched; a message that does not verify learns nothing of it.
 */
function namedIn(act: Act, { op, jti }: JsonObject): Named {
  const isOfOperation = act === 'decide' || act === 'present' || act === 'document';
  return {
    ...(isOfOperation && typeof op === 'string' && isId(op) && { op }),
    ...(changes.includes(act) && typeof jti === 'string' && /^[\w-]{22}$/.test(jti) && { jti }),
  };
}
