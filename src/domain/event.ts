/**
 * An audit event. Written in the same atomic step as the change that it tells of, in the partition of that change.
 * Holds no secret and no text that a person wrote: ids, states, counts. But for one: why somebody opened what was sealed.
 */
export interface AuditEvent {
  /** Unique; made by the caller, so that a repeated call can be recognised. */
  id: string;
  /** `<noun>.<what happened>`, for example `operation.started`, `device.locked`. */
  type: EventType;
  /** Epoch milliseconds. */
  at: number;
  operationId?: string;
  userId?: string;
  deviceId?: string;
  clientId?: string;
  /** `client:<id>`, `device:<id>`, `management:<key name>`, `system`. */
  actor?: string;
  traceId?: string;
  /** The user's other devices are told of it until then, and the user outside of them: see notices.ts, outside-notices.ts. */
  noticeUntil?: number;
  data?: Record<string, string | number | boolean>;
}

export type EventType =
  | 'user.created'
  | 'user.updated'
  | 'user.locked'
  | 'user.unlocked'
  | 'user.deactivated'
  | 'user.client_blocked'
  | 'user.limits_lifted'
  | 'device.redeemed'
  | 'device.enrolled'
  | 'device.activated'
  | 'device.replaced'
  | 'device.locked'
  | 'device.lock.imminent'
  | 'device.unlocked'
  | 'device.deactivated'
  | 'device.unenrolled'
  | 'device.clone_suspected'
  | 'device.attempt_failed'
  | 'device.method_added'
  | 'device.pin_changed'
  | 'device.method_removed'
  | 'device.keys_waiting'
  | 'device.keys_rotated'
  | 'device.key_refused'
  | 'device.enrollment_refused'
  | 'device.revoked'
  | 'operation.offered'
  | 'operation.claimed'
  | 'operation.started'
  | 'operation.superseded'
  | 'operation.refused'
  | 'operation.attempt_failed'
  | 'operation.approved'
  | 'operation.denied'
  | 'operation.cancelled'
  | 'operation.expired'
  | 'operation.failed'
  | 'operation.redeemed'
  | 'operation.delivered'
  | 'operation.pin_proof_opened'
  | 'ticket.created'
  | 'ticket.code_wrong'
  | 'ticket.confirmed'
  | 'notification.sent'
  | 'notification.failed'
  | 'notice.sent'
  | 'notice.failed'
  | 'client.created'
  | 'client.updated'
  | 'client.secret_rotated'
  | 'client.activated'
  | 'client.deactivated'
  | 'client.removed'
  | 'client.limited'
  | 'key.created'
  | 'key.activated'
  | 'key.retired'
  | 'key.destroyed'
  | 'key.master_added'
  | 'key.master_forgotten'
  | 'key.master_rotated';
