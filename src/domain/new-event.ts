import { newId, type Partition, partitionOf } from '../support/ids.ts';
import type { AuditEvent, EventType } from './event.ts';
import { noticeUntil } from './notices.ts';
import type { By } from './users.ts';

/** An event of one user's partition. `about` names at least one record there, or the partition itself. */
export function newEvent(
  type: EventType,
  at: number,
  by: By,
  about: Pick<AuditEvent, 'operationId' | 'userId' | 'deviceId' | 'clientId' | 'data'> & { partition?: Partition },
): AuditEvent {
  const { partition = partitionOf(about.userId ?? about.operationId ?? about.deviceId ?? '00'), ...members } = about;
  const until = noticeUntil(type, at);
  return { id: newId(partition), type, at, ...members, ...by, ...(until !== undefined && { noticeUntil: until }) };
}

/** What the server does on its own. */
export const bySystem: By = { actor: 'system' };
