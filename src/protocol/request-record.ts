import type { ClaimsParameter } from 'oidc-provider';
import { operationIdOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';

/**
 * What the tokens will need to know of the request; the operation's `protocol` member. Hints, user code and
 * notification token are left out on purpose.
 */
export interface RequestRecord {
  scope: string;
  claims?: ClaimsParameter;
  nonce?: string;
  /** What the access token is for (RFC 8707). */
  resource?: string;
  /** Authorization details, as shown (RFC 9396). */
  rar?: Record<string, unknown>[];
  /** Thumbprint of the DPoP key that the request was started with: tokens are for whoever has it. */
  jkt?: string;
}

const label = 'request';
const aadOf = (operationId: string) => `operation:${operationId}`;

export function sealRequest(secrets: Pick<Secrets, 'seal'>, handle: string, record: RequestRecord): string {
  return secrets.seal(label, JSON.stringify(record), aadOf(operationIdOf(handle)));
}

/** @throws Error when the record was not made for this operation */
export function openRequest(
  secrets: Pick<Secrets, 'open'>,
  operation: { id: string; protocol?: string },
): RequestRecord {
  if (operation.protocol === undefined) throw new Error('the operation is no request of a client');
  return JSON.parse(secrets.open(label, operation.protocol, aadOf(operation.id)).toString('utf8'));
}
