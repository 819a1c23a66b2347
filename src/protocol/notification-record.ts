import type { Client } from 'oidc-provider';
import type { Addressed } from '../domain/notification.ts';
import type { Operation } from '../domain/operation.ts';
import { type Clock, MINUTE, SECOND } from '../support/clock.ts';
import { operationIdOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';

/**
 * What a ping or push will need, as it is at the start: a later change of the client's registration does not reach
 * requests that are under way (C-14). Sealed, for the `auth_req_id` and the client's token are in it (S-13).
 */
export interface NotificationRecord extends Addressed {
  authReqId: string;
}

/** A push goes on being tried for this long after the last moment of a decision; a ping ends with its request (N-07). */
const pushMs = 10 * MINUTE;
const label = 'notification';
const aadOf = (operationId: string) => `operation:${operationId}`;

interface NotificationOf {
  /** As the client knows it. */
  authReqId: string;
  handle: string;
  token: string | undefined;
  lifetimeSeconds: number;
}

/** undefined: the client polls. */
export function sealNotification(
  { secrets, clock }: { secrets: Pick<Secrets, 'seal'>; clock: Clock },
  client: Client,
  { authReqId, handle, token, lifetimeSeconds }: NotificationOf,
): Operation['notification'] {
  const mode = deliveryModeOf(client);
  const endpoint = client.backchannelClientNotificationEndpoint;
  if (mode === 'poll' || endpoint === undefined || token === undefined) return undefined;
  const record: NotificationRecord = {
    authReqId,
    clientId: client.clientId,
    endpoint,
    token,
    giveUpAt: clock() + lifetimeSeconds * SECOND + (mode === 'push' ? pushMs : 0),
  };
  return { mode, sealed: secrets.seal(label, JSON.stringify(record), aadOf(operationIdOf(handle))) };
}

export function openNotification(
  secrets: Pick<Secrets, 'open'>,
  { operationId, payload }: { operationId: string; payload: string },
): NotificationRecord {
  return JSON.parse(secrets.open(label, payload, aadOf(operationId)).toString('utf8'));
}

/** The engine's types know two of them. */
export function deliveryModeOf(client: Client): 'poll' | 'ping' | 'push' {
  return (client.backchannelTokenDeliveryMode as 'poll' | 'ping' | 'push' | undefined) ?? 'poll';
}
