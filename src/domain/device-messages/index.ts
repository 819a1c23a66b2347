export { buildChallenge, type ChallengeOf, challengeHash, sealChallenge, signChallenge } from './challenge.ts';
export { readClaim } from './claim.ts';
export { buildContext, type ContextOf, contextHash } from './context.ts';
export {
  checkFits,
  type DecisionMessage,
  type EvaluatedApproval,
  elementsOf,
  evaluateApproval,
  readDecision,
} from './decision.ts';
export { type DownProblem, sealDown, sealEvent, sealProblem } from './down.ts';
export {
  confirmValue,
  type EnrollMessage,
  type RedeemMessage,
  readEnroll,
  readRedeem,
  readStatus,
  readUnenroll,
  sealConfirm,
} from './enrollment.ts';
export { buildEvidence, type EvidenceOf, signEvidence } from './evidence.ts';
export { type KeySets, sealJwks, signedKeySets } from './key-sets.ts';
export { textOf } from './payload.ts';
export { type EvaluatedProof, evaluateProofs, type NewPinKey, type ProofKey, verifyNewPinKey } from './proofs.ts';
export {
  type RequestChecks,
  type SignedRequest,
  type VerifiedRedeem,
  type VerifiedRequest,
  verifyRedeem,
  verifyRequest,
} from './request.ts';
export { sealContext, sealDocumentPart, sealForDevice, signWithSeal } from './sealed.ts';
export { type NamedJwk, type ServerKeyPair, serverKeyPair } from './server-key.ts';
export { issueSession, maxSessionSeconds, type OpenSession, openSession } from './sessions.ts';
export { type OpenedSession, type OpenedSigned, type OpenedUp, openUp, type UpKeys } from './up.ts';
export {
  type Backing,
  type MethodsMessage,
  type RotateMessage,
  readMethods,
  readRotate,
  readTickets,
} from './upkeep.ts';
export * from './wire.ts';
