/** Signatures of others, by the algorithms of JWS that are in use between servers (RFC 7518 §3.1, RFC 8037 §3.1). */
import { constants, type KeyObject, verify } from 'node:crypto';
import { derOf } from './ecdsa.ts';

export type SignatureAlg = 'ES256' | 'PS256' | 'RS256' | 'EdDSA';

interface Algorithm {
  digest: string | null;
  /** Of a signature, where the key does not tell. */
  bytes?: number;
  /** The signature as OpenSSL wants it. Left to Node, this costs a third of the verification. */
  asGiven?: (signature: Uint8Array) => Uint8Array;
  options?: { padding: number; saltLength?: number };
}

const algorithms: Record<SignatureAlg, Algorithm> = {
  ES256: { digest: 'sha256', bytes: 64, asGiven: derOf },
  PS256: { digest: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
  RS256: { digest: 'sha256', options: { padding: constants.RSA_PKCS1_PADDING } },
  EdDSA: { digest: null, bytes: 64 },
};

export const isSignatureAlg = (alg: unknown): alg is SignatureAlg =>
  typeof alg === 'string' && Object.hasOwn(algorithms, alg);

/** @param signature as it stands in a JWS: of ES256 r ‖ s. False also for a key of another algorithm. */
export function isSignature(alg: SignatureAlg, key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const { digest, bytes, asGiven, options } = algorithms[alg];
  if (bytes !== undefined && signature.length !== bytes) return false;
  try {
    return verify(digest, data, options ? { key, ...options } : key, asGiven ? asGiven(signature) : signature);
  } catch {
    return false;
  }
}
