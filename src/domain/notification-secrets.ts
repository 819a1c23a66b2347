/**
 * Secrets under which pings and pushes are signed (Standard Webhooks). One for each name in the client's
 * `assent_notification_keys`, derived from the name: nothing is stored, and a change of the list is the rotation. The
 * first name is the newest; while two stand there, a message carries a signature of either.
 */
import type { Secrets } from '../support/secrets.ts';

const label = 'notification-signature';

/** 32 bytes, as receivers' libraries take them: `whsec_` and base64. The same in every process, for as long as the store lives. */
export function notificationSecret(secrets: Pick<Secrets, 'hmac'>, clientId: string, name: string): string {
  return `whsec_${Buffer.from(secrets.hmac(label, `${clientId}\0${name}`), 'base64url').toString('base64')}`;
}

/** What a client's metadata name. Their form was checked when they were registered. */
export function notificationKeysOf(metadata: Record<string, unknown>): string[] {
  return (metadata['assent_notification_keys'] as string[] | undefined) ?? [];
}
