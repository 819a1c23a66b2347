/**
 * Sessions without a table: the id is expiry, generation of the device's keys and device, sealed; the key is an HMAC of the id. Any process with the
 * master key opens them; the device's state is looked up at every use, so a lock needs no list of sessions.
 */
import { fromBase64url, utf8Text } from '../../support/bytes.ts';
import { isId } from '../../support/ids.ts';
import type { Secrets } from '../../support/secrets.ts';
import type { SessionAnswer } from './wire.ts';

export interface OpenSession {
  readonly deviceId: string;
  /** of the device's keys, see device.ts */
  readonly generation: number;
  /** epoch seconds */
  readonly exp: number;
  /** 32 bytes */
  readonly key: Buffer;
}

/** An hour: long enough that signatures are rare, short enough that a stolen session key is worth little. */
export const maxSessionSeconds = 3600;

const label = 'device-session';
// A session id is no record: there is nothing else it could be moved to.
const aad = 'session';

type SessionSecrets = Pick<Secrets, 'seal' | 'open' | 'hmac'>;

/**
 * @param now             epoch milliseconds
 * @param lifetimeSeconds at most {@link maxSessionSeconds}
 */
export function issueSession(
  secrets: SessionSecrets,
  {
    deviceId,
    now,
    generation = 0,
    lifetimeSeconds = maxSessionSeconds,
  }: { deviceId: string; now: number; generation?: number; lifetimeSeconds?: number },
): SessionAnswer {
  const exp = Math.floor(now / 1000) + Math.min(lifetimeSeconds, maxSessionSeconds);
  const id = secrets.seal(label, `${exp}.${generation}.${deviceId}`, aad);
  return { id, key: secrets.hmac(label, id), exp };
}

/**
 * @param now epoch milliseconds
 * @returns   undefined for a session that has ended, or that is none of ours; the caller cannot tell which, nor need it
 */
export function openSession(secrets: SessionSecrets, id: string, now: number): OpenSession | undefined {
  const content = unseal(secrets, id);
  const [, exp, generation, deviceId = ''] = /^(\d+)\.(\d+)\.(.*)$/s.exec(content ?? '') ?? [];
  if (!isId(deviceId) || now >= Number(exp) * 1000) return undefined;
  const key = fromBase64url(secrets.hmac(label, id));
  return { deviceId, generation: Number(generation), exp: Number(exp), key };
}

function unseal(secrets: SessionSecrets, id: string): string | undefined {
  try {
    return utf8Text(secrets.open(label, id, aad));
  } catch {
    return undefined; // forged, damaged, or sealed under a former master key: all the same to the device
  }
}
