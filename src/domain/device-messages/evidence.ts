/**
 * Evidence: the record that a third party verifies with the published seal keys, long after the operation is gone.
 * No `aud`, `exp` or `nonce`, and a `typ` of its own, so that it cannot pass for an ID token.
 */
import type { EcPublicJwk } from '../../support/jose/index.ts';
import type { ShownDocument } from '../document.ts';
import type { EvaluatedProof } from './proofs.ts';
import { signWithSeal } from './sealed.ts';
import type { ServerKeyPair } from './server-key.ts';
import { typ } from './wire.ts';

export interface EvidenceOf {
  issuer: string;
  /** epoch milliseconds: when the decision was recorded */
  now: number;
  op: string;
  sub: string;
  clientId: string;
  acr: string;
  amr: readonly string[];
  /** `enrolledAt` in epoch milliseconds */
  device: { id: string; sig: EcPublicJwk; enrolledAt: number; attestation?: object };
  /** signed challenge, see signChallenge; absent where only hashes are kept */
  challenge?: string;
  /** the device's JWS, verbatim */
  decision: string;
  /** as evaluated; those of a PIN are left out here, whatever the caller hands in */
  proofs?: readonly EvaluatedProof[];
  /** what was agreed to or signed; `external`: only its hash was known here, and nothing of it was shown */
  document?: ShownDocument;
  /** what was granted with an approval (RFC 9396), as JSON; the device signed a hash over a text that holds these bytes */
  authorizationDetails?: string;
}

/** The payload. For a PIN it shows the device's signature over `method: pin` and over the hash of the salted proof. */
export function buildEvidence(evidence: EvidenceOf): object {
  const { issuer, now, op, sub, clientId, acr, amr, device, challenge, decision, proofs = [] } = evidence;
  const { authorizationDetails, document } = evidence;
  const shownProofs = proofs.filter(({ method }) => method !== undefined && method !== 'pin').map(({ proof }) => proof);
  const { kty, crv, x, y } = device.sig;
  return {
    iss: issuer,
    iat: Math.floor(now / 1000),
    op,
    sub,
    client_id: clientId,
    acr,
    amr,
    device: {
      id: device.id,
      cnf: { jwk: { kty, crv, x, y } },
      enrolled_at: Math.floor(device.enrolledAt / 1000),
      attestation: device.attestation,
    },
    challenge,
    decision,
    proofs: shownProofs.length > 0 ? shownProofs : undefined,
    authorization_details: authorizationDetails === undefined ? undefined : JSON.parse(authorizationDetails),
    document,
    context: challenge === undefined ? 'hash_only' : 'included',
  };
}

/** The JWS that is kept. */
export function signEvidence(seal: ServerKeyPair, evidence: EvidenceOf): string {
  return signWithSeal(seal, typ.evidence, JSON.stringify(buildEvidence(evidence)));
}
