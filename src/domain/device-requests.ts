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
import { utf8Text } from '../support/bytes.ts';
import type { Clock } from '../support/clock.ts';
import { isId, partitionOf } from '../support/ids.ts';
import { parseJws } from '../support/jose/index.ts';
import type { Secrets } from '../support/secrets.ts';
import { isJsonObject } from '../support/strict-json.ts';
import type { Applications } from './applications.ts';
import type { Device, DeviceState, Receipt } from './device.ts';
import {
  type Act,
  type OpenedUp,
  openSession,
  openUp,
  type VerifiedRedeem,
  type VerifiedRequest,
  verifyRedeem,
  verifyRequest,
} from './device-messages/index.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import { DomainError } from './errors.ts';
import type { Operation } from './operation.ts';
import type { Store } from './ports/store.ts';
import type { UserState } from './user.ts';

/** What the store says of the device that sent a message, in one round trip. */
export interface KnownDevice {
  device: Device;
  userState: UserState;
  /** Of `decide` and `present`: the operation that the message names, where it is of this user. */
  operation?: Operation;
  /** This very message id was answered before. */
  receipt?: Receipt;
}

export type DeviceRequest = VerifiedRequest<KnownDevice>;

export interface DeviceRequests {
  /** @throws DomainError unreadable | unknown_key */
  open(body: string): OpenedUp;
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
  decide: ['active'],
  status: ['pending', 'active', 'locked'],
  unenroll: ['pending', 'active', 'locked', 'deactivated'],
};

interface Deps {
  issuer: string;
  store: Pick<Store, 'devices' | 'operations'>;
  serverKeys: Pick<DeviceServerKeys, 'box'>;
  secrets: Secrets;
  applications: Pick<Applications, 'find'>;
  clock: Clock;
  /** How far a device's clock may be off. */
  skewSeconds: number;
}

export function createDeviceRequests(deps: Deps): DeviceRequests {
  const { issuer, store, serverKeys, secrets, applications, clock, skewSeconds } = deps;
  return {
    open: (body) => openUp(body, { boxKey: serverKeys.box, openSession: (id) => openSession(secrets, id, clock()) }),

    redeem: (opened) => verifyRedeem(opened, { issuer, now: clock(), skewSeconds }),

    verify(act, opened) {
      // enrolled and replaced devices alike: a revoked one that proves its key is told so, anybody else is not
      const findDevice = (id: string) => (isId(id) ? find(id, namedIn(act, opened)) : Promise.resolve(undefined));
      const sigKey = ({ device }: KnownDevice) => device.keys.sig;
      return verifyRequest(opened, { issuer, act, now: clock(), skewSeconds, findDevice, sigKey });
    },

    refuseUnusable(act, { device, userState }) {
      if (act === 'unenroll') return; // always possible: it only takes away
      const reason = whyUnusable(device, userState);
      if (reason === 'revoked') throw new DomainError('device_deactivated', { members: { reason } });
      if (reason && act !== 'status') throw new DomainError('device_locked', { members: { reason } });
      if (!usableIn[act].includes(device.state)) throw new DomainError('state_conflict', { detail: device.state });
    },
  };

  /** An operation of another partition cannot be this device's; the device is looked up all the same. */
  async function find(deviceId: string, { op, jti }: Named): Promise<KnownDevice | undefined> {
    if (op === undefined || partitionOf(op) !== partitionOf(deviceId)) return store.devices.withUser(deviceId);
    const message = jti === undefined ? undefined : { jti, now: clock() };
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

interface Named {
  op?: string;
  jti?: string;
}

/**
 * What the message names, read before its signature is looked at: so that device, user, operation and receipt come in
 * one round trip. It only chooses what is fetched; a message that does not verify learns nothing of it.
 */
function namedIn(act: Act, opened: OpenedUp): Named {
  if (act !== 'decide' && act !== 'present') return {};
  const payload = opened.kind === 'session' ? opened.request : payloadOf(opened.jws);
  if (!isJsonObject(payload) || typeof payload.op !== 'string' || !isId(payload.op)) return {};
  const isJti = act === 'decide' && typeof payload.jti === 'string' && /^[\w-]{22}$/.test(payload.jti);
  return { op: payload.op, ...(isJti && { jti: payload.jti as string }) };
}

function payloadOf(jws: string): unknown {
  try {
    return JSON.parse(utf8Text(parseJws(jws, { allow: ['proofs_sha256'] }).payload));
  } catch {
    return undefined; // verifyRequest says what is wrong with it
  }
}
