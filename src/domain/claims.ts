/**
 * A device takes what is offered under a code (device-protocol, section 5). It approves nothing: it is asked, as for anything else.
 *
 *     message again? ─> its answer
 *     code known, offer pending, its client not stopped, a method of this device fits      else refused, nothing is written
 *     store.claim        in the partition of the offer: one device has it
 *     operations.start   in the partition of the user, with the receipt, for this device alone
 *
 * Two steps, this order. Who dies in between, or loses the answer, claims once more with the same device: the offer gives back what
 * was sealed into it first, so the second step is the same one again. Until then the screen that showed the code waits for an
 * operation that does not exist, and in the end says that nobody answered.
 */
import { type Clock, SECOND } from '../support/clock.ts';
import { isHandle, newHandle, operationIdOf, partitionOf, type RandomBytes } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Applications } from './applications.ts';
import type { ClientStanding } from './client-standing.ts';
import type { Device } from './device.ts';
import { type ClaimAnswer, readClaim } from './device-messages/index.ts';
import type { DeviceRequest } from './device-requests.ts';
import { by, type Caller } from './enrollment-callers.ts';
import { DomainError } from './errors.ts';
import { makeMatch } from './match.ts';
import { counterOf } from './message-counter.ts';
import { chooseMethods, usableDevices } from './methods.ts';
import { newEvent } from './new-event.ts';
import { openClaimed, openOffer, sealClaimed } from './offers.ts';
import { type Operation, type OperationState, stateAt } from './operation.ts';
import type { Operations } from './operations.ts';
import type { OperationStore } from './ports/operations.ts';
import { receiptOf, repeated, replayedBy } from './receipts.ts';

export interface Claims {
  /**
   * @throws DomainError claim_not_found | claim_taken | operation_expired | operation_cancelled | method_not_available |
   *         message_reused | device_locked
   */
  claim(request: DeviceRequest, caller: Caller): Promise<ClaimAnswer>;
}

interface Deps {
  store: { operations: Pick<OperationStore, 'get' | 'claim'> };
  operations: Pick<Operations, 'start'>;
  clients: Pick<ClientStanding, 'refuseStopped'>;
  applications: Applications;
  secrets: Secrets;
  clock: Clock;
  random?: RandomBytes;
}

export function createClaims(deps: Deps): Claims {
  const { store, operations, clients, applications, secrets, clock, random } = deps;

  async function claim(request: DeviceRequest, caller: Caller): Promise<ClaimAnswer> {
    const { code } = readClaim(request);
    const { receipt, device } = request.device;
    if (receipt) return repeated<ClaimAnswer>(replayedBy(receipt, request));
    const offer = isHandle(code) ? await store.operations.get(operationIdOf(code)) : undefined;
    if (!offer?.offer) throw new DomainError('claim_not_found');
    if (!offer.claimed) refuseOver(stateAt(offer, clock()));
    await clients.refuseStopped(offer);
    refuseUnfit(device, offer);
    const taken = await take(offer, device, caller);
    return start(taken, request, caller);
  }

  /** Before the offer is taken: a device that could not answer must not keep it from one that can. */
  function refuseUnfit(device: Device, offer: Operation): void {
    const asked = openOffer(secrets, offer);
    const usable = usableDevices([device], applications, asked);
    if (usable.length === 0) throw new DomainError('method_not_available', { detail: 'not of this application' });
    try {
      chooseMethods(usable, asked);
    } catch (cause) {
      throw new DomainError('method_not_available', { cause });
    }
  }

  async function take(offer: Operation, device: Device, caller: Caller): Promise<Operation> {
    const { id: operationId, clientId } = offer;
    const now = clock();
    const handle = newHandle(partitionOf(device.userId), random);
    const { match } = openOffer(secrets, offer);
    const { code: matchCode } = makeMatch(match, operationIdOf(handle), { secrets, ...(random && { random }) })!;
    const sealed = sealClaimed(secrets, operationId, { handle, matchCode });
    const outcome = await store.operations.claim({
      operationId,
      claimed: { deviceId: device.id, sealed },
      now,
      events: [
        newEvent('operation.claimed', now, by(device.id, caller), { operationId, deviceId: device.id, clientId }),
      ],
    });
    switch (outcome.result) {
      case 'claimed':
      case 'again':
        return outcome.operation;
      case 'claimed_by_other':
        throw new DomainError('claim_taken');
      case 'closed':
        throw over(outcome.state);
      case 'missing':
        throw new DomainError('claim_not_found');
    }
  }

  async function start(offer: Operation, request: DeviceRequest, caller: Caller): Promise<ClaimAnswer> {
    const { device } = request.device;
    const { handle, matchCode, expiresAt } = openClaimed(secrets, offer);
    const answer: ClaimAnswer = { op: operationIdOf(handle) };
    const now = clock();
    const lifetimeSeconds = Math.floor((expiresAt - now) / SECOND);
    if (lifetimeSeconds < 1) throw new DomainError('operation_expired');
    const { shown, ...offered } = openOffer(secrets, offer);
    try {
      await operations.start({
        ...offered,
        shown: { ...shown, claimed: true },
        handle,
        userId: device.userId,
        deviceId: device.id,
        matchCode,
        uncapped: true,
        lifetimeSeconds,
        claimOf: offer.id,
        receipt: receiptOf(request, answer, now),
        ...counterOf(request, caller, now, device.id),
        by: by(device.id, caller),
      });
    } catch (error) {
      return startedBefore(error, answer);
    }
    return answer;
  }

  return { claim };
}

/** This message, or another of this device, has started it already. */
function startedBefore(error: unknown, answer: ClaimAnswer): ClaimAnswer {
  const code = error instanceof DomainError ? error.code : undefined;
  if (code === 'state_conflict') return answer;
  // locked or deactivated within the last moment
  if (code === 'user_unknown') throw new DomainError('device_locked', { members: { reason: 'locked' } });
  if (code === 'no_usable_device') throw new DomainError('method_not_available', { cause: error });
  throw error;
}

function refuseOver(state: OperationState): void {
  if (state !== 'pending') throw over(state);
}

function over(state: OperationState): DomainError {
  return new DomainError(state === 'expired' ? 'operation_expired' : 'operation_cancelled');
}
