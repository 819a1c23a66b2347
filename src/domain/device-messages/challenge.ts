/** Challenges: the same bytes however often an operation is presented to a device, so presenting writes nothing. */
import { sha256Base64url } from '../../support/bytes.ts';
import type { EcPublicJwk } from '../../support/jose/index.ts';
import type { Secrets } from '../../support/secrets.ts';
import type { Method } from '../application.ts';
import type { MatchMode } from '../operation.ts';
import { sealForDevice, signWithSeal } from './sealed.ts';
import type { ServerKeyPair } from './server-key.ts';
import { typ } from './wire.ts';

export interface ChallengeOf {
  issuer: string;
  deviceId: string;
  op: string;
  /** the operation's creation, epoch milliseconds */
  createdAt: number;
  /** until when it may be answered, epoch milliseconds: one polling interval before the operation's own end */
  answerBy: number;
  /** the `ctx` string as it was written at the start */
  ctx: string;
  /** preferred first */
  methods: readonly Method[];
  match?: { mode: MatchMode; options?: readonly string[] };
}

/**
 * The payload's JSON text. Deterministic: members in this order, nonce by HMAC, times of the operation.
 *
 * The number to match is not in it. `options` travel for `choose` only.
 */
export function buildChallenge(secrets: Pick<Secrets, 'hmac'>, challenge: ChallengeOf): string {
  const { issuer, deviceId, op, createdAt, answerBy, ctx, methods, match } = challenge;
  return JSON.stringify({
    iss: issuer,
    aud: deviceId,
    op,
    nonce: secrets.hmac('device-challenge', `${op}\0${deviceId}`),
    iat: Math.floor(createdAt / 1000),
    exp: Math.floor(answerBy / 1000),
    ctx,
    methods,
    match: matchOf(match),
  });
}

/** Over the payload's bytes, not over the JWS: two presentations differ in signature and encryption only. */
export function challengeHash(challenge: string): string {
  return sha256Base64url(challenge);
}

/** For the answer to `present`. */
export function sealChallenge(enc: EcPublicJwk, seal: ServerKeyPair, challenge: string): string {
  return sealForDevice(enc, seal, typ.challenge, challenge);
}

/** For evidence, where the challenge stands in clear. */
export function signChallenge(seal: ServerKeyPair, challenge: string): string {
  return signWithSeal(seal, typ.challenge, challenge);
}

function matchOf(match: ChallengeOf['match']): object | undefined {
  if (!match || match.mode === 'none') return undefined;
  return match.mode === 'choose' ? { mode: match.mode, options: match.options } : { mode: match.mode };
}
