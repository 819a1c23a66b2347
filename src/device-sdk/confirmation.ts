/**
 * What follows when the keys of an enrollment were sent: the server confirms, and what it confirms is quoted to it.
 *
 *     sent ──status──> confirmation ──quoted──> (something else is awaited: quoted again and again) ──> active: a Device
 *       │                 └ does not open, or the server has no keys: nothing will come of it
 *       └ interrupted anywhere: the same from the beginning, with what was kept
 */
import type { Caller } from './caller.ts';
import { type PostContext, readPostContext } from './challenge.ts';
import { callerOf, createDevice, type Device } from './device.ts';
import { codeOf, DeviceError } from './errors.ts';
import { wasAnswered } from './live.ts';
import type { Runtime } from './runtime.ts';
import { chainedSet, fetchSets, firstSet, nextSet, type ServerKeySet } from './server-keys.ts';
import type { DeviceStorage, StoredDevice, StoredEnrollment } from './storage.ts';
import { type NamedJwk, type StatusAnswer, typ } from './wire.ts';

/** What the keys are waiting for, after they were sent and before the device is active. */
export interface EnrollmentProgress {
  /** `code`: the digits are typed where the link was shown. `approval`: another device of the person is asked. */
  waiting: 'code' | 'approval';
  /** six digits to show, large; with `approval` they are typed on the other device. Absent where none are asked for. */
  code?: string;
  /** epoch seconds, server's clock: until then */
  expiresAt: number;
}

export interface Waiting {
  /** called when it begins to wait, and again whenever the server was asked and still waits */
  onProgress?: (progress: EnrollmentProgress) => void;
  /** called once it is active, where whoever made the link has something to say then; show it as text, never as HTML */
  onPostContext?: (context: PostContext) => void;
  /** stop waiting; the enrollment is kept, {@link resumeEnrollment} goes on */
  signal?: AbortSignal;
}

/** An enrollment whose keys were sent. */
export type SentEnrollment = StoredEnrollment & { device: StoredDevice };

/** One that may still be gone on with, and where it lies. */
export interface Unfinished {
  draft: SentEnrollment;
  save(draft: SentEnrollment): Promise<void>;
  /** It has come to an end, whichever. */
  drop(): Promise<void>;
}

/** What `resumeEnrollment` would go on with: the one under way, or where its keys were not sent yet the one before it. */
export async function unfinishedIn(storage: DeviceStorage): Promise<Unfinished | undefined> {
  const held = await storage.load('enrolling');
  if (hasKeys(held)) return underWay(storage, held);
  if (!hasKeys(held?.former)) return undefined;
  return {
    draft: held.former,
    save: async (former) => void (await storage.update('enrolling', (record) => ({ ...record, former }))),
    drop: async () => void (await storage.update('enrolling', ({ former: _over, ...record }) => record)),
  };
}

export function underWay(storage: DeviceStorage, draft: SentEnrollment): Unfinished {
  return {
    draft,
    save: (changed) => storage.save('enrolling', changed),
    drop: () => dropCurrent(storage),
  };
}

/** The one before it, if it is kept, is what is under way again. */
export async function dropCurrent(storage: DeviceStorage): Promise<void> {
  const former = (await storage.load('enrolling'))?.former;
  await (former ? storage.save('enrolling', former) : storage.erase('enrolling'));
}

export function hasKeys(draft: StoredEnrollment | undefined): draft is SentEnrollment {
  return draft?.device !== undefined;
}

export interface Confirming {
  storage: DeviceStorage;
  runtime: Runtime;
  caller: Caller;
  unfinished: Unfinished;
  waiting: Waiting;
}

/**
 * @throws DeviceError device_refused (the server never got the keys) | nothing_to_resume (it has other ones) |
 *         enrollment_waiting | enrollment_denied | network …
 */
export async function confirmAgain(
  { storage, runtime }: { storage: DeviceStorage; runtime: Runtime },
  unfinished: Unfinished,
  waiting: Waiting,
): Promise<Device> {
  const { draft } = unfinished;
  const caller = await callerFor(draft, runtime);
  const confirming = { storage, runtime, caller, unfinished, waiting };
  const { device, confirm: sealed } = (await caller.signed('status', {})) as unknown as StatusAnswer;
  if (sealed !== undefined) return confirm(confirming, await opened(caller, sealed));
  if (device.state !== 'active') throw new DeviceError('device_refused');
  // active means that it was confirmed, which is never done before the keys are settled
  if (!draft.settled) throw new DeviceError('keys_untrusted');
  // the answer that said so was lost, and maybe a text with it: the same quotation brings it again
  const quoted = draft.confirm === undefined ? {} : await caller.signed('status', { confirm: draft.confirm });
  return keepAndTell(confirming, quoted as unknown as StatusAnswer);
}

/**
 * Finishes it if nothing more is wanted, without waiting for what is.
 *
 * @returns `over`: nothing will come of it
 * @throws  DeviceError network and the like: not known
 */
export async function look(
  place: { storage: DeviceStorage; runtime: Runtime },
  unfinished: Unfinished,
  waiting: Pick<Waiting, 'onPostContext'>,
): Promise<'active' | 'waits' | 'over'> {
  try {
    await confirmAgain(place, unfinished, { ...waiting, signal: AbortSignal.abort() });
    return 'active';
  } catch (error) {
    if (codeOf(error) === 'enrollment_waiting') return 'waits';
    if (isOver(error)) return 'over';
    throw error;
  }
}

/** The server has said that nothing will come of these keys; it may only be too busy to say so. */
export function isOver(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  if (code === 'rate_limited' || code === 'unavailable') return false;
  return wasAnswered(error) || ['device_refused', 'nothing_to_resume', 'enrollment_denied'].includes(code);
}

/** As it came with the answer to `enroll`, or again with `status`. */
export interface Confirmation {
  claims: Record<string, unknown>;
  by: NamedJwk;
}

/** A confirmation for other keys than these, which a later `enroll` has replaced or which another window has made. */
async function opened(caller: Caller, sealed: string): Promise<Confirmation> {
  return caller.openSealed(sealed, typ.confirm).catch((cause: unknown) => {
    throw codeOf(cause) === 'server_unexpected' ? new DeviceError('nothing_to_resume', { cause }) : cause;
  });
}

/**
 * Quote what only `enc` could open, and with it settle which seal keys to believe: the one that signed this, inside an
 * answer that only the holder of the link's `box` key can have written, and whatever set that key signs.
 */
export async function confirm(confirming: Confirming, { claims, by }: Confirmation): Promise<Device> {
  const { runtime, caller, unfinished } = confirming;
  const { former, ...draft } = unfinished.draft;
  const { keysFor } = draft.device;
  // these keys are at the server: the ones that they take the place of are wanted by nobody any longer
  for (let old = former; hasKeys(old); old = old.former) await takeBack(old, runtime);
  const serverKeys = await chainedSet(await fetchSets(draft.base, runtime.fetch, keysFor), [by]);
  const device = { ...draft.device, serverKeys };
  const quotes = typeof claims.confirm === 'string' && { confirm: claims.confirm };
  const settled = { ...draft, device, settled: true as const, ...quotes };
  await unfinished.save(settled);
  // the ticket's own box key ends with the ticket, and that with the next message: from here on it is the device's
  const settledCaller = keysFor === undefined ? caller : await callerFor(settled, runtime);
  const going = { ...confirming, caller: settledCaller, unfinished: { ...unfinished, draft: settled } };
  const answer = await untilActive(going, claims).catch(async (error: unknown) => {
    // nothing will come of these keys any longer; the first answer that said so may have been lost
    const isDenied = codeOf(error) === 'enrollment_denied' || codeOf(error) === 'device_deactivated';
    if (isDenied) await unfinished.drop();
    throw isDenied ? new DeviceError('enrollment_denied', { cause: error }) : error;
  });
  return keepAndTell(going, answer);
}

/** Each message quotes the value again; the one that finds nothing in the way makes the device active. */
async function untilActive(
  { caller, runtime, waiting }: Confirming,
  claims: Record<string, unknown>,
): Promise<StatusAnswer> {
  const { onProgress, signal } = waiting;
  const code = typeof claims.code === 'string' ? { code: claims.code } : {};
  const ask = async () => (await caller.signed('status', { confirm: claims.confirm })) as unknown as StatusAnswer;
  let answer = await ask();
  while (answer.enrollment) {
    const { enrollment } = answer;
    onProgress?.({ waiting: enrollment.waiting, ...code, expiresAt: enrollment.exp });
    await runtime.sleep(enrollment.poll_seconds * 1000, signal);
    if (signal?.aborted) throw new DeviceError('enrollment_waiting');
    const last: StatusAnswer = answer;
    // the person may be away for minutes; a network that is gone for a moment is no end
    const unlessOver = (error: unknown) => {
      if (codeOf(error) === 'network' && caller.now() < enrollment.exp) return last;
      throw error;
    };
    answer = await ask().catch(unlessOver);
  }
  return answer;
}

/** The device is active, whatever comes of the text: one that does not verify is not shown, and stands in nobody's way. */
async function keepAndTell(confirming: Confirming, answer: StatusAnswer): Promise<Device> {
  const { caller, waiting } = confirming;
  const { onPostContext } = waiting;
  const { post_context: sealed } = answer;
  const openedText = sealed === undefined || !onPostContext ? undefined : caller.openSealed(sealed, typ.context);
  const context = await openedText?.then(({ claims }) => readPostContext(claims)).catch(() => undefined);
  const device = await keep(confirming);
  if (context) onPostContext?.(context);
  return device;
}

async function keep({ storage, runtime, unfinished }: Confirming): Promise<Device> {
  const { device: stored } = unfinished.draft;
  const { deviceId, base, display } = stored;
  await storage.save('device', stored);
  await storage.trace?.remember({ deviceId, base, display });
  await unfinished.drop();
  await storage.erase('notices');
  return createDevice(stored, storage, runtime);
}

/** Nobody is asked about these keys any longer; where the server cannot be reached they run out with their ticket. */
export async function takeBack(draft: SentEnrollment, runtime: Runtime): Promise<void> {
  const caller = await callerFor(draft, runtime);
  await caller.signed('unenroll', {}).catch(() => undefined);
}

export function callerFor(draft: SentEnrollment, runtime: Runtime): Promise<Caller> {
  const { base, device, settled } = draft;
  if (!settled || device.keysFor === undefined) return callerOf(device, runtime, () => firstContact(draft, runtime));
  const { keysFor } = device;
  return callerOf(device, runtime, async (held) => nextSet(await fetchSets(base, runtime.fetch, keysFor), held));
}

/** Until the seal keys are settled, `k` is all that vouches for the server, so every fetch is a first contact. */
export async function firstContact({ base, k, o }: StoredEnrollment, { fetch }: Runtime): Promise<ServerKeySet> {
  return firstSet(await fetchSets(base, fetch, o === undefined ? undefined : `t.${o}`), k);
}
