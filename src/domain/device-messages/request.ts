/** The claims and the signature of a message up, checked in the order of the protocol's section 2. */
import { sha256Base64url, utf8Text } from '../../support/bytes.ts';
import {
  type EcPublicJwk,
  isSignedBy,
  jwkThumbprint,
  type ParsedJws,
  parseJws,
  parsePublicJwk,
} from '../../support/jose/index.ts';
import { type JsonObject, parseJsonObject } from '../../support/strict-json.ts';
import { DomainError } from '../errors.ts';
import { base64urlOf, integerOf, invalid } from './payload.ts';
import type { OpenedSigned, OpenedUp } from './up.ts';
import { type Act, clockSkewSeconds, sessionActs, typ } from './wire.ts';

/** What was signed, kept for receipts, proofs and evidence. */
export interface SignedRequest {
  /** the compact JWS, verbatim */
  readonly jws: string;
  /** SHA-256 of `jws`: names this very message in receipts and reserved tries */
  readonly jwsHash: string;
  /** SHA-256 of the payload's bytes: what every proof is over */
  readonly payloadHash: string;
  readonly payloadBytes: Buffer;
  readonly proofs: readonly string[];
}

export interface VerifiedRequest<D> {
  readonly device: D;
  readonly deviceId: string;
  readonly act: Act;
  readonly jti: string;
  /** the device's clock, epoch seconds */
  readonly iat: number;
  /** the device's own counter, if it has one; going backwards is a sign of a copy */
  readonly ctr: number | undefined;
  /** common claims included; read it with payload.ts and the readers of each call */
  readonly payload: JsonObject;
  /** absent where the message came under a session */
  readonly signed: SignedRequest | undefined;
  /** signed by the key that is to follow the device's present one */
  readonly byNextKey?: true;
}

export interface RequestChecks<D> {
  issuer: string;
  /** the endpoint that was called */
  act: Act;
  /** epoch milliseconds */
  now: number;
  /** how far the device's clock may be off */
  skewSeconds?: number;
  /**
   * Unknown and finally deactivated devices alike: undefined. May be asked for any text that somebody sent.
   *
   * @param claims what the message says, of which nothing is proved yet; empty where it cannot be read
   */
  findDevice(id: string, claims: JsonObject): Promise<D | undefined>;
  /** the key that signs for this device */
  sigKey(device: D): EcPublicJwk;
  /** a key that is to follow it, where this call may be signed by one */
  nextSigKey?(device: D): EcPublicJwk | undefined;
  /** sessions end with the keys that opened them */
  generationOf?(device: D): number | undefined;
}

/**
 * Verify a message of an enrolled (or pending) device.
 *
 * Order: device by kid → signature → typ, aud, iss, act → iat. The device's state is the caller's next check: only a
 * message that proved its key may learn it.
 *
 * @throws DomainError device_refused | message_invalid | clock_skew
 */
export async function verifyRequest<D>(opened: OpenedUp, checks: RequestChecks<D>): Promise<VerifiedRequest<D>> {
  return opened.kind === 'signed' ? verifySigned(opened, checks) : verifySession(opened, checks);
}

async function verifySigned<D>(opened: OpenedSigned, checks: RequestChecks<D>): Promise<VerifiedRequest<D>> {
  const jws = readJws(opened.jws, ['proofs_sha256']);
  const deviceId = jws.header.kid ?? '';
  const payload = readPayload(jws);
  const device = await checks.findDevice(deviceId, payload ?? {});
  if (device === undefined) throw refused('no such device');
  const isPresent = isSignedBy(jws, checks.sigKey(device));
  const next = isPresent ? undefined : checks.nextSigKey?.(device);
  if (!isPresent && !(next && isSignedBy(jws, next))) throw refused('signature');
  const claims = checkedClaims(jws, payload, deviceId, checks);
  const common = { device, deviceId, act: checks.act, ...commonClaims(claims), payload: claims };
  return { ...common, signed: signedPart(opened, jws), ...(next && { byNextKey: true }) };
}

async function verifySession<D>(
  opened: Extract<OpenedUp, { kind: 'session' }>,
  checks: RequestChecks<D>,
): Promise<VerifiedRequest<D>> {
  const { deviceId } = opened.session;
  const device = await checks.findDevice(deviceId, opened.request);
  if (device === undefined) throw refused('no such device');
  if (!sessionActs.includes(checks.act)) throw invalid('this call needs a signature');
  const generation = checks.generationOf?.(device) ?? 0;
  if (opened.session.generation !== generation) throw new DomainError('unknown_key', { detail: 'keys were rotated' });
  checkClaims(opened.request, deviceId, checks);
  return {
    device,
    deviceId,
    act: checks.act,
    ...commonClaims(opened.request),
    payload: opened.request,
    signed: undefined,
  };
}

export interface VerifiedRedeem {
  /** the new device's `sig`, to be bound to the ticket */
  readonly sig: EcPublicJwk;
  readonly thumbprint: string;
  readonly jti: string;
  readonly iat: number;
  readonly payload: JsonObject;
  readonly signed: SignedRequest;
}

/**
 * Verify a `redeem`: the one message whose header brings its own key. It proves possession of that key and nothing
 * else; the ticket says for whom.
 *
 * @throws DomainError unreadable (came under a session) | device_refused | message_invalid | clock_skew
 */
export function verifyRedeem(
  opened: OpenedUp,
  checks: { issuer: string; now: number; skewSeconds?: number },
): VerifiedRedeem {
  if (opened.kind !== 'signed') throw invalid('this call needs a signature');
  const jws = readJws(opened.jws, ['jwk']);
  const sig = headerJwk(jws);
  if (!isSignedBy(jws, sig)) throw refused('signature');
  const thumbprint = jwkThumbprint(sig);
  if (jws.header.kid !== thumbprint) throw invalid('kid is not the thumbprint of jwk');
  if (opened.proofs.length > 0) throw invalid('no other key is proved here');
  const payload = checkedClaims(jws, readPayload(jws), thumbprint, { ...checks, act: 'redeem' });
  return { sig, thumbprint, ...commonClaims(payload), payload, signed: signedPart(opened, jws) };
}

function readJws(token: string, allow: string[]): ParsedJws {
  try {
    return parseJws(token, { allow });
  } catch (cause) {
    // nothing of it is proved, so nothing is told
    throw refused('not a signature of the allowed form', cause);
  }
}

function headerJwk({ header }: ParsedJws): EcPublicJwk {
  try {
    return parsePublicJwk(header.jwk);
  } catch (cause) {
    throw refused('jwk', cause);
  }
}

/** undefined: it is not what a payload must be, which is told only to whoever has signed it. */
function readPayload({ payload }: ParsedJws): JsonObject | undefined {
  try {
    return parseJsonObject(utf8Text(payload));
  } catch {
    return undefined;
  }
}

function checkedClaims(
  { header }: ParsedJws,
  payload: JsonObject | undefined,
  deviceId: string,
  checks: Pick<RequestChecks<unknown>, 'issuer' | 'act' | 'now' | 'skewSeconds'>,
): JsonObject {
  if (header.typ !== typ.request || header.cty !== undefined) throw invalid('typ');
  if (!payload) throw invalid('the payload is not JSON');
  checkClaims(payload, deviceId, checks);
  return payload;
}

function checkClaims(
  payload: JsonObject,
  deviceId: string,
  {
    issuer,
    act,
    now,
    skewSeconds = clockSkewSeconds,
  }: Pick<RequestChecks<unknown>, 'issuer' | 'act' | 'now' | 'skewSeconds'>,
): void {
  if (payload.aud !== issuer) throw invalid('aud');
  if (payload.iss !== deviceId) throw invalid('iss');
  if (payload.act !== act) throw invalid('act');
  const iat = integerOf(payload, 'iat');
  const isFresh = Math.abs(iat - Math.floor(now / 1000)) <= skewSeconds;
  // an answer is bound to its challenge, which has its own end; a phone with a wrong clock may still deny
  if (act !== 'decide' && !isFresh) throw new DomainError('clock_skew', { detail: `iat ${iat}` });
}

function commonClaims(payload: JsonObject): { jti: string; iat: number; ctr: number | undefined } {
  const ctr = payload.ctr === undefined ? undefined : integerOf(payload, 'ctr');
  return { jti: base64urlOf(payload, 'jti', 16), iat: integerOf(payload, 'iat'), ctr };
}

/** The header lists the hashes of the proofs in order: none can be added, dropped or swapped. */
function signedPart({ jws: token, proofs }: OpenedSigned, jws: ParsedJws): SignedRequest {
  const listed = jws.header.proofs_sha256 ?? [];
  const hashes = proofs.map((proof) => sha256Base64url(proof));
  if (!Array.isArray(listed) || listed.length !== hashes.length || !hashes.every((hash, i) => hash === listed[i])) {
    throw invalid('proofs_sha256 does not list the proofs');
  }
  const payloadHash = sha256Base64url(jws.payload);
  return { jws: token, jwsHash: sha256Base64url(token), payloadHash, payloadBytes: jws.payload, proofs };
}

function refused(detail: string, cause?: unknown): DomainError {
  return new DomainError('device_refused', { detail, cause });
}
