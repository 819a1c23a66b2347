/**
 * The evidence of a decision: signed by `seal`, kept sealed beyond the operation itself (device-protocol, sections 4 and 7).
 *
 * It holds the challenge, so that a third party sees what the person saw. That is signed here once more: the device got the same
 * payload under another signature, which nobody kept, and only the payload's bytes are what it has answered to.
 */
import { parseJws } from '../support/jose/index.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Device } from './device.ts';
import {
  type EvaluatedProof,
  type EvidenceOf,
  type ServerKeyPair,
  signChallenge,
  signEvidence,
} from './device-messages/index.ts';
import type { Decision, Operation } from './operation.ts';
import type { Shown } from './operations.ts';

const label = 'evidence';
const aadOf = (operationId: string) => `evidence:${operationId}`;

export interface EvidenceFor {
  issuer: string;
  operation: Operation;
  device: Device;
  decision: Decision;
  /** Its payload, byte for byte as it was presented. */
  challenge: string;
  /** The device's JWS, verbatim. */
  jws: string;
  proofs: readonly EvaluatedProof[];
}

export function sealEvidence(secrets: Pick<Secrets, 'seal'>, seal: ServerKeyPair, evidence: EvidenceFor): string {
  const { issuer, operation, device, decision, challenge, jws, proofs } = evidence;
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
    challenge: signChallenge(seal, challenge),
    decision: jws,
    proofs,
    ...statedIn(operation, decision, challenge),
  });
  return secrets.seal(label, packed(signed), aadOf(operation.id));
}

/** What was found, and for which key: after `rotate` it is another one than `cnf`. */
function shownAttestation({ kind, verdict, level, detail, jkt, at }: NonNullable<Device['attestation']>): object {
  return { kind, verdict, level, detail, jkt, at: Math.floor(at / 1000) };
}

/**
 * What others refer to stands beside the text that was shown: the details, which tokens carry too, and the document by its hash. They
 * stay where the text must go.
 */
function statedIn(
  { kind }: Operation,
  { approved }: Decision,
  challenge: string,
): Pick<EvidenceOf, 'authorizationDetails' | 'document'> {
  const { ctx } = JSON.parse(challenge) as { ctx: string };
  const { transaction, document } = JSON.parse(ctx) as Pick<Shown, 'transaction' | 'document'>;
  const details = approved && kind === 'authorization' ? transaction?.['authorization_details'] : undefined;
  return {
    ...(typeof details === 'string' && { authorizationDetails: details }),
    ...(document && { document }),
  };
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
  return unpacked(secrets.open(label, sealed, aadOf(operationId)));
}

/** `<header>\n<payload>` and 64 bytes of signature: a quarter shorter than as base64url, and kept for years. */
function packed(jws: string): Buffer {
  const [header, payload, signature] = jws.split('.').map((part) => Buffer.from(part, 'base64url'));
  return Buffer.concat([header!, newline, payload!, signature!]);
}

/** Evidence from before it was packed begins with the first letter of a JWS. */
function unpacked(bytes: Buffer): string {
  if (bytes[0] !== openingBrace) return bytes.toString('utf8');
  const [end, signatureAt] = [bytes.indexOf(newline), bytes.length - signatureBytes];
  const parts = [bytes.subarray(0, end), bytes.subarray(end + 1, signatureAt), bytes.subarray(signatureAt)];
  return parts.map((part) => part.toString('base64url')).join('.');
}

const newline = Buffer.from('\n');
const openingBrace = '{'.charCodeAt(0);
/** ES256. */
const signatureBytes = 64;
