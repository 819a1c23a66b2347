/**
 * Calls with everything that may go wrong on the way and can be put right: keys that were rotated, a clock that is off, a
 * session that ended, a network that dropped the answer. A signed message is made once and sent again as it is, so
 * that the server counts it once.
 */
import type { CryptoKey } from 'jose';
import { fromBase64url, randomBytes, sha256, toBase64url, utf8 } from './bytes.ts';
import { codeOf, DeviceError } from './errors.ts';
import { exchange, openStream } from './exchange.ts';
import { openSealed, parseObject, type SignedMessage, signed, type UpKey, verifiedBySeal } from './messages.ts';
import type { Runtime } from './runtime.ts';
import type { ServerKeySet } from './server-keys.ts';
import { type Act, type EcPublicJwk, type NamedJwk, type SessionAct, type SessionAnswer, typ } from './wire.ts';

export interface CallerOptions {
  base: string;
  /** who signs: the device's id, or in `redeem` the thumbprint of `jwk` */
  id: string;
  key: CryptoKey;
  /** only in `redeem`: the key that the server has not seen yet */
  jwk?: EcPublicJwk;
  /** opens what was sealed for this device */
  enc?: CryptoKey;
  serverKeys: ServerKeySet;
  runtime: Runtime;
  /** newer server keys that may be believed; the caller of this keeps them */
  refresh: (held: ServerKeySet) => Promise<ServerKeySet>;
  /** of messages that change something: each is higher than the one before, also after a restart */
  nextCounter?: () => Promise<number>;
}

/** Makes the proofs for a payload, given its bytes. */
export type Prove = (payload: Uint8Array<ArrayBuffer>) => Promise<string[]>;

export interface Caller {
  /** Signed by the device's key. */
  signed(act: Act, members: object, prove?: Prove): Promise<Record<string, unknown>>;
  /** Under a session, which is made when there is none. */
  inSession(act: SessionAct, members: object): Promise<Record<string, unknown>>;
  stream(signal: AbortSignal): ReturnType<typeof openStream>;
  /** @throws DeviceError server_unexpected | keys_untrusted */
  openSealed(
    token: string,
    type: string,
  ): Promise<{ payload: Uint8Array<ArrayBuffer>; claims: Record<string, unknown>; by: NamedJwk }>;
  session(): Promise<{ id: string; exp: number }>;
  /** epoch seconds by the server's clock, as far as known */
  now(): number;
}

/** A session is renewed this long before its end, so that no request meets it. */
const renewSeconds = 30;
const networkRetries = 2;
/** Together longer than the server takes another message to be checked: after ten seconds it is taken for dead. */
const underwayWaitsMs = [250, 500, 1000, 2000, 4000, 8000];
/** They carry a counter, so they go one after the other. */
const changes: readonly Act[] = ['decide', 'claim', 'methods', 'rotate', 'tickets', 'unenroll'];

export function createCaller(options: CallerOptions): Caller {
  const { base, id, key, jwk, runtime } = options;
  const { fetch } = runtime;
  let serverKeys = options.serverKeys;
  let clockOffsetMs = 0;
  let current: Promise<SessionAnswer> | undefined;
  let before: Promise<unknown> = Promise.resolve();

  const now = () => Math.floor((runtime.now() + clockOffsetMs) / 1000);
  const claims = (act: Act, members: object) => ({
    iss: id,
    aud: serverKeys.issuer,
    iat: now(),
    jti: toBase64url(randomBytes(16)),
    act,
    ...members,
  });
  const box = (): UpKey => {
    const [first] = serverKeys.box;
    if (!first) throw new DeviceError('keys_untrusted', { detail: 'no box key' });
    return { box: first };
  };

  async function makeSigned(act: Act, members: object, prove?: Prove): Promise<SignedMessage> {
    const ctr = changes.includes(act) ? await options.nextCounter?.() : undefined;
    const payload = utf8(JSON.stringify(claims(act, { ...members, ctr })));
    const proofs = (await prove?.(payload)) ?? [];
    const hashes = await Promise.all(proofs.map((proof) => sha256(proof)));
    const header = {
      typ: typ.request,
      kid: id,
      ...(jwk && { jwk }),
      ...(proofs.length > 0 && { proofs_sha256: hashes }),
    };
    return { jws: await signed(key, header, payload), ...(proofs.length > 0 && { proofs }) };
  }

  async function refreshKeys(): Promise<void> {
    serverKeys = await options.refresh(serverKeys);
  }

  async function adjustClock(error: DeviceError): Promise<void> {
    if (error.serverNow !== undefined) clockOffsetMs = error.serverNow * 1000 - runtime.now();
  }

  function callSigned(act: Act, members: object, prove?: Prove): Promise<Record<string, unknown>> {
    if (!options.nextCounter || !changes.includes(act)) return sendSigned(act, members, prove);
    const sent = before.then(() => sendSigned(act, members, prove));
    before = sent.catch(() => undefined);
    return sent;
  }

  async function sendSigned(act: Act, members: object, prove?: Prove): Promise<Record<string, unknown>> {
    let message = await makeSigned(act, members, prove);
    return withRepairs(() => exchange({ base, act, content: message, to: box(), fetch }), runtime, {
      unknown_key: refreshKeys,
      clock_skew: async (error) => {
        await adjustClock(error);
        message = await makeSigned(act, members, prove);
      },
    });
  }

  async function openSession(): Promise<SessionAnswer> {
    const held = current;
    const session = await held?.catch(() => undefined);
    if (session && session.exp - renewSeconds > now()) return session;
    // another call may have opened one meanwhile
    if (current === held || !current) current = callSigned('session', {}) as Promise<unknown> as Promise<SessionAnswer>;
    return current;
  }

  async function underSession<T>(send: (to: UpKey) => Promise<T>): Promise<T> {
    let session = await openSession();
    const attempt = () => send({ session: { id: session.id, key: fromBase64url(session.key) } });
    return withRepairs(attempt, runtime, {
      clock_skew: adjustClock,
      unknown_key: async () => {
        current = undefined;
        session = await openSession();
      },
    });
  }

  /** Signed by a key that came after ours. */
  async function afterRotation(jws: string, type: string) {
    await refreshKeys();
    return verifiedBySeal(jws, type, serverKeys.seal);
  }

  async function verifySealed(token: string, type: string) {
    if (!options.enc) throw new DeviceError('keys_lost');
    const jws = await openSealed(token, options.enc);
    const verified = (await verifiedBySeal(jws, type, serverKeys.seal)) ?? (await afterRotation(jws, type));
    if (!verified) throw new DeviceError('keys_untrusted');
    const body = parseObject(verified.payload);
    if (body.iss !== serverKeys.issuer || body.aud !== id)
      throw new DeviceError('server_unexpected', { detail: 'sealed for another device' });
    return { ...verified, claims: body };
  }

  return {
    now,
    signed: callSigned,
    inSession: (act, members) =>
      underSession((to) => exchange({ base, act, content: { request: claims(act, members) }, to, fetch })),
    stream: (signal) =>
      underSession((to) =>
        openStream({ base, act: 'events', content: { request: claims('events', {}) }, to, fetch, signal }),
      ),
    openSealed: verifySealed,
    session: async () => {
      const { id: sessionId, exp } = await openSession();
      return { id: sessionId, exp };
    },
  };
}

type Repair = (error: DeviceError) => Promise<void>;

/**
 * Tries again after a repair, each repair once; after a lost connection, twice; and as long as another answer of this device is
 * being checked, of which nothing was counted.
 */
async function withRepairs<T>(send: () => Promise<T>, runtime: Runtime, repairs: Record<string, Repair>): Promise<T> {
  const used = new Set<string>();
  const waits = [...underwayWaitsMs];
  for (let failures = 0; ; ) {
    try {
      return await send();
    } catch (error) {
      const code = codeOf(error) ?? '';
      const repair = repairs[code];
      if (repair && !used.has(code)) {
        used.add(code);
        await repair(error as DeviceError);
      } else if (code === 'network' && failures < networkRetries) {
        failures += 1;
        await runtime.sleep(250 * 2 ** failures);
      } else if (code === 'attempt_underway' && waits.length > 0) {
        await runtime.sleep(waits.shift()!);
      } else throw error;
    }
  }
}
