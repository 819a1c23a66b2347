/** Taking what is offered under a code (device-protocol, section 5): a QR code on another screen, or a link. */
import type { Caller } from './caller.ts';
import { DeviceError } from './errors.ts';
import type { ClaimAnswer } from './wire.ts';

const CODE = /^[A-Za-z0-9_-]{16,64}$/;

/**
 * @param text `<authenticator>/#c=<code>`, or the code in it
 * @throws DeviceError claim_unreadable
 */
export function codeIn(text: string): string {
  const given = text.trim();
  const at = given.indexOf('#');
  const code = at < 0 ? given : new URLSearchParams(given.slice(at + 1)).get('c');
  if (!code || !CODE.test(code)) throw new DeviceError('claim_unreadable');
  return code;
}

/** @returns the operation, to be presented */
export async function claim(caller: Caller, linkOrCode: string): Promise<string> {
  const { op } = (await caller.signed('claim', { code: codeIn(linkOrCode) })) as unknown as ClaimAnswer;
  return op;
}
