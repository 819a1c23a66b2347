/** An enrolled device: everything it can do after enrollment, without any user interface. */
import { type Caller, type CallerOptions, createCaller } from './caller.ts';
import { type ChallengeView, type PostContext, readChallenge, readPostContext } from './challenge.ts';
import { DeviceError } from './errors.ts';
import { followEvents, type InboxEvent } from './events.ts';
import { keyHealth } from './key-health.ts';
import { usableKey } from './keys.ts';
import { signedProof } from './messages.ts';
import { dismiss, stillNew, withoutDismissed } from './notices.ts';
import { pinKey } from './pin-key.ts';
import { type DeviceOptions, type Runtime, runtimeOf } from './runtime.ts';
import { chainedSet, fetchSets } from './server-keys.ts';
import type { DeviceStorage, StoredDevice } from './storage.ts';
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
  /** @throws DeviceError challenge_invalid | operation_* | device_* | keys_untrusted */
  present(op: string): Promise<ChallengeView>;
  /**
   * Answer a challenge that was shown.
   *
   * @throws DeviceError pin_required | match_required | method_unavailable before anything is sent; then
   *         attempt_failed (see `attemptsLeft`) | challenge_stale (present it again) | operation_* | device_*
   */
  decide(view: ChallengeView, answer: Answer): Promise<DecideResult>;
  /** How the server sees this device, and one operation if asked. */
  status(op?: string): Promise<Pick<StatusAnswer, 'device' | 'operation'>>;
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
  const caller = await callerOf(stored, runtime, async ({ seal, iat }) => {
    const serverKeys = await chainedSet(await fetchSets(stored.base, runtime.fetch), seal, iat);
    await storage.save('device', { ...stored, serverKeys });
    return serverKeys;
  });
  const { deviceId, base, display } = stored;
  return {
    deviceId,
    base,
    display,
    issuer: stored.issuer,
    hasPin: stored.pin !== undefined,
    session: async () => ({ exp: (await caller.session()).exp }),
    inbox: async () => withoutDismissed(storage, (await caller.inSession('inbox', {})) as unknown as InboxAnswer),
    events: (onEvent, { signal }) => {
      const tell = async (event: InboxEvent) => {
        const told = await stillNew(storage, event);
        if (told) await onEvent(told);
      };
      return followEvents(caller, runtime, tell, signal);
    },
    present: (op) => present(caller, op),
    decide: (view, answer) => decide(caller, stored, view, answer),
    status: async (op) => caller.inSession('status', { op }) as Promise<unknown> as Promise<StatusAnswer>,
    dismissNotice: (id) => dismiss(storage, id),
    revoke: async (other) => void (await caller.signed('unenroll', { device: other })),
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
  return createCaller({
    base: stored.base,
    id: stored.deviceId,
    key: await usableKey(stored.sig.privateKey, 'sig'),
    enc: await usableKey(stored.enc.privateKey, 'enc'),
    serverKeys: stored.serverKeys,
    runtime,
    refresh,
  });
}

async function present(caller: Caller, op: string): Promise<ChallengeView> {
  const { challenge } = await caller.inSession('present', { op });
  const { payload, claims } = await caller.openSealed(String(challenge), typ.challenge);
  return readChallenge(payload, claims, { op, now: caller.now() });
}

async function decide(
  caller: Caller,
  stored: StoredDevice,
  view: ChallengeView,
  answer: Answer,
): Promise<DecideResult> {
  const { op, challengeHash, contextHash } = view;
  const binding = { op, challenge_sha256: challengeHash, ctx_hash: contextHash };
  const result =
    answer.decision === 'deny'
      ? await caller.signed('decide', { ...binding, decision: 'deny', reason: answer.reason, method: 'device' })
      : await approve(caller, stored, view, answer, binding);
  const { state, post_context: sealed } = result as unknown as DecideAnswer;
  if (sealed === undefined) return { op, state };
  const { claims } = await caller.openSealed(sealed, typ.context);
  return { op, state, postContext: readPostContext(claims) };
}

async function approve(
  caller: Caller,
  stored: StoredDevice,
  view: ChallengeView,
  { pin, match }: { pin?: string; match?: string },
  binding: object,
): Promise<Record<string, unknown>> {
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
