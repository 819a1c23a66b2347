/** Reader of the call by which a device takes what is offered under a code (device-protocol, section 5). */
import { invalid, textOf } from './payload.ts';
import type { VerifiedRequest } from './request.ts';

/** @throws DomainError message_invalid */
export function readClaim({ payload, signed }: VerifiedRequest<unknown>): { code: string } {
  if (!signed) throw invalid('claim needs a signature');
  if (signed.proofs.length > 0) throw invalid('no other key is proved here');
  return { code: textOf(payload, 'code', 64) };
}
