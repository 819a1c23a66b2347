/**
 * The PIN's public key at rest. Signature, key, thumbprint or unsalted hash of it are an oracle for the PIN to whoever
 * has a copy of the device, so it lies under the master key and goes nowhere else (device-protocol, section 5).
 */
import type { Secrets } from '../support/secrets.ts';
import type { Device } from './device.ts';
import type { NewPinKey, ProofKey } from './device-messages/index.ts';

const label = 'device-pin';

export function sealPinKey(secrets: Pick<Secrets, 'seal'>, deviceId: string, key: NewPinKey): string {
  return secrets.seal(label, JSON.stringify({ kid: key.kid, jwk: key.jwk }), deviceId);
}

/** The keys beside `sig` that this device can prove. */
export function proofKeysOf(secrets: Pick<Secrets, 'open'>, { id, keys }: Pick<Device, 'id' | 'keys'>): ProofKey[] {
  if (keys.pin === undefined) return [];
  const { kid, jwk } = JSON.parse(secrets.open(label, keys.pin, id).toString('utf8')) as NewPinKey;
  return [{ kid, jwk, method: 'pin' }];
}
