import { createHash, timingSafeEqual } from 'node:crypto';
import { HttpProblem } from '../problem.ts';

/** `config.management.apiKeys`, with every key as its hash. */
export interface ApiKey {
  name: string;
  /** SHA-256 of the key, hexadecimal. */
  sha256: string;
  scopes: readonly string[];
}

export const managementScopes = {
  '*': 'Everything.',
  'users:read': 'Read users and their attributes.',
  'users:write': 'Create and change users, lock, unlock and deactivate them.',
  'devices:read': 'Read devices.',
  'devices:write': 'Lock, unlock and deactivate devices.',
  'tickets:read': 'See what became of an enrollment ticket.',
  'tickets:write': 'Create enrollment tickets.',
  'keys:read': 'Read the public halves of the keys of ID tokens.',
  'keys:write': 'Replace the keys of ID tokens.',
  'clients:read': 'Read OAuth clients.',
  'clients:write': 'Register and change OAuth clients, make secrets, switch clients off.',
  'operations:read': 'See what became of operations, without what they said.',
  'pin-proofs:open': 'Open the PIN proof of an approval, where one was kept.',
} as const;

export type ManagementScope = Exclude<keyof typeof managementScopes, '*'>;

const REALM = 'Bearer realm="assent-management"';

/**
 * @returns the key that the request was made with
 * @throws HttpProblem unauthorized, with `WWW-Authenticate` (RFC 6750 §3)
 */
export function authenticate(keys: readonly ApiKey[], authorization: string | undefined): ApiKey {
  const [, presented] = /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(authorization ?? '') ?? [];
  if (presented === undefined) {
    throw new HttpProblem('unauthorized', { headers: { 'www-authenticate': REALM } });
  }
  const digest = createHash('sha256').update(presented).digest();
  // All keys are compared, each in constant time: how long it takes says nothing about which one was nearly right.
  const [found] = keys.filter((key) => timingSafeEqual(Buffer.from(key.sha256, 'hex'), digest));
  if (found) return found;
  throw new HttpProblem('unauthorized', { headers: { 'www-authenticate': `${REALM}, error="invalid_token"` } });
}

/** @throws HttpProblem forbidden, naming the scope that is missing */
export function requireScope(key: ApiKey, scope: ManagementScope): void {
  if (key.scopes.includes('*') || key.scopes.includes(scope)) return;
  throw new HttpProblem('forbidden', {
    detail: `This API key lacks the scope ${scope}.`,
    headers: { 'www-authenticate': `${REALM}, error="insufficient_scope", scope="${scope}"` },
  });
}
