/** The answer to a challenge: read, held against the challenge, and its proofs and number evaluated. */
import type { Method } from '../application.ts';
import { DomainError } from '../errors.ts';
import { base64urlOf, invalid, oneOf, optionalTextOf, textOf } from './payload.ts';
import { type EvaluatedProof, evaluateProofs, namedMethods, type ProofKey } from './proofs.ts';
import type { SignedRequest, VerifiedRequest } from './request.ts';

export interface DecisionMessage {
  readonly op: string;
  readonly challengeHash: string;
  readonly contextHash: string;
  readonly approved: boolean;
  readonly reason: 'not_me' | 'incorrect_data' | 'cancelled' | undefined;
  /** what the device says it used; the level comes from the proofs */
  readonly method: Method;
  /** the number that was chosen or typed */
  readonly match: string | undefined;
  readonly signed: SignedRequest;
}

const reasons = ['not_me', 'incorrect_data', 'cancelled'] as const;

/** @throws DomainError message_invalid */
export function readDecision({ payload, signed }: VerifiedRequest<unknown>): DecisionMessage {
  if (!signed) throw invalid('a decision needs a signature');
  const approved = oneOf(payload, 'decision', ['approve', 'deny']) === 'approve';
  const method = textOf(payload, 'method', 64) as Method;
  if (approved && (method === 'device') !== (signed.proofs.length === 0))
    throw invalid('the proofs do not go with the method');
  return {
    op: textOf(payload, 'op'),
    challengeHash: base64urlOf(payload, 'challenge_sha256', 32),
    contextHash: base64urlOf(payload, 'ctx_hash', 32),
    approved,
    reason: payload.reason === undefined ? undefined : oneOf(payload, 'reason', reasons),
    method,
    match: optionalTextOf(payload, 'match', 16),
    signed,
  };
}

/**
 * Is it an answer to what this device was shown? Not counted as a try if not: nothing was guessed.
 *
 * @throws DomainError challenge_stale
 */
export function checkFits(
  decision: DecisionMessage,
  expected: { challengeHash: string; contextHash: string; methods: readonly Method[] },
): void {
  const fits =
    decision.challengeHash === expected.challengeHash &&
    decision.contextHash === expected.contextHash &&
    (!decision.approved || expected.methods.includes(decision.method));
  if (!fits) throw new DomainError('challenge_stale');
}

/**
 * What a try guesses at, known before anything is verified: the counters to reserve. By the keys that the proofs name
 * and not by `method`, else a PIN could be tried beside a good fingerprint and never be counted.
 */
export function elementsOf(
  { signed }: DecisionMessage,
  { keys, asksNumber }: { keys: readonly ProofKey[]; asksNumber: boolean },
): ('pin' | 'number')[] {
  const isPinTried = namedMethods(signed, keys).includes('pin');
  return [...(isPinTried ? (['pin'] as const) : []), ...(asksNumber ? (['number'] as const) : [])];
}

export interface EvaluatedApproval {
  /** every proof and the number were right, and `method` says what was proved */
  readonly passed: boolean;
  /** the number alone, for the device's number counter; true where none was asked for. Never told to the device. */
  readonly numberFits: boolean;
  /** methods whose keys verified, for acr and amr; possession is not listed, the signature stands for it */
  readonly proved: readonly ('pin' | 'biometric')[];
  readonly proofs: readonly EvaluatedProof[];
}

/**
 * Evaluate an approval after its try was reserved. All elements, always: neither answer nor time tells which was wrong.
 *
 * @param keys       of this device: its PIN key, its native uv key
 * @param numberFits compares with the stored HMAC; absent where the operation asks for no number
 */
export function evaluateApproval(
  decision: DecisionMessage,
  { keys, numberFits }: { keys: readonly ProofKey[]; numberFits?: (match: string) => boolean },
): EvaluatedApproval {
  const proofs = evaluateProofs(decision.signed, keys);
  const isNumberRight = numberFits ? numberFits(decision.match ?? '') : true;
  const proved = proofs.flatMap(({ method, verified }) => (verified && method ? [method] : []));
  const isMethodRight = decision.method === 'device' || (proved as Method[]).includes(decision.method);
  return {
    passed: isNumberRight && isMethodRight && proved.length === proofs.length,
    numberFits: isNumberRight,
    proved,
    proofs,
  };
}
