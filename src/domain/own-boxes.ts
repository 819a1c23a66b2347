/**
 * A `box` pair for one enrollment instead of the one that all devices write to (device-protocol, section 1; default off):
 *
 *     ticket made: sealed beside it ──redeem──> a copy sealed beside the device ──a week──> a successor, the former answers 48 h
 *         └ the ticket ends: erased                     └ the device is deactivated: erased         └ then erased
 *
 * That goes on by the sweeper, whether the device comes or not: what was recorded on its way must not wait for it to be opened. A
 * device that comes back after a year writes to a pair that is gone, is told `unknown_key`, and fetches the one in use.
 *
 * Its kid says where it lies, so a message finds it with one read and nobody is told of anybody else's: `GET keys` shows it
 * only to whoever names the place, which is a hash of the ticket, or the device's id.
 */
import { type Clock, DAY, HOUR } from '../support/clock.ts';
import { isId, type Partition } from '../support/ids.ts';
import { jwkThumbprint, newEcKey, privateJwkOf, publicJwkOf } from '../support/jose/index.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Device, DeviceState } from './device.ts';
import { type NamedJwk, type ServerKeyPair, serverKeyPair } from './device-messages/index.ts';
import { stateAt } from './operation.ts';
import type { Store } from './ports/store.ts';
import type { Batch } from './sweeper.ts';

/** As it is kept: in a ticket, or with a device. */
export interface OwnBox {
  /** RFC 7638 thumbprint: the `k` of a link. */
  thumbprint: string;
  /** The private JWK, sealed with the place as AAD. */
  sealed: string;
  createdAt: number;
}

/** Of a device: the one in use, and the one before it until `until`. */
export type DeviceBox = OwnBox & { former?: OwnBox & { until: number } };

/** `t.<operation id>` or `d.<device id>`. */
export type Place = `${'t' | 'd'}.${string}`;

export interface OwnBoxes {
  /** The pair that a message names, while it is there; undefined for every other kid. */
  find(kid: string): Promise<ServerKeyPair | undefined>;
  /** What `GET keys` shows in the place of the shared ones; undefined where there is none. */
  offered(place: string): Promise<(NamedJwk & { createdAt: number }) | undefined>;
  /** Gives devices their successors when it is time, and erases the former, also of devices that are locked. */
  maintainDue(among: { partitions: readonly Partition[]; limit: number }): Promise<Batch>;
}

interface Deps {
  store: Pick<Store, 'devices' | 'operations'>;
  secrets: Pick<Secrets, 'open' | 'seal'>;
  clock: Clock;
  rotationDays: number;
  destroyHours: number;
}

const label = 'own-box';
const prefix = 'own.';

export const isOwnKid = (kid: string): boolean => kid.startsWith(prefix);

export function newOwnBox(secrets: Pick<Secrets, 'seal'>, place: Place, now: number): OwnBox {
  const key = newEcKey();
  const sealed = secrets.seal(label, JSON.stringify(privateJwkOf(key)), place);
  return { thumbprint: jwkThumbprint(publicJwkOf(key)), sealed, createdAt: now };
}

/** The same pair for another place: what was sealed for the ticket does not open beside a device. */
export function movedTo(secrets: Pick<Secrets, 'open' | 'seal'>, box: OwnBox, from: Place, to: Place): OwnBox {
  return { ...box, sealed: secrets.seal(label, secrets.open(label, box.sealed, from), to) };
}

export function createOwnBoxes({ store, secrets, clock, rotationDays, destroyHours }: Deps): OwnBoxes {
  const [rotationMs, destroyMs] = [rotationDays * DAY, destroyHours * HOUR];

  /** Current first. */
  async function boxesAt(place: string): Promise<OwnBox[]> {
    const [kind, id = ''] = place.split('.');
    if (!isId(id)) return [];
    if (kind === 't') {
      const operation = await store.operations.get(id);
      const box = operation && stateAt(operation, clock()) === 'pending' ? operation.ticket?.box : undefined;
      return box ? [box] : [];
    }
    const device = kind === 'd' ? await store.devices.get(id) : undefined;
    if (!device?.box || device.state === 'deactivated') return [];
    const { former, ...box } = device.box;
    return former && clock() < former.until ? [box, former] : [box];
  }

  /** Undefined: there is nothing to do. */
  function maintained({ id, box }: Device, now: number): DeviceBox | undefined {
    if (!box) return undefined;
    const { former, ...current } = box;
    const age = now - current.createdAt;
    if (age < rotationMs) return former && now >= former.until ? current : undefined;
    const successor = newOwnBox(secrets, `d.${id}`, now);
    // nobody was there to do it in time: what should be destroyed by now does not get two more days
    if (age >= rotationMs + destroyMs) return successor;
    return { ...successor, former: { ...current, until: now + destroyMs } };
  }

  function opened(place: string, { thumbprint, sealed }: OwnBox): ServerKeyPair {
    const privateJwk = JSON.parse(secrets.open(label, sealed, place).toString('utf8'));
    return serverKeyPair({ kid: `${prefix}${place}.${thumbprint}`, privateJwk });
  }

  return {
    async find(kid) {
      const [, place = '', thumbprint] = /^own\.([td]\.[^.]+)\.([\w-]{43})$/.exec(kid) ?? [];
      const box = (await boxesAt(place)).find((each) => each.thumbprint === thumbprint);
      return box && opened(place, box);
    },

    async offered(place) {
      const [box] = await boxesAt(place);
      if (!box) return undefined;
      const { jwk, kid } = opened(place, box);
      return { ...jwk, kid, createdAt: box.createdAt };
    },

    async maintainDue({ partitions, limit }) {
      const now = clock();
      const due = await store.devices.boxesDue({ partitions, now, madeUntil: now - rotationMs, limit });
      let done = 0;
      for (const device of due) {
        const box = maintained(device, now);
        // `stale`: something else changed the device meanwhile, and it stays due
        const change = { states: notDeactivated, now, events: [] };
        const saved = box && (await store.devices.save({ device: { ...device, box }, ...change }));
        if (saved?.result === 'saved') done += 1;
      }
      return { done, more: done > 0 && due.length >= limit };
    },
  };
}

const notDeactivated: DeviceState[] = ['pending', 'active', 'locked'];
