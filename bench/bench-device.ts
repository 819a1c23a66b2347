/** An authenticator on the device SDK. The PIN is typed once: 600 000 rounds of PBKDF2 belong to the phone, not to the server. */
import { readChallenge } from '../src/device-sdk/challenge.ts';
import { callerOf } from '../src/device-sdk/device.ts';
import { beginEnrollment, memoryStorage, parseTicket } from '../src/device-sdk/index.ts';
import { signedProof } from '../src/device-sdk/messages.ts';
import { pinKey } from '../src/device-sdk/pin-key.ts';
import { runtimeOf } from '../src/device-sdk/runtime.ts';
import type { StoredDevice } from '../src/device-sdk/storage.ts';
import { type SessionAnswer, typ } from '../src/device-sdk/wire.ts';
import type { ManagementTicket, ManagementUser } from '../src/support/management-client.ts';
import { applicationId, type BenchAssent } from './assent.ts';

export interface BenchDevice {
  user: string;
  stored: StoredDevice;
  /** Has a session from now on, so that what follows is one message each. */
  begin(): Promise<void>;
  /** Show the operation, as far as the person is concerned. */
  present(op: string): Promise<Shown>;
  /** Approve what was shown, with the PIN. */
  approve(shown: Shown): Promise<void>;
  /** What an event stream is opened under. */
  session(): Promise<SessionAnswer & { deviceId: string; issuer: string }>;
}

type Shown = Awaited<ReturnType<typeof readChallenge>>;

const pin = '825193';

export interface EnrollOptions {
  /** For what it sends when it is enrolled. */
  fetch?: typeof globalThis.fetch;
  /** Without: it only listens or is asked for no PIN, and is enrolled a hundred times sooner. */
  withPin?: boolean;
  /** Its keys can be taken out of `stored`. */
  exportable?: boolean;
  userCode?: string;
}

/** A new user with one device. */
export async function enrollDevice(
  { management, authenticator }: BenchAssent,
  username: string,
  { fetch, withPin = true, exportable = false, userCode }: EnrollOptions = {},
): Promise<BenchDevice> {
  const user = await management.call<ManagementUser>('/users', {
    body: { username, ...(userCode && { user_code: userCode }) },
  });
  const body = { application: applicationId };
  const ticket = await management.call<ManagementTicket>(`/users/${user.id}/enrollment-tickets`, { body });
  const { ticket: t, k } = parseTicket(ticket.ticket_uri);
  const storage = memoryStorage({ exportable });
  const enrollment = await beginEnrollment(storage, `${authenticator}/#t=${t}&k=${k}`);
  await enrollment.finish({ device: { name: 'Bench' }, ...(withPin && { pin }) });
  const stored = (await storage.load('device'))!;
  const key = stored.pin && (await pinKey(stored.pin, pin));
  const caller = await callerOf(stored, runtimeOf({ ...(fetch && { fetch }) }), async (held) => held);
  return {
    user: username,
    stored,
    begin: async () => void (await caller.session()),
    async present(op) {
      const { challenge } = await caller.inSession('present', { op });
      const { payload, claims } = await caller.openSealed(String(challenge), typ.challenge);
      return readChallenge(payload, claims, { op, now: caller.now() });
    },
    async approve({ op, challengeHash, contextHash }) {
      const payload = {
        op,
        challenge_sha256: challengeHash,
        ctx_hash: contextHash,
        decision: 'approve',
        method: 'pin',
      };
      await caller.signed('decide', payload, async (bytes) => [await signedProof(key!, bytes)]);
    },
    async session() {
      const answer = (await caller.signed('session', {})) as unknown as SessionAnswer;
      return { ...answer, deviceId: stored.deviceId, issuer: stored.issuer };
    },
  };
}
