/**
 * An enrolled device whose record changes while it is in use: by rotation, by a new PIN, by another window of the same
 * browser. Whoever calls through this calls with the keys that count.
 *
 *     in use ──rotate()──> in use, `rotating` kept beside ──confirmed──> the others in use
 *                              └ interrupted: the next call asks the server, by the other `sig`, what became of it
 */
import { type Caller, createCaller } from './caller.ts';
import { codeOf, DeviceError } from './errors.ts';
import { thumbprint, usableKey } from './keys.ts';
import type { Runtime } from './runtime.ts';
import { fetchSets, nextSet, type ServerKeySet } from './server-keys.ts';
import type { DeviceStorage, StoredDevice } from './storage.ts';
import { type StatusAnswer, typ } from './wire.ts';

export interface Live {
  /** settles what was interrupted, and signs again where another window has rotated the keys */
  readonly caller: Caller;
  readonly exportable: boolean;
  /** as last seen */
  stored(): StoredDevice;
  /** as it rests on the storage now */
  reload(): Promise<StoredDevice>;
  update(change: (held: StoredDevice) => StoredDevice): Promise<StoredDevice>;
  /** Brings the keys in `rotating` into use: sends `send` by the present key, then quotes what it answered by the new one. */
  rotate(rotating: NonNullable<StoredDevice['rotating']>, send: (caller: Caller) => Promise<unknown>): Promise<void>;
}

/** A request that is on its way has arrived or failed by then: three attempts of 20 s. */
const underwaySeconds = 90;

export async function createLive(first: StoredDevice, storage: DeviceStorage, runtime: Runtime): Promise<Live> {
  let held = first;
  let inner = await callerFor(first);
  let rotation: Promise<void> | undefined;
  let settling: Promise<void> | undefined;

  function callerFor(record: StoredDevice): Promise<Caller> {
    return deviceCaller(record, runtime, refresh, nextCounter);
  }

  async function refresh(known: ServerKeySet): Promise<ServerKeySet> {
    const serverKeys = await nextSet(await fetchSets(first.base, runtime.fetch, first.keysFor), known);
    await update((record) => ({ ...record, serverKeys }));
    return serverKeys;
  }

  /** Durable before it is sent: what was sent once is never sent again with something else. */
  async function nextCounter(): Promise<number> {
    return (await update((record) => ({ ...record, ctr: (record.ctr ?? 0) + 1 }))).ctr as number;
  }

  async function update(change: (record: StoredDevice) => StoredDevice): Promise<StoredDevice> {
    return adopt((await storage.update('device', change)) ?? held);
  }

  async function reload(): Promise<StoredDevice> {
    return adopt((await storage.load('device')) ?? held);
  }

  /** Of another device nothing is taken: somebody enrolled anew in this storage. */
  async function adopt(record: StoredDevice): Promise<StoredDevice> {
    if (record.deviceId !== first.deviceId) return held;
    const isRotated = (await thumbprint(record.sig.publicJwk)) !== (await thumbprint(held.sig.publicJwk));
    held = record;
    if (isRotated) inner = await callerFor(record);
    return record;
  }

  async function through<T>(use: (caller: Caller) => Promise<T>): Promise<T> {
    await settled();
    return orByOthers(use, 'device_refused');
  }

  /** @param code what it is called when the keys that were used are not in use any longer */
  async function orByOthers<T>(use: (caller: Caller) => Promise<T>, code: string): Promise<T> {
    const used = inner;
    try {
      return await use(used);
    } catch (error) {
      if (codeOf(error) !== code) throw error;
      await rotation?.catch(() => undefined);
      await reload();
      if (inner === used) throw error;
      return use(inner);
    }
  }

  /** Keys that wait since an interruption; those of a rotation that is under way here are its own matter. */
  async function settled(): Promise<void> {
    if (!held.rotating || rotation) return;
    settling ??= settle(held.rotating).finally(() => (settling = undefined));
    await settling;
  }

  async function settle(rotating: NonNullable<StoredDevice['rotating']>): Promise<void> {
    try {
      const next = await callerFor({ ...held, ...pairs(rotating) });
      const { confirm } = (await next.signed('status', {})) as unknown as StatusAnswer;
      if (confirm !== undefined) await quote(next, confirm);
      await update((record) => rotated(record, rotating));
    } catch (error) {
      // without an answer nothing is known; with one, these keys are not in use, so the others are
      if (!wasAnswered(error)) throw error;
      const isLost = codeOf(error) === 'device_refused' && inner.now() > rotating.at + underwaySeconds;
      if (isLost) await update(({ rotating: _lost, ...record }) => record);
    }
  }

  async function quote(next: Caller, sealed: string): Promise<void> {
    const { claims } = await next.openSealed(sealed, typ.confirm);
    await next.signed('status', { confirm: claims.confirm });
  }

  async function rotate(
    rotating: NonNullable<StoredDevice['rotating']>,
    send: (caller: Caller) => Promise<unknown>,
  ): Promise<void> {
    await update((record) => ({ ...record, rotating }));
    const answer = await send(inner).catch(async (error: unknown) => {
      // refused: nothing waits there, nothing has to wait here
      if (wasAnswered(error)) await update(({ rotating: _refused, ...record }) => record);
      throw error;
    });
    await quote(await callerFor({ ...held, ...pairs(rotating) }), (answer as { confirm: string }).confirm);
    await update((record) => rotated(record, rotating));
  }

  return {
    exportable: storage.exportable,
    stored: () => held,
    reload,
    update,
    async rotate(rotating, send) {
      await settled();
      if (rotation) throw new DeviceError('rotation_underway');
      rotation = rotate(rotating, send).finally(() => (rotation = undefined));
      await rotation;
    },
    caller: {
      now: () => inner.now(),
      signed: (act, members, prove) => through((caller) => caller.signed(act, members, prove)),
      inSession: (act, members) => through((caller) => caller.inSession(act, members)),
      stream: (signal) => through((caller) => caller.stream(signal)),
      session: () => through((caller) => caller.session()),
      openSealed: (token, type) => orByOthers((caller) => caller.openSealed(token, type), 'server_unexpected'),
    },
  };
}

/** A caller that signs as this device. @param nextCounter of messages that change something; a device may do without */
export async function deviceCaller(
  stored: StoredDevice,
  runtime: Runtime,
  refresh: (held: ServerKeySet) => Promise<ServerKeySet>,
  nextCounter?: () => Promise<number>,
): Promise<Caller> {
  return createCaller({
    base: stored.base,
    id: stored.deviceId,
    key: await usableKey(stored.sig.privateKey, 'sig'),
    enc: await usableKey(stored.enc.privateKey, 'enc'),
    serverKeys: stored.serverKeys,
    runtime,
    refresh,
    ...(nextCounter && { nextCounter }),
  });
}

/** The server has said so itself, in an answer that nobody else can write. */
export function wasAnswered(error: unknown): error is DeviceError {
  return error instanceof DeviceError && error.serverNow !== undefined;
}

function pairs({ sig, enc }: NonNullable<StoredDevice['rotating']>): Pick<StoredDevice, 'sig' | 'enc'> {
  return { sig, enc };
}

function rotated(
  { rotating: _done, ...record }: StoredDevice,
  rotating: NonNullable<StoredDevice['rotating']>,
): StoredDevice {
  return { ...record, ...pairs(rotating) };
}
