import type { Clock } from '../support/clock.ts';
import { isHandle, operationIdOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Applications } from './applications.ts';
import { bySystem, newEvent } from './new-event.ts';
import type { EndReason, Operation } from './operation.ts';
import type { OperationStore, Poll, PollResult, Redeemer } from './ports/operations.ts';
import type { User } from './user.ts';
import { openUser } from './user-record.ts';

/** What the token endpoint answers, in the domain's words. */
export type TokenOutcome =
  | { outcome: 'unknown' }
  /** The client does not poll for this one: the tokens are pushed. */
  | { outcome: 'push' }
  | { outcome: 'pending' }
  /** Decided; another request of the same client has it in hands. */
  | { outcome: 'busy' }
  | { outcome: 'slow_down'; intervalSeconds: number }
  | { outcome: 'denied'; reason?: EndReason }
  | { outcome: 'expired' }
  | { outcome: 'delivered' }
  /** Issue now, then `commit`. */
  | { outcome: 'issue'; operation: Operation; user: User }
  /** Give this response again. */
  | { outcome: 'repeat'; operation: Operation; user: User; response: string; binding: string };

/**
 * The handing over of tokens: exactly one set for each approval, none lost. User, device and application are checked again here;
 * the client is the caller's matter.
 */
export interface Redemptions {
  /**
   * One round trip. `holder` names this request in the calls that follow, also when it asks again after it was held.
   * `by` and `holdMs` as in the store's `Poll`.
   */
  poll(poll: { handle: string; clientId: string; holder: string } & Pick<Poll, 'by' | 'holdMs'>): Promise<TokenOutcome>;
  /** False: somebody else leased meanwhile; answer `authorization_pending`. `response` is the JSON to be given; sealed here. `replayUntil` in epoch ms. */
  commit(commit: {
    operationId: string;
    holder: string;
    response: string;
    binding: string;
    replayUntil: number;
  }): Promise<boolean>;
  delivered(delivered: { operationId: string; holder: string }): Promise<void>;
  /** The connection closed before the response was handed to the kernel, or while the request was held. */
  release(release: { operationId: string; holder: string }): Promise<void>;
  /** They are held no longer: the server stops. */
  endHolds(holds: { operationId: string; holder: string }[]): Promise<void>;
}

export interface RedemptionsDeps {
  store: { operations: Pick<OperationStore, 'poll' | 'commit' | 'delivered' | 'release' | 'endHolds'> };
  clock: Clock;
  secrets: Secrets;
  applications: Applications;
  options: {
    /** Whoever issues or hands over is left alone for this long. */
    leaseMs: number;
    /** Ruling 8. */
    pacing: Poll['pacing'];
  };
}

const label = 'token-response';
const aadOf = (operationId: string) => `operation:${operationId}`;

export function createRedemptions({ store, clock, secrets, applications, options }: RedemptionsDeps): Redemptions {
  const { leaseMs, pacing } = options;

  /** Promise 5. What was switched off after the decision stops it, also where the tokens were made already. */
  function isStopped({ user, device }: Redeemer): boolean {
    const application = device && applications.find(device.applicationId);
    return user.state !== 'active' || device?.state !== 'active' || !application?.active;
  }

  async function handOver(found: Leased, holder: string): Promise<TokenOutcome> {
    const { operation } = found;
    if (isStopped(found)) {
      // given back at once: unlocked in time, the approval can still be redeemed
      await store.operations.release({ operationId: operation.id, holder, now: clock() });
      return { outcome: 'denied' };
    }
    const user = openUser(secrets, found.user);
    if (found.result === 'leased') return { outcome: 'issue', operation, user };
    const response = secrets.open(label, found.response, aadOf(operation.id)).toString('utf8');
    return { outcome: 'repeat', operation, user, response, binding: found.binding };
  }

  return {
    async poll({ handle, clientId, holder, ...how }) {
      if (!isHandle(handle)) return { outcome: 'unknown' };
      const operationId = operationIdOf(handle);
      const found = await store.operations.poll({
        operationId,
        clientId,
        now: clock(),
        holder,
        leaseMs,
        pacing,
        ...how,
      });
      return found.result === 'leased' || found.result === 'committed' ? handOver(found, holder) : outcomeOf(found);
    },

    async commit({ operationId, holder, response, binding, replayUntil }) {
      const now = clock();
      const { result } = await store.operations.commit({
        operationId,
        holder,
        now,
        until: now + leaseMs,
        response: secrets.seal(label, response, aadOf(operationId)),
        binding,
        replayUntil,
        events: [newEvent('operation.redeemed', now, bySystem, { operationId })],
      });
      return result === 'committed';
    },

    async delivered({ operationId, holder }) {
      const now = clock();
      const events = [newEvent('operation.delivered', now, bySystem, { operationId })];
      await store.operations.delivered({ operationId, holder, now, events });
    },

    release: ({ operationId, holder }) => store.operations.release({ operationId, holder, now: clock() }),
    endHolds: (holds) => store.operations.endHolds(holds),
  };
}

type Leased = Extract<PollResult, { result: 'leased' | 'committed' }>;

/** Ruling 7, in the domain's words. */
function outcomeOf(found: Exclude<PollResult, Leased>): TokenOutcome {
  switch (found.result) {
    case 'missing':
      return { outcome: 'unknown' };
    case 'push':
      return { outcome: 'push' };
    case 'pending':
    case 'busy':
      return { outcome: found.result };
    case 'slow_down':
      return { outcome: 'slow_down', intervalSeconds: found.intervalSeconds };
    case 'ended':
      return found.state === 'expired' ? { outcome: 'expired' } : { outcome: 'denied', reason: found.endReason };
    case 'expired':
      return { outcome: 'expired' };
    case 'delivered':
      return { outcome: 'delivered' };
  }
}
