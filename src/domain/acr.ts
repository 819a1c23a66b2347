/** What a decision proves, in the words of an ID token (ruling 13). */
import type { Method } from './application.ts';

/** Names of the authentication contexts, from the configuration. */
export interface AcrNames {
  /** The device key signed; nothing else was proved. */
  possession: string;
  /** The device key signed, and a PIN or the platform's user verification was proved. */
  twoFactor: string;
}

export const defaultAcrNames: AcrNames = {
  possession: 'urn:assent:acr:possession',
  twoFactor: 'urn:assent:acr:two-factor',
};

/** For `acr_values_supported`, strongest first. */
export function acrValues({ possession, twoFactor }: AcrNames): string[] {
  return [...new Set([twoFactor, possession])];
}

// RFC 8176, section 2. A `uv` key says that the platform verified the user, not by what: `user`, not `fpt` or `face`.
const amrOf: Partial<Record<Method, string>> = { pin: 'pin', biometric: 'user', face: 'face' };

/**
 * From the proofs that verified, never from what the device says of itself.
 *
 * @param proved     methods whose proofs verified with keys of this very device; possession need not be listed, the
 *                   signature stands for it
 * @param isHardware the device's key is attested to be bound to hardware
 */
export function levelOf(
  proved: readonly Method[],
  names: AcrNames = defaultAcrNames,
  isHardware = false,
): { acr: string; amr: string[] } {
  const possession = isHardware ? 'hwk' : 'swk';
  const second = proved.filter((method) => method !== 'device');
  if (second.length === 0) return { acr: names.possession, amr: [possession] };
  const words = second.flatMap((method) => amrOf[method] ?? []);
  return { acr: names.twoFactor, amr: [...new Set([possession, ...words, 'mfa'])] };
}
