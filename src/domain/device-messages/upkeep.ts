/** Readers for the calls by which a device keeps itself healthy: `methods`, `rotate`, `tickets` (device-protocol, section 8). */
import { type EcPublicJwk, jwkThumbprint } from '../../support/jose/index.ts';
import { DomainError } from '../errors.ts';
import { integerOf, invalid, objectOf, oneOf, optionalTextOf, publicJwkOf, textOf } from './payload.ts';
import { isProofBy, type NewPinKey, takeProof, verifyNewPinKey } from './proofs.ts';
import type { SignedRequest, VerifiedRequest } from './request.ts';

/** What stands behind a change, beside `sig`: proofs by keys that the device has, or a fresh ticket. */
export interface Backing {
  readonly signed: SignedRequest;
  /** without those of new keys */
  readonly proofs: Pick<SignedRequest, 'payloadHash' | 'proofs'>;
  readonly ticket: string | undefined;
}

export interface MethodsMessage extends Backing {
  readonly action: 'activate' | 'change' | 'remove';
  /** proved with this very message; of `activate` and `change` */
  readonly pin: NewPinKey | undefined;
}

const actions = ['activate', 'change', 'remove'] as const;

/** @throws DomainError message_invalid | method_not_available (another method than `pin`) | key_reused (one key for two uses) */
export function readMethods(
  { payload, signed }: VerifiedRequest<unknown>,
  keys: { sig: EcPublicJwk; enc?: EcPublicJwk },
): MethodsMessage {
  if (!signed) throw invalid('methods needs a signature');
  const action = oneOf(payload, 'action', actions);
  if (textOf(payload, 'method', 64) !== 'pin') throw new DomainError('method_not_available');
  const ticket = optionalTextOf(payload, 'ticket');
  if (action === 'remove') {
    if (payload.key !== undefined) throw invalid('a key that nothing is done with');
    return { action, pin: undefined, signed, proofs: signed, ticket };
  }
  const kid = textOf(objectOf(payload, 'key'), 'kid', 64);
  const { own, others } = takeProof(signed, kid);
  const pin = verifyNewPinKey(own, kid);
  refuseReuse([keys.sig, ...(keys.enc ? [keys.enc] : []), pin.jwk]);
  return { action, pin, signed, proofs: others, ticket };
}

export interface RotateMessage extends Backing {
  /** proved with this very message */
  readonly sig: EcPublicJwk;
  /** to be proved by quoting what was encrypted to it */
  readonly enc: EcPublicJwk;
}

/**
 * The new `sig` signs a proof under its thumbprint as `kid`.
 *
 * @throws DomainError message_invalid | key_reused (one key for two uses, or one that the device has)
 */
export function readRotate(
  { payload, signed }: VerifiedRequest<unknown>,
  keys: { sig: EcPublicJwk; enc?: EcPublicJwk },
): RotateMessage {
  if (!signed) throw invalid('rotate needs a signature');
  const given = objectOf(payload, 'keys');
  const [sig, enc] = [publicJwkOf(given, 'sig'), publicJwkOf(given, 'enc')];
  const { own, others } = takeProof(signed, jwkThumbprint(sig));
  if (!isProofBy(sig, own)) throw invalid('the new sig key is not proved');
  refuseReuse([keys.sig, ...(keys.enc ? [keys.enc] : []), sig, enc]);
  return { sig, enc, signed, proofs: others, ticket: optionalTextOf(payload, 'ticket') };
}

export interface TicketsMessage extends Backing {
  /** of another application than the device's own */
  readonly application: string | undefined;
  readonly ttlSeconds: number | undefined;
}

/** @throws DomainError message_invalid */
export function readTickets({ payload, signed }: VerifiedRequest<unknown>): TicketsMessage {
  if (!signed) throw invalid('tickets needs a signature');
  return {
    application: optionalTextOf(payload, 'application', 128),
    ttlSeconds: payload.ttl_seconds === undefined ? undefined : integerOf(payload, 'ttl_seconds'),
    signed,
    proofs: signed,
    ticket: undefined,
  };
}

function refuseReuse(keys: readonly EcPublicJwk[]): void {
  if (new Set(keys.map(jwkThumbprint)).size === keys.length) return;
  throw new DomainError('key_reused', { detail: 'one key for two uses' });
}
