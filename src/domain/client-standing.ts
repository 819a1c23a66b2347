/**
 * Whether who asked may still ask (promise 5). A client that is switched off is taken for one that withdrew what it has
 * started, and nothing is written for it: switched on again, its requests are there for as long as they live.
 *
 *     pending ──client switched off or removed──> as if `cancelled`: in no inbox, no challenge, no approval; a denial still counts
 *        └───────<──────switched on again──────────────┘
 */
import { enrollmentClientId } from './enrollment-gates.ts';
import { DomainError } from './errors.ts';
import { type Operation, type OperationState, stateAt } from './operation.ts';

/** False for clients that do not exist, were removed, or are switched off; at most a second behind another process. */
export type IsClientActive = (clientId: string) => Promise<boolean>;

type Asked = Pick<Operation, 'kind' | 'clientId'>;

export interface ClientStanding {
  mayAsk(operation: Asked): Promise<boolean>;
  /** @throws DomainError operation_cancelled */
  refuseStopped(operation: Asked): Promise<void>;
  /** As devices are told it. */
  stateFor(operation: Operation, now: number): Promise<OperationState>;
}

export function createClientStanding({ isClientActive }: { isClientActive: IsClientActive }): ClientStanding {
  const mayAsk = async (operation: Asked) => isOurOwn(operation) || isClientActive(operation.clientId);
  return {
    mayAsk,

    async refuseStopped(operation) {
      if (await mayAsk(operation)) return;
      throw new DomainError('operation_cancelled', { detail: 'its client is not active' });
    },

    async stateFor(operation, now) {
      const state = stateAt(operation, now);
      return state !== 'pending' || (await mayAsk(operation)) ? state : 'cancelled';
    },
  };
}

/** Asked by no client: a registration names the operator or the device that made its ticket, its approval a name of ours. */
function isOurOwn({ kind, clientId }: Asked): boolean {
  return kind === 'registration' || clientId === enrollmentClientId;
}
