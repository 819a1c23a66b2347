import type { Method } from './application.ts';
import type { MatchMode, Operation, OperationKind } from './operation.ts';
import type { By } from './users.ts';

/** What the person is shown; becomes the `ctx` string of device-protocol, section 4. */
export interface Shown {
  client: { id: string; name: string };
  purpose: string;
  bindingMessage?: string;
  /** Amounts as strings. */
  transaction?: Record<string, unknown>;
  context?: { title?: string; text: string; mime?: string };
  origin?: { ip?: string; browser?: string; os?: string; place?: string };
}

export interface StartOperation {
  /** The `auth_req_id`, or a handle that nobody gets (`newHandle`). Its partition is the user's. */
  handle: string;
  kind: Exclude<OperationKind, 'registration'>;
  userId: string;
  clientId: string;
  shown: Shown;
  applicationId?: string;
  deviceId?: string;
  method?: Method;
  /** Possession alone is enough. Default false: two factors. */
  possessionOnly?: boolean;
  match: MatchMode;
  /** Already clamped by the caller. */
  lifetimeSeconds: number;
  intervalSeconds?: number;
  protocol?: string;
  by: By;
}

export interface Started {
  operation: Operation;
  /** The number for the consumption device; absent with match `none`. Nowhere stored in clear. */
  matchCode?: string;
  superseded: string[];
}

export interface Operations {
  /**
   * Durable when it resolves; devices are told afterwards, nobody waits for them. Round trips: devices of the user,
   * start (the caller has read the user).
   * @throws DomainError user_unknown (locked and deactivated alike) | no_usable_device | too_many_pending | method_not_available
   */
  start(start: StartOperation): Promise<Started>;
  /** @throws DomainError operation_not_found (also where `clientId` is given and not the operation's) */
  get(id: string, clientId?: string): Promise<Operation>;
  /** Idempotent. @throws DomainError operation_not_found | operation_decided */
  cancel(cancel: { operationId: string; clientId: string; by: By }): Promise<Operation>;
  /** The number behind the stored HMAC, by trying all. For the simulator in development only. */
  matchCodeOf(operation: Operation): string | undefined;
}
