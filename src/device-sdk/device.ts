/** An enrolled device: everything it can do after enrollment, without any user interface. */
import type { Bytes } from './bytes.ts';
import type { Caller, CallerOptions } from './caller.ts';
import { type ChallengeView, type PostContext, readChallenge, readPostContext } from './challenge.ts';
import { claim } from './claim.ts';
import { fetchDocument } from './document.ts';
import { DeviceError } from './errors.ts';
import { followEvents, type InboxEvent } from './events.ts';
import { keyHealth } from './key-health.ts';
import { createLive, deviceCaller, type Live } from './live.ts';
import { signedProof } from './messages.ts';
import { dismiss, stillNew, withoutDismissed } from './notices.ts';
import { pinKey } from './pin-key.ts';
import { type DeviceOptions, type Runtime, runtimeOf } from './runtime.ts';
import type { DeviceStorage, StoredDevice } from './storage.ts';
import { addPin, changePin, createTicket, type EnrollmentTicket, removePin, rotate, settledPin } from './upkeep.ts';
import { type DecideAnswer, type InboxAnswer, type Method, type StatusAnswer, typ } from './wire.ts';

export type { DeviceOptions } from './runtime.ts';

export type Answer =
  | { decision: 'approve'; pin?: string; match?: string }
  | { decision: 'deny'; reason?: 'not_me' | 'incorrect_data' | 'cancelled' };

export interface DecideResult {
  op: string;
  state: 'approved' | 'denied';
  /** what the service has to say to the one who decided */
  postContext?: PostContext;
}

export interface Device {
  readonly deviceId: string;
  readonly issuer: string;
  /** `<authenticator>`, without trailing slash */
  readonly base: string;
  readonly display: StoredDevice['display'];
  readonly hasPin: boolean;
  /** Opens a session, or tells of the one that is open. Other calls do it by themselves. `exp` in epoch seconds. */
  session(): Promise<{ exp: number }>;
  /** Pending operations, what changed elsewhere, and in how many seconds to ask again where no stream is held. */
  inbox(): Promise<InboxAnswer>;
  /** Resolves when `signal` is aborted; reconnects by itself until then. */
  events(onEvent: (event: InboxEvent) => void | Promise<void>, options: { signal: AbortSignal }): Promise<void>;
  /**
   * Takes what another screen offers, so that this device is asked it, and no other. Approves nothing: the person looks at what comes
   * back, and types the number of that screen. The same code again leads to the same request.
   *
   * @param linkOrCode what the QR code holds
   * @throws DeviceError claim_unreadable before anything is sent; then claim_not_found | claim_taken (by another device) |
   *         method_not_available (this device cannot answer it) | operation_expired | operation_cancelled | what `present` throws
   */
  claim(linkOrCode: string): Promise<ChallengeView>;
  /** @throws DeviceError challenge_invalid | operation_* | device_* | keys_untrusted */
  present(op: string): Promise<ChallengeView>;
  /**
   * The content of the document that the request names, proved to be that one. Show it before an approval is offered.
   *
   * @throws DeviceError document_not_found (the request has none, or only its hash) | document_changed | operation_* | device_*
   */
  document(view: ChallengeView): Promise<Bytes>;
  /**
   * Answer a challenge that was shown.
   *
   * @throws DeviceError pin_required | match_required | method_unavailable | document_unread (`document` was not called for
   *         this request; `external` needs no call) before anything is sent; then
   *         attempt_failed (see `attemptsLeft`) | challenge_stale (present it again) | operation_* | device_*
   */
  decide(view: ChallengeView, answer: Answer): Promise<DecideResult>;
  /** How the server sees this device, and one operation if asked. */
  status(op?: string): Promise<Pick<StatusAnswer, 'device' | 'operation' | 'policy'>>;
  /**
   * Replace the PIN. What was interrupted is settled with the server by itself, before a PIN is needed again.
   *
   * @throws DeviceError pin_required | pin_unchanged | pin_not_digits | pin_too_short (`pin_length`) | pin_too_long | pin_weak |
   *         method_unavailable (no PIN here) before anything is changed; then attempt_failed (the old one was wrong, see
   *         `attemptsLeft`; nothing was changed) | device_locked | network (not known whether it was changed: settled later)
   */
  changePin(pins: { pin: string; newPin: string }): Promise<void>;
  /**
   * Give a device without a PIN one, where `status().policy.methods` has it.
   *
   * @param choice.ticket a fresh enrollment link of the same person and application, or the ticket in it; it is used up
   * @throws DeviceError pin_* | ticket_unreadable before anything is changed; then ticket_invalid | method_not_available |
   *         state_conflict (there is one: change it) | device_* | network
   */
  addPin(choice: { newPin: string; ticket: string }): Promise<void>;
  /** Do without a PIN. @throws DeviceError pin_required | method_unavailable | attempt_failed | device_* | network */
  removePin(choice: { pin: string }): Promise<void>;
  /**
   * Replace the keys of this device; nothing else changes. Interrupted, it goes on by itself with the next call.
   *
   * @param choice.pin    where there is one
   * @param choice.ticket where there is no PIN: a fresh enrollment link of the same person and application
   * @throws DeviceError pin_required | rotation_underway; then attempt_failed | proof_required | ticket_invalid | device_* | network
   */
  rotate(choice: { pin?: string; ticket?: string }): Promise<void>;
  /**
   * A link that makes another device one of the same person. For them alone: whoever opens it can approve as they do.
   *
   * @param choice.application id of another application than this device's own
   * @param choice.ttlSeconds  default 300
   * @throws DeviceError pin_required | method_unavailable (no PIN here); then attempt_failed | application_not_found |
   *         state_conflict (that application is switched off) | invalid_request (ttlSeconds) | device_* | network
   */
  createTicket(choice: { pin: string; application?: string; ttlSeconds?: number }): Promise<EnrollmentTicket>;
  /** The person has seen it: it is not told again by `inbox` and `events` of this storage. */
  dismissNotice(id: string): Promise<void>;
  /**
   * Takes another device of the same person away, at once. Only one that was enrolled after this one; needs no PIN.
   *
   * @throws DeviceError revocation_refused (no such device, or not a newer one)
   */
  revoke(deviceId: string): Promise<void>;
  /** Ends the enrollment at the server, then erases the keys here. */
  unenroll(): Promise<void>;
}

/**
 * The device that this storage holds.
 *
 * @returns undefined where none is enrolled
 * @throws  DeviceError keys_lost, where one was: offer to enroll again
 */
export async function openDevice(storage: DeviceStorage, options: DeviceOptions = {}): Promise<Device | undefined> {
  const health = await keyHealth(storage);
  if (health.state === 'lost') throw new DeviceError('keys_lost', { members: { ...health.trace } });
  const stored = await storage.load('device');
  return stored && createDevice(stored, storage, runtimeOf(options));
}

/** @param stored its keys are known to work, and its server keys are settled */
export async function createDevice(stored: StoredDevice, storage: DeviceStorage, runtime: Runtime): Promise<Device> {
  const live = await createLive(stored, storage, runtime);
  const { caller } = live;
  const { deviceId, base, display } = stored;
  /** of documents that were fetched and were the right ones: the hash of the context that names each */
  const read = new Set<string>();
  return {
    deviceId,
    base,
    display,
    issuer: stored.issuer,
    get hasPin() {
      return live.stored().pin !== undefined;
    },
    session: async () => ({ exp: (await caller.session()).exp }),
    inbox: async () => withoutDismissed(storage, (await caller.inSession('inbox', {})) as unknown as InboxAnswer),
    events: (onEvent, { signal }) => {
      const tell = async (event: InboxEvent) => {
        const told = await stillNew(storage, event);
        if (told) await onEvent(told);
      };
      return followEvents(caller, runtime, tell, signal);
    },
    claim: async (linkOrCode) => present(caller, await claim(caller, linkOrCode)),
    present: (op) => present(caller, op),
    document: async (view) => {
      const { document } = view;
      if (!document || document.display === 'external') throw new DeviceError('document_not_found');
      const content = await fetchDocument(caller, view, document);
      read.add(view.contextHash);
      return content;
    },
    decide: async (view, answer) => {
      const mustRead = view.document !== undefined && view.document.display !== 'external';
      if (answer.decision === 'approve' && mustRead && !read.has(view.contextHash)) {
        throw new DeviceError('document_unread');
      }
      return decide(live, view, answer);
    },
    status: async (op) => caller.inSession('status', { op }) as Promise<unknown> as Promise<StatusAnswer>,
    dismissNotice: (id) => dismiss(storage, id),
    revoke: async (other) => void (await caller.signed('unenroll', { device: other })),
    changePin: (pins) => changePin(live, pins),
    addPin: (choice) => addPin(live, choice),
    removePin: (choice) => removePin(live, choice),
    rotate: (choice) => rotate(live, choice),
    createTicket: (choice) => createTicket(live, choice),
    unenroll: async () => {
      await caller.signed('unenroll', {});
      await storage.erase('device');
      await storage.erase('notices');
      await storage.trace?.forget();
    },
  };
}

/** A caller that signs as this device. */
export async function callerOf(
  stored: StoredDevice,
  runtime: Runtime,
  refresh: CallerOptions['refresh'],
): Promise<Caller> {
  return deviceCaller(stored, runtime, refresh);
}

async function present(caller: Caller, op: string): Promise<ChallengeView> {
  const { challenge } = await caller.inSession('present', { op });
  const { payload, claims } = await caller.openSealed(String(challenge), typ.challenge);
  return readChallenge(payload, claims, { op, now: caller.now() });
}

async function decide(live: Live, view: ChallengeView, answer: Answer): Promise<DecideResult> {
  const { caller } = live;
  const { op, challengeHash, contextHash } = view;
  const binding = { op, challenge_sha256: challengeHash, ctx_hash: contextHash };
  const result =
    answer.decision === 'deny'
      ? await caller.signed('decide', { ...binding, decision: 'deny', reason: answer.reason, method: 'device' })
      : await approve(live, view, answer, binding);
  const { state, post_context: sealed } = result as unknown as DecideAnswer;
  if (sealed === undefined) return { op, state };
  const { claims } = await caller.openSealed(sealed, typ.context);
  return { op, state, postContext: readPostContext(claims) };
}

async function approve(
  live: Live,
  view: ChallengeView,
  { pin, match }: { pin?: string; match?: string },
  binding: object,
): Promise<Record<string, unknown>> {
  const { caller } = live;
  const stored = pin ? await settledPin(live) : live.stored();
  const method = methodFor(view.methods, stored, pin);
  if (view.match.mode !== 'none' && !match) throw new DeviceError('match_required');
  const number = view.match.mode === 'none' ? undefined : match;
  const payload = { ...binding, decision: 'approve', method, match: number };
  if (method === 'device') return caller.signed('decide', payload);
  const key = await pinKey(stored.pin as NonNullable<StoredDevice['pin']>, pin as string);
  return caller.signed('decide', payload, async (bytes) => [await signedProof(key, bytes)]);
}

/** A PIN that was typed is used; without one, possession alone where the request allows it. */
function methodFor(methods: Method[], { pin: hasPin }: StoredDevice, pin: string | undefined): Method {
  if (pin && hasPin && methods.includes('pin')) return 'pin';
  if (methods.includes('device')) return 'device';
  throw new DeviceError(hasPin && methods.includes('pin') ? 'pin_required' : 'method_unavailable');
}
