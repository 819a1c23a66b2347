/**
 * Enrollment in steps, so that a person sees for whom the device is enrolled and chooses a PIN before anything is final:
 *
 *     beginEnrollment ──redeem──> {display, policy} ──finish({pin})──> enroll ──> confirm ──────────────> an enrolled Device
 *                                                            │                 └ onProgress: six digits to be typed
 *                                                            │                   elsewhere, or another device is asked
 *                                                            └ interrupted after this: resumeEnrollment, without the PIN
 */
import { sha256 } from './bytes.ts';
import { type Caller, createCaller, type Prove } from './caller.ts';
import { type PostContext, readPostContext } from './challenge.ts';
import { callerOf, createDevice, type Device } from './device.ts';
import { codeOf, DeviceError } from './errors.ts';
import { newKeyPair, thumbprint, usableKey } from './keys.ts';
import { signedProof } from './messages.ts';
import { newPinKey } from './pin-key.ts';
import { checkNewPin } from './pin-policy.ts';
import { type DeviceOptions, type Runtime, runtimeOf } from './runtime.ts';
import { chainedSet, fetchSets, firstSet, type ServerKeySet } from './server-keys.ts';
import type { DeviceStorage, StoredDevice, StoredEnrollment } from './storage.ts';
import { type EcPublicJwk, type EnrollAnswer, type RedeemAnswer, type StatusAnswer, typ } from './wire.ts';

/** A link (`<authenticator>/#t=…&k=…`), or what a person typed. */
export type EnrollmentSource = string | { authenticatorUrl: string; user: string; activationCode: string };

/** Shown to people in lists of devices; trusted for nothing. */
export interface DeviceInfo {
  name?: string;
  model?: string;
  os?: string;
  appVersion?: string;
}

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
   * Make the keys, prove them, wait for what else the application wants, and become active. May be called again after a
   * failure.
   *
   * @throws DeviceError pin_* (choose another) | enrollment_conflict | key_reused | ticket_invalid | network | attestation_refused |
   *         no_approving_device | enrollment_denied (final) | enrollment_waiting (`signal` was aborted) …
   */
  finish(choice: FinishChoice): Promise<Device>;
  /** {@link abandonEnrollment} */
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
 * @throws DeviceError ticket_unreadable | keys_untrusted | ticket_invalid | ticket_bound | network …
 */
export async function beginEnrollment(
  storage: DeviceStorage,
  source: EnrollmentSource,
  options: DeviceOptions = {},
): Promise<Enrollment> {
  const runtime = runtimeOf(options);
  const { members, ...from } = readSource(source);
  const draft = await draftFor(storage, { ...from, sourceHash: await sha256(JSON.stringify(members)) });
  const serverKeys = await firstContact(draft, runtime);
  const answer = await redeem(draft, serverKeys, members, runtime);
  return createEnrollment({ storage, runtime, draft, serverKeys, answer });
}

/**
 * Go on with an enrollment that was interrupted after its keys were sent: no PIN is needed, the server confirms again.
 *
 * @throws DeviceError nothing_to_resume | device_refused (the server never got the keys: begin again) | network | enrollment_denied …
 */
export async function resumeEnrollment(storage: DeviceStorage, options: DeviceOptions & Waiting = {}): Promise<Device> {
  return confirmAgain(storage, runtimeOf(options), options);
}

/**
 * Give up an enrollment. Keys that were sent are taken back, so that nobody is asked about them any longer; where the server
 * cannot be reached it lets them run out with the ticket.
 */
export async function abandonEnrollment(storage: DeviceStorage, options: DeviceOptions = {}): Promise<void> {
  await abandonDraft(storage, runtimeOf(options));
}

async function abandonDraft(storage: DeviceStorage, runtime: Runtime): Promise<void> {
  const draft = await storage.load('enrolling');
  await storage.erase('enrolling');
  if (!hasKeys(draft)) return;
  const caller = await callerFor(draft, runtime);
  await caller.signed('unenroll', {}).catch(() => undefined);
}

interface Steps {
  storage: DeviceStorage;
  runtime: Runtime;
  draft: StoredEnrollment;
  serverKeys: ServerKeySet;
  answer: RedeemAnswer;
}

function createEnrollment(steps: Steps): Enrollment {
  const { storage, runtime, draft, answer } = steps;
  let isSent = false;
  return {
    deviceId: answer.device_id,
    display: answer.display,
    policy: answer.policy,
    async finish({ device: info, pin, attest, ...waiting }) {
      // The answer of the first attempt may have been lost: then the server has these keys, and other ones would be refused.
      const known = isSent && (await confirmAgain(storage, runtime, waiting).catch(unlessNeverArrived));
      if (known) return known;
      if (pin !== undefined) checkNewPin(pin, answer.policy.pin_length);
      const attestation = await attest?.({ challenge: answer.nonce, jwk: draft.sig.publicJwk });
      const made = await makeDevice(steps, pin);
      const withKeys = { ...draft, device: made.stored };
      await storage.save('enrolling', withKeys);
      isSent = true;
      const caller = await callerFor(withKeys, runtime);
      const members = { ...enrollMembers(answer.nonce, made.stored, info), attestation };
      const enrolled = (await caller.signed('enroll', members, made.prove)) as unknown as EnrollAnswer;
      return confirm({ storage, runtime, caller, draft: withKeys, waiting }, enrolled.confirm);
    },
    abandon: () => abandonDraft(storage, runtime),
  };
}

/** Until the seal keys are settled, `k` is all that vouches for the server, so every fetch is a first contact. */
async function firstContact({ base, k, o }: StoredEnrollment, { fetch }: Runtime): Promise<ServerKeySet> {
  return firstSet(await fetchSets(base, fetch, o === undefined ? undefined : `t.${o}`), k);
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

async function draftFor(
  storage: DeviceStorage,
  from: Pick<StoredEnrollment, 'base' | 'k' | 'o' | 'sourceHash'>,
): Promise<StoredEnrollment> {
  const held = await storage.load('enrolling');
  if (held?.sourceHash === from.sourceHash && held.base === from.base && held.k === from.k) return held;
  const draft: StoredEnrollment = { v: 1, ...from, sig: await newKeyPair('sig', storage.exportable) };
  await storage.save('enrolling', draft);
  return draft;
}

async function makeDevice(
  { storage, draft, serverKeys, answer }: Steps,
  pin: string | undefined,
): Promise<{ stored: StoredDevice; prove?: Prove }> {
  const enc = await newKeyPair('enc', storage.exportable);
  const pinned = pin === undefined ? undefined : await newPinKey(pin, storage.exportable);
  const stored: StoredDevice = {
    v: 1,
    base: draft.base,
    issuer: serverKeys.issuer,
    deviceId: answer.device_id,
    sig: draft.sig,
    enc,
    ...(pinned && { pin: pinned.stored }),
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

/** An enrollment whose keys were sent. */
type SentEnrollment = StoredEnrollment & { device: StoredDevice };

async function confirmAgain(storage: DeviceStorage, runtime: Runtime, waiting: Waiting): Promise<Device> {
  const draft = await storage.load('enrolling');
  if (!hasKeys(draft)) throw new DeviceError('nothing_to_resume');
  const caller = await callerFor(draft, runtime);
  const { device, confirm: sealed } = (await caller.signed('status', {})) as unknown as StatusAnswer;
  if (sealed !== undefined) return confirm({ storage, runtime, caller, draft, waiting }, sealed);
  if (device.state !== 'active') throw new DeviceError('device_refused');
  // active means that it was confirmed, which is never done before the keys are settled
  if (!draft.settled) throw new DeviceError('keys_untrusted');
  // the answer that said so was lost, and maybe a text with it: the same quotation brings it again
  const quoted = draft.confirm === undefined ? {} : await caller.signed('status', { confirm: draft.confirm });
  return keepAndTell({ storage, runtime, caller, draft, waiting }, quoted as unknown as StatusAnswer);
}

interface Confirming {
  storage: DeviceStorage;
  runtime: Runtime;
  caller: Caller;
  draft: SentEnrollment;
  waiting: Waiting;
}

/**
 * Quote what only `enc` could open, and with it settle which seal keys to believe: the one that signed this, inside an
 * answer that only the holder of the link's `box` key can have written, and whatever set that key signs.
 */
async function confirm(confirming: Confirming, sealed: string): Promise<Device> {
  const { storage, runtime, caller, draft } = confirming;
  const { claims, by } = await caller.openSealed(sealed, typ.confirm);
  const { keysFor } = draft.device;
  const serverKeys = await chainedSet(await fetchSets(draft.base, runtime.fetch, keysFor), [by]);
  const device = { ...draft.device, serverKeys };
  const quotes = typeof claims.confirm === 'string' && { confirm: claims.confirm };
  const settled = { ...draft, device, settled: true as const, ...quotes };
  await storage.save('enrolling', settled);
  // the ticket's own box key ends with the ticket, and that with the next message: from here on it is the device's
  const settledCaller = keysFor === undefined ? caller : await callerFor(settled, runtime);
  const going = { ...confirming, caller: settledCaller, draft: settled };
  const answer = await untilActive(going, claims).catch(async (error: unknown) => {
    // nothing will come of these keys any longer; the first answer that said so may have been lost
    const isOver = codeOf(error) === 'enrollment_denied' || codeOf(error) === 'device_deactivated';
    if (isOver) await storage.erase('enrolling');
    throw isOver ? new DeviceError('enrollment_denied', { cause: error }) : error;
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
async function keepAndTell({ storage, runtime, caller, draft, waiting }: Confirming, answer: StatusAnswer) {
  const { onPostContext } = waiting;
  const { post_context: sealed } = answer;
  const opened = sealed === undefined || !onPostContext ? undefined : caller.openSealed(sealed, typ.context);
  const context = await opened?.then(({ claims }) => readPostContext(claims)).catch(() => undefined);
  const device = await keep(storage, runtime, draft.device);
  if (context) onPostContext?.(context);
  return device;
}

function hasKeys(draft: StoredEnrollment | undefined): draft is SentEnrollment {
  return draft?.device !== undefined;
}

async function keep(storage: DeviceStorage, runtime: Runtime, stored: StoredDevice): Promise<Device> {
  const { deviceId, base, display } = stored;
  await storage.save('device', stored);
  await storage.trace?.remember({ deviceId, base, display });
  await storage.erase('enrolling');
  await storage.erase('notices');
  return createDevice(stored, storage, runtime);
}

function callerFor(draft: SentEnrollment, runtime: Runtime): Promise<Caller> {
  const { base, device, settled } = draft;
  if (!settled || device.keysFor === undefined) return callerOf(device, runtime, () => firstContact(draft, runtime));
  const { keysFor } = device;
  return callerOf(device, runtime, async ({ seal, iat }) =>
    chainedSet(await fetchSets(base, runtime.fetch, keysFor), seal, iat),
  );
}

function unlessNeverArrived(error: unknown): undefined {
  if (codeOf(error) === 'device_refused') return undefined;
  throw error;
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
