/**
 * Proofs: further keys of a device that stand behind one payload. A JWS by the key over the payload's hash and a salt.
 *
 * A PIN proof says nothing about which PIN was typed: every PIN gives a valid signature by some key, and only the
 * server can tell whether it is the key. So neither proof, nor key, nor thumbprint of a PIN goes into a log or evidence.
 */

import { utf8Text } from '../../support/bytes.ts';
import { type EcPublicJwk, isSignedBy, type ParsedJws, parseJws, parsePublicJwk } from '../../support/jose/index.ts';
import { parseJsonObject } from '../../support/strict-json.ts';
import { DomainError } from '../errors.ts';
import { base64urlOf } from './payload.ts';
import type { SignedRequest } from './request.ts';
import { typ } from './wire.ts';

export type ProofMethod = 'pin' | 'biometric';

/** A key of the device that sent the message; keys of other devices have no business here. */
export interface ProofKey {
  readonly kid: string;
  readonly method: ProofMethod;
  readonly jwk: EcPublicJwk;
}

export interface EvaluatedProof {
  /** undefined: by no key of this device */
  readonly method: ProofMethod | undefined;
  readonly verified: boolean;
  /** as it came; only for evidence, and there never of a PIN, which is kept apart or not at all (../pin-proofs.ts) */
  readonly proof: string;
}

/**
 * Evaluate every proof, whatever became of the others, so that neither answer nor time tells which one was wrong.
 * A key counts once; a header that brings its own key proves nothing here.
 */
export function evaluateProofs(
  signed: Pick<SignedRequest, 'payloadHash' | 'proofs'>,
  keys: readonly ProofKey[],
): EvaluatedProof[] {
  const unused = new Map(keys.map((key) => [key.kid, key]));
  return signed.proofs.map((proof) => {
    const jws = readProof(proof, []);
    const key = unused.get(jws?.header.kid ?? '');
    if (!jws || !key) return { method: undefined, verified: false, proof };
    unused.delete(key.kid);
    return { method: key.method, verified: proves(jws, key.jwk, signed.payloadHash), proof };
  });
}

/** The methods of the keys that the proofs name, right or wrong. */
export function namedMethods(signed: Pick<SignedRequest, 'proofs'>, keys: readonly ProofKey[]): ProofMethod[] {
  const kids = signed.proofs.map((proof) => readProof(proof, [])?.header.kid);
  return keys.filter((key) => kids.includes(key.kid)).map((key) => key.method);
}

/** A PIN key that was never seen before: to be stored sealed under the master key, and nowhere else. */
export interface NewPinKey {
  readonly kid: string;
  readonly jwk: EcPublicJwk;
}

/**
 * Where a new PIN key is announced by its `kid`: its one proof, whose header carries the public half.
 *
 * @throws DomainError message_invalid
 */
export function verifyNewPinKey(signed: Pick<SignedRequest, 'payloadHash' | 'proofs'>, kid: string): NewPinKey {
  const [proof = '', ...others] = signed.proofs;
  const jws = others.length === 0 ? readProof(proof, ['jwk']) : undefined;
  const jwk = jws && jws.header.kid === kid ? readJwk(jws) : undefined;
  if (!jws || !jwk || !proves(jws, jwk, signed.payloadHash)) {
    throw new DomainError('message_invalid', { detail: 'the new PIN key is not proved' });
  }
  return { kid, jwk };
}

/**
 * The one proof that names this key, apart from the others: a new key is proved beside keys that the device has.
 *
 * @throws DomainError message_invalid
 */
export function takeProof<S extends Pick<SignedRequest, 'proofs'>>(signed: S, kid: string): { own: S; others: S } {
  const isOwn = (proof: string) => readProof(proof, ['jwk'])?.header.kid === kid;
  const own = signed.proofs.filter(isOwn);
  if (own.length !== 1) throw new DomainError('message_invalid', { detail: 'the new key is not proved once' });
  return { own: { ...signed, proofs: own }, others: { ...signed, proofs: signed.proofs.filter((p) => !isOwn(p)) } };
}

/** Is this the proof of a key whose public half the payload names? */
export function isProofBy(jwk: EcPublicJwk, signed: Pick<SignedRequest, 'payloadHash' | 'proofs'>): boolean {
  const jws = readProof(signed.proofs[0] ?? '', []);
  return signed.proofs.length === 1 && jws !== undefined && proves(jws, jwk, signed.payloadHash);
}

function readProof(proof: string, allow: string[]): ParsedJws | undefined {
  try {
    return parseJws(proof, { allow });
  } catch {
    return undefined; // counts as wrong; the reason would only help whoever tries
  }
}

function readJwk({ header }: ParsedJws): EcPublicJwk | undefined {
  try {
    return parsePublicJwk(header.jwk);
  } catch {
    return undefined;
  }
}

function proves(jws: ParsedJws, jwk: EcPublicJwk, payloadHash: string): boolean {
  const isSigned = isSignedBy(jws, jwk);
  return isSigned && jws.header.typ === typ.proof && isOver(jws.payload, payloadHash);
}

/** The salt keeps the hash of a PIN proof, which evidence shows, from being tried against all PINs. */
function isOver(payload: Buffer, payloadHash: string): boolean {
  try {
    const body = parseJsonObject(utf8Text(payload));
    base64urlOf(body, 'salt', 32);
    return Object.keys(body).length === 2 && body.payload_sha256 === payloadHash;
  } catch {
    return false;
  }
}
