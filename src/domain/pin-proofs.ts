/**
 * The PIN proof behind an approval, for a dispute (device-protocol, section 4: `pin_proof_retention: sealed`).
 *
 *     right PIN ──> proof and public key, sealed, in the step that writes decision and evidence ──> gone with the evidence
 *                                                    └── opened by somebody, for a reason: an event first, then the answer
 *
 * Evidence alone shows that the device signed the hash of a proof; that the proof was right is the server's word. With these
 * two a third party sees it. They are an oracle for the PIN to whoever has a copy of the device: they lie nowhere else, and
 * no wrong proof is ever kept.
 */
import type { Clock } from '../support/clock.ts';
import { isId, partitionOf } from '../support/ids.ts';
import type { EcPublicJwk } from '../support/jose/index.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Device } from './device.ts';
import type { EvaluatedProof } from './device-messages/index.ts';
import { DomainError } from './errors.ts';
import { evidenceClaims, openEvidence } from './evidence.ts';
import { newEvent } from './new-event.ts';
import { proofKeysOf } from './pin-keys.ts';
import type { OperationStore } from './ports/operations.ts';
import type { EventStore } from './ports/records.ts';
import type { By } from './users.ts';

const label = 'pin-proof';
const aadOf = (operationId: string) => `pin-proof:${operationId}`;

/** What the seal hides. */
interface PinProof {
  /** The JWS, as it came. */
  proof: string;
  /** The public key that it verified with; the device's own record forgets it with the PIN. */
  key: EcPublicJwk & { kid: string };
}

/** @returns undefined where no PIN was proved */
export function sealPinProof(
  secrets: Pick<Secrets, 'seal' | 'open'>,
  operationId: string,
  device: Pick<Device, 'id' | 'keys'>,
  proofs: readonly EvaluatedProof[],
): string | undefined {
  const proved = proofs.find(({ method, verified }) => method === 'pin' && verified);
  const key = proved && proofKeysOf(secrets, device).find(({ method }) => method === 'pin');
  if (!proved || !key) return undefined;
  const { kty, crv, x, y } = key.jwk;
  const kept: PinProof = { proof: proved.proof, key: { kty, crv, x, y, kid: key.kid } };
  return secrets.seal(label, JSON.stringify(kept), aadOf(operationId));
}

/** All that a third party needs, beside the published seal keys. */
export interface OpenedPinProof extends PinProof {
  operationId: string;
  /** The JWS by `seal`. It names the device's key, and holds the decision. */
  evidence: string;
  /** The device's JWS: its header lists the hash of `proof`. */
  decision: string;
}

export interface PinProofs {
  /**
   * Whoever opens one is in the audit trail, with the reason, before anything leaves.
   * @throws DomainError pin_proof_not_found: none was kept, or it is gone
   */
  open(asked: { operationId: string; reason: string }, by: By): Promise<OpenedPinProof>;
}

interface Deps {
  store: { operations: Pick<OperationStore, 'evidence' | 'pinProof'>; events: Pick<EventStore, 'write'> };
  secrets: Pick<Secrets, 'open'>;
  clock: Clock;
}

export function createPinProofs({ store, secrets, clock }: Deps): PinProofs {
  return {
    async open({ operationId, reason }, by) {
      if (!isId(operationId)) throw new DomainError('pin_proof_not_found');
      const [sealed, sealedEvidence] = await Promise.all([
        store.operations.pinProof(operationId),
        store.operations.evidence(operationId),
      ]);
      if (sealed === undefined || sealedEvidence === undefined) throw new DomainError('pin_proof_not_found');
      const { proof, key } = JSON.parse(secrets.open(label, sealed, aadOf(operationId)).toString('utf8')) as PinProof;
      const evidence = openEvidence(secrets, operationId, sealedEvidence);
      const { sub: userId, client_id: clientId, device, decision } = evidenceClaims(evidence);
      const about = { operationId, userId, clientId, deviceId: device.id, data: { reason } };
      const event = newEvent('operation.pin_proof_opened', clock(), by, about);
      await store.events.write(partitionOf(operationId), [event]);
      return { operationId, evidence, decision, proof, key };
    },
  };
}
