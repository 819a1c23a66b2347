/** What an authenticator keeps, and where: injected, because browsers, phones and the command line differ only here. */
import type { StoredKeyPair } from './keys.ts';
import type { StoredPin } from './pin-key.ts';
import type { ServerKeySet } from './server-keys.ts';
import type { RedeemAnswer } from './wire.ts';

/** An enrolled device: everything that rests on it. No public half of the PIN key, no signature by it. */
export interface StoredDevice {
  v: 1;
  /** `<authenticator>` without trailing slash; calls go to `<base>/device/v1/…` */
  base: string;
  issuer: string;
  deviceId: string;
  sig: StoredKeyPair;
  enc: StoredKeyPair;
  pin?: StoredPin;
  /** PINs that were sent and not answered; until then (epoch seconds) one of them may still come to count. A PIN that goes has none. */
  pinChange?: { next: StoredPin[]; until: number };
  /** keys that were made to follow `sig` and `enc` and that are not known to be in use; `at` in epoch seconds */
  rotating?: { sig: StoredKeyPair; enc: StoredKeyPair; at: number };
  /** of the last message that changed something */
  ctr?: number;
  serverKeys: ServerKeySet;
  /** with a box key of its own: what `GET keys` is asked for */
  keysFor?: string;
  display: RedeemAnswer['display'];
}

/** An enrollment under way, so that a reload, or the same link opened again, goes on with the same key. */
export interface StoredEnrollment {
  v: 1;
  base: string;
  /** SHA-256 of what was redeemed, not the thing itself */
  sourceHash: string;
  sig: StoredKeyPair;
  /** thumbprint of the box key, from the link: until the seal keys are settled, only this one is written to */
  k?: string;
  /** of a link whose box key is its own: the registration */
  o?: string;
  /** from the moment `enroll` is sent */
  device?: StoredDevice;
  /** the server has proved which seal key is its own, and `device.serverKeys` is the set which that key signs */
  settled?: true;
  /** what is quoted to become active; quoted again where the answer to that was lost */
  confirm?: string;
  /** another one whose keys were sent, and which waited when this link was opened: it goes on if nothing comes of this one */
  former?: StoredEnrollment;
}

/** What the person has seen and put away, so that it is not shown again here. */
export interface StoredNotices {
  v: 1;
  dismissed: string[];
}

export interface StoredRecords {
  device: StoredDevice;
  enrolling: StoredEnrollment;
  notices: StoredNotices;
}

export type Slot = keyof StoredRecords;

/** What remains known of an enrollment when its keys are gone. */
export interface DeviceTrace {
  deviceId: string;
  base: string;
  display: RedeemAnswer['display'];
}

export interface DeviceStorage {
  /** true: records must be plain JSON, so keys are kept as private JWK. Such a file is as secret as a password. */
  readonly exportable: boolean;
  load<S extends Slot>(slot: S): Promise<StoredRecords[S] | undefined>;
  /** Replaces the slot in one step and is durable when it resolves. */
  save<S extends Slot>(slot: S, record: StoredRecords[S]): Promise<void>;
  /**
   * Reads, changes and replaces in one step that no other window can come between; durable when it resolves.
   *
   * @param change may be called again, must not wait
   * @returns      the new record; undefined where there is none, and then none is made
   */
  update<S extends Slot>(
    slot: S,
    change: (held: StoredRecords[S]) => StoredRecords[S],
  ): Promise<StoredRecords[S] | undefined>;
  erase(slot: Slot): Promise<void>;
  /** A second place that outlives the first (local storage beside IndexedDB), if there is one. */
  readonly trace?: {
    recall(): Promise<DeviceTrace | undefined>;
    remember(trace: DeviceTrace): Promise<void>;
    forget(): Promise<void>;
  };
}

/** For tests and simulated devices: gone with the process. */
export function memoryStorage({ exportable = false }: { exportable?: boolean } = {}): DeviceStorage {
  const records = new Map<Slot, unknown>();
  let trace: DeviceTrace | undefined;
  return {
    exportable,
    load: async <S extends Slot>(slot: S) => records.get(slot) as StoredRecords[S] | undefined,
    save: async (slot, record) => void records.set(slot, record),
    update: async (slot, change) => {
      if (!records.has(slot)) return undefined;
      const record = change(records.get(slot) as never);
      records.set(slot, record);
      return record;
    },
    erase: async (slot) => void records.delete(slot),
    trace: {
      recall: async () => trace,
      remember: async (value) => void (trace = value),
      forget: async () => void (trace = undefined),
    },
  };
}
