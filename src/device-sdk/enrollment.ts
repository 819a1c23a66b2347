/**
 * Enrollment in steps, so that a person sees for whom the device is enrolled and chooses a PIN before anything is final:
 *
 *     beginEnrollment ──redeem──> {display, policy} ──finish({pin})──> enroll ──> confirm ──────────────> an enrolled Device
 *                                                            │                 └ onProgress: six digits to be typed
 *                                                            │                   elsewhere, or another device is asked
 *                                                            └ interrupted after this: resumeEnrollment, without the PIN
 *
 * Keys that were sent may count at the server, so they are not given up before it has said that they do not. Another link that
 * is opened meanwhile finishes them if nothing else is wanted; otherwise they wait beside it, and are taken back when its keys
 * have arrived.
 */
import { sha256 } from './bytes.ts';
import { createCaller, type Prove } from './caller.ts';
import {
  callerFor,
  confirm,
  confirmAgain,
  dropCurrent,
  firstContact,
  hasKeys,
  isOver,
  look,
  takeBack,
  type Unfinished,
  underWay,
  unfinishedIn,
  type Waiting,
} from './confirmation.ts';
import { createDevice, type Device } from './device.ts';
import { codeOf, DeviceError } from './errors.ts';
import { newKeyPair, type StoredKeyPair, thumbprint, usableKey } from './keys.ts';
import { signedProof } from './messages.ts';
import { newPinKey } from './pin-key.ts';
import { checkNewPin } from './pin-policy.ts';
import { type DeviceOptions, type Runtime, runtimeOf } from './runtime.ts';
import type { ServerKeySet } from './server-keys.ts';
import type { DeviceStorage, StoredDevice, StoredEnrollment } from './storage.ts';
import { mayArriveSeconds } from './upkeep.ts';
import { type EcPublicJwk, type EnrollAnswer, type RedeemAnswer, typ } from './wire.ts';

export type { EnrollmentProgress, Waiting } from './confirmation.ts';

/** A link (`<authenticator>/#t=…&k=…`), or what a person typed. */
export type EnrollmentSource = string | { authenticatorUrl: string; user: string; activationCode: string };

/** Shown to people in lists of devices; trusted for nothing. */
export interface DeviceInfo {
  name?: string;
  model?: string;
  os?: string;
  appVersion?: string;
}

export interface FinishChoice extends Waiting {
  device: DeviceInfo;
  pin?: string;
  /** the platform's statement about the device's signing key, where `policy.attestation` is not `off` */
  attest?: (given: { challenge: string; jwk: EcPublicJwk }) => Promise<{ kind: string; blob: string }>;
}

export interface Enrollment {
  readonly deviceId: string;
  /** for whom, at whose service: show it before `finish` */
  readonly display: RedeemAnswer['display'];
  /** `pin_length` is the least number of digits; `methods` what this application may activate */
  readonly policy: RedeemAnswer['policy'];
  /**
   * The keys are at the server, since this link was opened before: `finish` goes on with them, and with the PIN that was chosen
   * then. Ask for none.
   */
  readonly isSent: boolean;
  /**
   * Make the keys, prove them, wait for what else the application wants, and become active. May be called again after a
   * failure.
   *
   * @throws DeviceError pin_* (choose another) | enrollment_conflict | key_reused | ticket_invalid | network | attestation_refused |
   *         no_approving_device | enrollment_denied (final) | enrollment_waiting (`signal` was aborted) …
   */
  finish(choice: FinishChoice): Promise<Device>;
  /** {@link abandonEnrollment}, of this one alone; one that waited when its link was opened goes on. */
  abandon(): Promise<void>;
}

/** @throws DeviceError ticket_unreadable */
export function parseTicket(uri: string): { base: string; ticket: string; k: string; o?: string } {
  const url = URL.canParse(uri.trim()) ? new URL(uri.trim()) : undefined;
  const fragment = new URLSearchParams(url?.hash.slice(1));
  const ticket = fragment.get('t');
  const k = fragment.get('k');
  if (!url || !isWeb(url) || !ticket || !k) throw new DeviceError('ticket_unreadable');
  const o = fragment.get('o');
  return { base: baseOf(url), ticket, k, ...(o && { o }) };
}

/**
 * Redeem a ticket or an activation code. The same link opened again goes on with the same key.
 *
 * An enrolled device in this storage keeps working until the new one is active, which then takes its place.
 *
 * So does an enrollment whose keys were sent and that waits; one that only missed the last answer is finished first.
 *
 * @param options.onPostContext of an enrollment that is finished so
 * @throws DeviceError ticket_unreadable | keys_untrusted | ticket_invalid | ticket_bound | enrollment_conflict | network |
 *         already_enrolled (by this very link, see `openDevice`: only its last answer was missing) …
 */
export async function beginEnrollment(
  storage: DeviceStorage,
  source: EnrollmentSource,
  options: DeviceOptions & Pick<Waiting, 'onPostContext'> = {},
): Promise<Enrollment> {
  const place = { storage, runtime: runtimeOf(options) };
  const { members, ...from } = readSource(source);
  const link = { ...from, sourceHash: await sha256(JSON.stringify(members)) };
  const again = await openedAgain(place, link, options);
  const draft = again?.draft ?? (await newDraft(place, link, options));
  const serverKeys = await firstContact(draft, place.runtime);
  // durable before it is sent: the ticket belongs to this key from then on
  if (!again) await storage.save('enrolling', draft);
  const answer = await redeem(draft, serverKeys, members, place.runtime);
  return createEnrollment({ ...place, draft, serverKeys, answer, isSent: again?.isSent ?? false });
}

/**
 * Go on with an enrollment that was interrupted after its keys were sent: no PIN is needed, the server confirms again.
 *
 * @throws DeviceError nothing_to_resume | device_refused (the server never got the keys: begin again) | network | enrollment_denied …
 */
export async function resumeEnrollment(storage: DeviceStorage, options: DeviceOptions & Waiting = {}): Promise<Device> {
  const unfinished = await unfinishedIn(storage);
  if (!unfinished) throw new DeviceError('nothing_to_resume');
  try {
    return await confirmAgain({ storage, runtime: runtimeOf(options) }, unfinished, options);
  } catch (error) {
    if (!isOver(error) || !hasKeys(unfinished.draft.former)) throw error;
    await unfinished.drop();
    return resumeEnrollment(storage, options);
  }
}

/**
 * Give up what `resumeEnrollment` would go on with. Keys that were sent are taken back, so that nobody is asked about them any
 * longer; where the server cannot be reached it lets them run out with the ticket.
 */
export async function abandonEnrollment(storage: DeviceStorage, options: DeviceOptions = {}): Promise<void> {
  const unfinished = await unfinishedIn(storage);
  if (!unfinished) return storage.erase('enrolling');
  await unfinished.drop();
  await takeBack(unfinished.draft, runtimeOf(options));
}

interface Place {
  storage: DeviceStorage;
  runtime: Runtime;
}

type Link = Pick<StoredEnrollment, 'base' | 'k' | 'o' | 'sourceHash'>;

/** undefined: another link than the one under way, or one of which nothing will come. */
async function openedAgain(
  place: Place,
  link: Link,
  waiting: Pick<Waiting, 'onPostContext'>,
): Promise<{ draft: StoredEnrollment; isSent: boolean } | undefined> {
  const { storage } = place;
  const held = await storage.load('enrolling');
  if (!held || !isOf(held, link)) return undefined;
  if (!hasKeys(held)) return { draft: held, isSent: false };
  const state = await look(place, underWay(storage, held), waiting);
  if (state === 'active') throw new DeviceError('already_enrolled');
  const draft = await storage.load('enrolling');
  return draft && isOf(draft, link) ? { draft, isSent: state === 'waits' } : undefined;
}

async function newDraft(place: Place, link: Link, waiting: Pick<Waiting, 'onPostContext'>): Promise<StoredEnrollment> {
  const former = await stillUnfinished(place, waiting);
  const sig = await newKeyPair('sig', place.storage.exportable);
  return { v: 1, ...link, sig, ...(former && { former }) };
}

/** What is not known to be over is kept, also where its server, which may be another one, cannot be reached. */
async function stillUnfinished(place: Place, waiting: Pick<Waiting, 'onPostContext'>) {
  const unfinished = await unfinishedIn(place.storage);
  if (!unfinished) return undefined;
  const state = await look(place, unfinished, waiting).catch(() => 'unknown');
  if (state === 'active' || state === 'over') return undefined;
  return (await unfinishedIn(place.storage))?.draft;
}

function isOf(held: StoredEnrollment, { sourceHash, base, k }: Link): boolean {
  return held.sourceHash === sourceHash && held.base === base && held.k === k;
}

interface Steps extends Place {
  draft: StoredEnrollment;
  serverKeys: ServerKeySet;
  answer: RedeemAnswer;
  isSent: boolean;
}

function createEnrollment(steps: Steps): Enrollment {
  const { storage, runtime, draft, answer, isSent } = steps;

  async function finish({ device: info, pin, attest, ...waiting }: FinishChoice): Promise<Device> {
    const device = await storage.load('device');
    if (device && isSamePair(device.sig, draft.sig)) return createDevice(device, storage, runtime);
    // An answer may have been lost, here or in another window: then the server has these keys, and others would not open it.
    const held = await mine();
    const sent = hasKeys(held) && underWay(storage, held);
    const known = sent && (await confirmAgain(steps, sent, waiting).catch(unlessNeverArrived));
    if (known) return known;
    if (pin !== undefined) checkNewPin(pin, answer.policy.pin_length);
    const attestation = await attest?.({ challenge: answer.nonce, jwk: draft.sig.publicJwk });
    const made = await makeDevice(steps, pin, held?.device);
    const unfinished = await keptWith(made.stored, held);
    const caller = await callerFor(unfinished.draft, runtime);
    const members = { ...enrollMembers(answer.nonce, made.stored, info), attestation };
    const enrolled = (await caller.signed('enroll', members, made.prove)) as unknown as EnrollAnswer;
    const confirmation = await caller.openSealed(enrolled.confirm, typ.confirm);
    return confirm({ storage, runtime, caller, unfinished, waiting }, confirmation);
  }

  /** As it rests on the storage; undefined where another window has opened another link since. */
  async function mine(): Promise<StoredEnrollment | undefined> {
    const held = await storage.load('enrolling');
    return held && isSamePair(held.sig, draft.sig) ? held : undefined;
  }

  async function keptWith(device: StoredDevice, held: StoredEnrollment | undefined): Promise<Unfinished> {
    const former = held ? held.former : (await unfinishedIn(storage))?.draft;
    const { settled: _of, confirm: _other, former: _keys, ...rest } = held ?? draft;
    const unfinished = underWay(storage, { ...rest, device, ...(former && { former }) });
    await unfinished.save(unfinished.draft);
    return unfinished;
  }

  function unlessNeverArrived(error: unknown): undefined {
    const neverArrived = ['device_refused', 'nothing_to_resume'].includes(codeOf(error) ?? '');
    // nobody was asked for a PIN: there is nothing to begin again with
    if (!neverArrived || isSent) throw error;
    return undefined;
  }

  return {
    deviceId: answer.device_id,
    display: answer.display,
    policy: answer.policy,
    isSent,
    finish,
    async abandon() {
      const held = await mine();
      if (!held) return;
      await dropCurrent(storage);
      if (hasKeys(held)) await takeBack(held, runtime);
    },
  };
}

function isSamePair(one: StoredKeyPair, other: StoredKeyPair): boolean {
  return one.publicJwk.x === other.publicJwk.x && one.publicJwk.y === other.publicJwk.y;
}

async function redeem(
  draft: StoredEnrollment,
  serverKeys: ServerKeySet,
  members: object,
  runtime: Runtime,
): Promise<RedeemAnswer> {
  const { base, sig } = draft;
  const key = await usableKey(sig.privateKey, 'sig');
  const refresh = () => firstContact(draft, runtime);
  const id = await thumbprint(sig.publicJwk);
  const caller = createCaller({ base, id, key, jwk: sig.publicJwk, serverKeys, runtime, refresh });
  return (await caller.signed('redeem', members)) as unknown as RedeemAnswer;
}

/** @param before of an attempt that is not known to have arrived, and that still may: whichever does, its confirmation opens and its PIN is found */
async function makeDevice(
  { storage, runtime, draft, serverKeys, answer }: Steps,
  pin: string | undefined,
  before: StoredDevice | undefined,
): Promise<{ stored: StoredDevice; prove?: Prove }> {
  const enc = before?.enc ?? (await newKeyPair('enc', storage.exportable));
  const earlier = [...(before?.pin ? [before.pin] : []), ...(before?.pinChange?.next ?? [])];
  const until = Math.floor(runtime.now() / 1000) + mayArriveSeconds;
  const pinned = pin === undefined ? undefined : await newPinKey(pin, storage.exportable);
  const stored: StoredDevice = {
    v: 1,
    base: draft.base,
    issuer: serverKeys.issuer,
    deviceId: answer.device_id,
    sig: draft.sig,
    enc,
    ...(pinned && { pin: pinned.stored }),
    ...(earlier.length > 0 && { pinChange: { next: earlier, until } }),
    serverKeys,
    ...(answer.keys_for !== undefined && { keysFor: answer.keys_for }),
    display: answer.display,
  };
  return pinned
    ? { stored, prove: async (bytes) => [await signedProof(pinned.key, bytes, pinned.publicJwk)] }
    : { stored };
}

function enrollMembers(nonce: string, { enc, pin }: StoredDevice, { name, model, os, appVersion }: DeviceInfo): object {
  return {
    nonce,
    keys: { enc: enc.publicJwk, ...(pin && { pin: { kid: pin.kid } }) },
    device: { name, model, os, app_version: appVersion },
  };
}

function readSource(source: EnrollmentSource): { base: string; k?: string; o?: string; members: object } {
  if (typeof source === 'string') {
    const { ticket, ...from } = parseTicket(source);
    return { ...from, members: { ticket } };
  }
  const { authenticatorUrl, user, activationCode } = source;
  const url = URL.canParse(authenticatorUrl) ? new URL(authenticatorUrl) : undefined;
  if (!url || !isWeb(url)) throw new DeviceError('ticket_unreadable');
  return { base: baseOf(url), members: { user, activation_code: activationCode } };
}

function isWeb({ protocol }: URL): boolean {
  return protocol === 'https:' || protocol === 'http:';
}

function baseOf({ origin, pathname }: URL): string {
  return origin + pathname.replace(/\/+$/, '');
}
