/** A verifier of a platform that exists in tests only: whoever shows that it knows the challenge is genuine. */
import type { AttestationVerifier } from '../../src/domain/attestation.ts';

const verify: AttestationVerifier = ({ kind, blob, challenge }) =>
  kind === 'test-platform' && blob === `signed.${challenge}`
    ? { verdict: 'trusted', level: 'hardware', detail: 'made of paper' }
    : { verdict: 'untrusted' };

export default verify;
