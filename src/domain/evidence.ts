/** The evidence of a decision: signed by `seal`, kept sealed beyond the operation itself (device-protocol, sections 4 and 7). */
import { parseJws } from '../support/jose/index.ts';
import type { Secrets } from '../support/secrets.ts';
import { openOperationContext } from './context.ts';
import type { Device } from './device.ts';
import { type EvaluatedProof, type ServerKeyPair, signEvidence } from './device-messages/index.ts';
import type { Decision, Operation } from './operation.ts';

const label = 'evidence';
const aadOf = (operationId: string) => `evidence:${operationId}`;

export interface EvidenceFor {
  issuer: string;
  operation: Operation;
  device: Device;
  decision: Decision;
  /** The device's JWS, verbatim. */
  jws: string;
  proofs: readonly EvaluatedProof[];
}

/**
 * Holds hashes of what was shown, never the text: that is readable as long as the operation's own key exists. Only what an
 * approval granted stands in it in words, because tokens carry it too.
 */
export function sealEvidence(
  secrets: Pick<Secrets, 'seal' | 'open'>,
  seal: ServerKeyPair,
  evidence: EvidenceFor,
): string {
  const { issuer, operation, device, decision, jws, proofs } = evidence;
  const signed = signEvidence(seal, {
    issuer,
    now: decision.decidedAt,
    op: operation.id,
    sub: operation.userId,
    clientId: operation.clientId,
    acr: decision.acr,
    amr: decision.amr,
    device: {
      id: device.id,
      sig: device.keys.sig,
      enrolledAt: device.activatedAt ?? device.createdAt,
      ...(device.attestation && { attestation: shownAttestation(device.attestation) }),
    },
    decision: jws,
    proofs,
    ...(decision.approved && grantedIn(secrets, operation)),
  });
  return secrets.seal(label, signed, aadOf(operation.id));
}

/** What was found, and for which key: after `rotate` it is another one than `cnf`. */
function shownAttestation({ kind, verdict, level, detail, jkt, at }: NonNullable<Device['attestation']>): object {
  return { kind, verdict, level, detail, jkt, at: Math.floor(at / 1000) };
}

function grantedIn(secrets: Pick<Secrets, 'open'>, operation: Operation): { authorizationDetails?: string } {
  if (operation.kind !== 'authorization') return {};
  const ctx = openOperationContext(secrets, operation);
  const { transaction } = JSON.parse(ctx ?? '{}') as { transaction?: { authorization_details?: unknown } };
  const details = transaction?.authorization_details;
  return typeof details === 'string' ? { authorizationDetails: details } : {};
}

/** What a reader of ours needs of a JWS that was kept here: it was signed here, and sealed. */
export function evidenceClaims(jws: string): {
  sub: string;
  client_id: string;
  device: { id: string };
  /** The device's JWS, verbatim. */
  decision: string;
} {
  return JSON.parse(parseJws(jws).payload.toString('utf8'));
}

/** The JWS again. @throws Error when the stored text was changed or belongs to another operation */
export function openEvidence(secrets: Pick<Secrets, 'open'>, operationId: string, sealed: string): string {
  return secrets.open(label, sealed, aadOf(operationId)).toString('utf8');
}
