/**
 * The six digits that a new device shows (device-protocol, section 3.4). Derived from the device and its `enc` key, so
 * they rest nowhere, and a device that was interrupted is told the same again.
 */
import { jwkThumbprint } from '../support/jose/index.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Device } from './device.ts';

/** undefined before the device has brought its keys. */
export function enrollmentCode(
  secrets: Pick<Secrets, 'hmac'>,
  { id, keys: { enc } }: Pick<Device, 'id' | 'keys'>,
): string | undefined {
  if (!enc) return undefined;
  const digest = Buffer.from(secrets.hmac('enrollment-code', `${id}\0${jwkThumbprint(enc)}`), 'base64url');
  // 48 bits: the remainder favors no number by more than one in 2^28
  return String(digest.readUIntBE(0, 6) % 1_000_000).padStart(6, '0');
}
