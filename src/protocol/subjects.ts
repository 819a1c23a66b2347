/**
 * Pairwise subjects (OpenID Connect Core 8.1) that lead back to their user, for `id_token_hint` and subject identifiers.
 * A deterministic authenticated encryption of the user id under the sector, after RFC 5297: the first half is an HMAC over
 * sector and id, the second the id encrypted with that HMAC as its nonce. No index that could be read or lost; two sectors
 * share nothing; a subject that somebody made up does not open.
 */
import { createCipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import type { Client } from 'oidc-provider';
import type { Secrets } from '../support/secrets.ts';

type Keys = Pick<Secrets, 'key'>;

const tagBytes = 16;

export function pairwiseSubject(secrets: Keys, sector: string, userId: string): string {
  const plain = Buffer.from(userId);
  const tag = tagOf(secrets, sector, plain);
  return Buffer.concat([tag, encrypted(secrets, tag, plain)]).toString('base64url');
}

/** undefined: no subject of this sector. */
export function userOfPairwise(secrets: Keys, sector: string, subject: string): string | undefined {
  const bytes = Buffer.from(subject, 'base64url');
  if (bytes.length <= tagBytes || bytes.toString('base64url') !== subject) return undefined;
  const tag = bytes.subarray(0, tagBytes);
  const plain = encrypted(secrets, tag, bytes.subarray(tagBytes));
  return timingSafeEqual(tag, tagOf(secrets, sector, plain)) ? plain.toString() : undefined;
}

function tagOf(secrets: Keys, sector: string, plain: Buffer): Buffer {
  const hmac = createHmac('sha256', secrets.key('pairwise-tag')).update(`${sector}\0`).update(plain);
  return hmac.digest().subarray(0, tagBytes);
}

/** CTR: the same call decrypts. */
function encrypted(secrets: Keys, tag: Buffer, bytes: Buffer): Buffer {
  return createCipheriv('aes-256-ctr', secrets.key('pairwise'), tag).update(bytes);
}

/** OIDC Core 8.1, CIBA Core 4. The engine works out the rest, and does not say so in its types. */
export function sectorOf(client: Client): string {
  const isPushed = (client.backchannelTokenDeliveryMode as string | undefined) === 'push';
  if (isPushed && !client.sectorIdentifierUri) return new URL(client.backchannelClientNotificationEndpoint!).host;
  return client['sectorIdentifier'] as string;
}
