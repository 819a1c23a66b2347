import type { EndReason, Operation } from './operation.ts';
import type { User } from './user.ts';

/** What the token endpoint answers, in the domain's words. */
export type TokenOutcome =
  | { outcome: 'unknown' }
  | { outcome: 'pending' }
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
  /** One round trip. `holder` names this request in the calls that follow. */
  poll(poll: { authReqId: string; clientId: string; holder: string }): Promise<TokenOutcome>;
  /** False: somebody else leased meanwhile; answer `authorization_pending`. `response` is the JSON to be given; sealed here. `replayUntil` in epoch ms. */
  commit(commit: {
    operationId: string;
    holder: string;
    response: string;
    binding: string;
    replayUntil: number;
  }): Promise<boolean>;
  delivered(delivered: { operationId: string; holder: string }): Promise<void>;
  /** The connection closed before the response was handed to the kernel. */
  release(release: { operationId: string; holder: string }): Promise<void>;
}
