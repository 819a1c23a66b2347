/**
 * What nobody is asked yet (device-protocol, section 5): whoever sees the code, in a QR code or a link, claims it with a device of
 * theirs, and is asked on that device alone.
 *
 *     offer ──claim (claims.ts)──> an operation like any other, in the partition of who claimed it, for the device that did
 *       └──expires, or is withdrawn by who made it
 *
 * An offer is a record of nobody's, in a partition drawn for it: no inbox has it, no device can look at it or answer it. The code is
 * its handle, so the store knows a one-way hash of it. A code shows nothing and proves nothing; the person sees who asks, and from
 * where, once a device of theirs has claimed it, and types a number from the screen that showed the code.
 */
import { type Clock, SECOND } from '../support/clock.ts';
import {
  isHandle,
  newHandle,
  newId,
  operationIdOf,
  partitionOf,
  type RandomBytes,
  randomPartition,
} from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import { DomainError } from './errors.ts';
import { newEvent } from './new-event.ts';
import { type Operation, type OperationState, stateAt } from './operation.ts';
import type { Operations, StartOperation } from './operations.ts';
import type { OperationStore } from './ports/operations.ts';
import type { By } from './users.ts';

/** What is asked of who claims it; `lifetimeSeconds` of both, one after the other. */
export type OfferedStart = Pick<
  StartOperation,
  | 'kind'
  | 'clientId'
  | 'shown'
  | 'applicationId'
  | 'method'
  | 'possessionOnly'
  | 'lifetimeSeconds'
  | 'intervalSeconds'
  | 'protocol'
  | 'notification'
> & {
  /** The person has the screen with the code before them, so the number is always typed. */
  match: 'type2' | 'type6';
};

export interface Offer {
  /** Once; nowhere stored. */
  code: string;
  operationId: string;
  /** Epoch milliseconds. */
  createdAt: number;
  expiresAt: number;
}

/** What came of an offer: how its operation is redeemed, the number for the screen that showed the code, and how long it lives. */
export interface Claimed {
  handle: string;
  matchCode: string;
  at: number;
  expiresAt: number;
}

export interface Offers {
  /** Durable when it resolves; nobody is told. */
  offer(start: OfferedStart, by: By): Promise<Offer>;
  /** `<authenticator origin>/#c=<code>` */
  linkOf(code: string): string;
  /** undefined: no such offer. `claimed`: its operation may be started a moment later. */
  look(code: string): Promise<{ state: OperationState; claimed?: Claimed } | undefined>;
  /** Cancels the offer, or what came of it; nothing where that is over. */
  withdraw(withdraw: { code: string; clientId: string; by: By }): Promise<void>;
}

interface Deps {
  store: { operations: Pick<OperationStore, 'start' | 'get'> };
  operations: Pick<Operations, 'cancel'>;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  clock: Clock;
  random?: RandomBytes;
  options: { authenticatorOrigin: string; retentionMs: number };
}

export function createOffers({ store, operations, secrets, clock, random, options }: Deps): Offers {
  async function cancelled(operationId: string, clientId: string, by: By): Promise<Operation | undefined> {
    try {
      return await operations.cancel({ operationId, clientId, by });
    } catch (error) {
      const isOver = error instanceof DomainError && ['operation_not_found', 'operation_decided'].includes(error.code);
      if (!isOver) throw error;
      return undefined;
    }
  }

  return {
    async offer(start, by) {
      const now = clock();
      const code = newHandle(randomPartition(random), random);
      const operation = offerOf(code, start, { secrets, now, random, retentionMs: options.retentionMs });
      const { id: operationId, clientId, kind, createdAt, expiresAt } = operation;
      const outcome = await store.operations.start({
        operation,
        cap: { perClient: 1, policy: 'refuse', perUser: 1 },
        decoy: true,
        now,
        events: [newEvent('operation.offered', now, by, { operationId, clientId, data: { kind } })],
        outbox: [],
      });
      if (outcome.result !== 'started') throw new DomainError('state_conflict', { detail: outcome.result });
      return { code, operationId, createdAt, expiresAt };
    },

    linkOf: (code) => `${options.authenticatorOrigin}/#c=${code}`,

    async look(code) {
      const operation = isHandle(code) ? await store.operations.get(operationIdOf(code)) : undefined;
      if (!operation?.offer) return undefined;
      const state = stateAt(operation, clock());
      return { state, ...(operation.claimed && { claimed: openClaimed(secrets, operation) }) };
    },

    async withdraw({ code, clientId, by }) {
      const offer = await cancelled(operationIdOf(code), clientId, by);
      if (!offer?.claimed) return;
      await cancelled(operationIdOf(openClaimed(secrets, offer).handle), clientId, by);
    },
  };
}

interface Making {
  secrets: Pick<Secrets, 'seal'>;
  now: number;
  random: RandomBytes | undefined;
  retentionMs: number;
}

function offerOf(code: string, start: OfferedStart, { secrets, now, random, retentionMs }: Making): Operation {
  const id = operationIdOf(code);
  const expiresAt = now + start.lifetimeSeconds * SECOND;
  return {
    id,
    version: 1,
    kind: start.kind,
    state: 'pending',
    // nobody's: it is drawn here, and kept nowhere else
    userId: newId(partitionOf(code), random),
    clientId: start.clientId,
    methods: [],
    createdAt: now,
    expiresAt,
    answerBy: expiresAt,
    // until what may come of it in its last second is over
    retainUntil: expiresAt + start.lifetimeSeconds * SECOND + retentionMs,
    tries: { used: 0, max: 0 },
    offer: { sealed: secrets.seal(offerLabel, JSON.stringify(start), aadOf(id)) },
  };
}

const offerLabel = 'offer';
const claimedLabel = 'claimed-offer';
const aadOf = (operationId: string) => `operation:${operationId}`;

/** @throws Error when the stored text was changed or moved to another offer */
export function openOffer(secrets: Pick<Secrets, 'open'>, { id, offer }: Operation): OfferedStart {
  return JSON.parse(secrets.open(offerLabel, offer!.sealed, aadOf(id)).toString('utf8')) as OfferedStart;
}

export function sealClaimed(
  secrets: Pick<Secrets, 'seal'>,
  offerId: string,
  claimed: Pick<Claimed, 'handle' | 'matchCode'>,
): string {
  return secrets.seal(claimedLabel, JSON.stringify(claimed), aadOf(offerId));
}

/** @throws Error as {@link openOffer} */
export function openClaimed(secrets: Pick<Secrets, 'open'>, offer: Operation): Claimed {
  const { sealed, at } = offer.claimed!;
  const text = secrets.open(claimedLabel, sealed, aadOf(offer.id)).toString('utf8');
  const { handle, matchCode } = JSON.parse(text) as Pick<Claimed, 'handle' | 'matchCode'>;
  return { handle, matchCode, at, expiresAt: at + openOffer(secrets, offer).lifetimeSeconds * SECOND };
}
