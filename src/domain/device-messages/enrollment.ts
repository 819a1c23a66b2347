/** Readers for `redeem`, `enroll` and `status`, and the confirmation that proves `enc`. */
import { type EcPublicJwk, jwkThumbprint } from '../../support/jose/index.ts';
import type { Secrets } from '../../support/secrets.ts';
import type { JsonObject } from '../../support/strict-json.ts';
import { DomainError } from '../errors.ts';
import { invalid, objectOf, optionalTextOf, publicJwkOf, textOf } from './payload.ts';
import { type NewPinKey, verifyNewPinKey } from './proofs.ts';
import type { VerifiedRequest } from './request.ts';
import { sealForDevice } from './sealed.ts';
import type { ServerKeyPair } from './server-key.ts';
import { typ } from './wire.ts';

/** A ticket from the link, or what a person typed. */
export type RedeemMessage = { ticket: string } | { user: string; activationCode: string };

/** @throws DomainError message_invalid */
export function readRedeem(payload: JsonObject): RedeemMessage {
  if (payload.ticket !== undefined) return { ticket: textOf(payload, 'ticket') };
  return { user: textOf(payload, 'user', 320), activationCode: textOf(payload, 'activation_code', 32) };
}

export interface EnrollMessage {
  readonly nonce: string;
  readonly enc: EcPublicJwk;
  /** proved with this very message */
  readonly pin: NewPinKey | undefined;
  /** what the device says of itself; shown to people, trusted for nothing */
  readonly info: { name?: string; model?: string; os?: string; appVersion?: string };
  /** what the platform says of `sig`, not looked at yet */
  readonly attestation: { kind: string; blob: string } | undefined;
}

/**
 * @param sig the key that was bound by `redeem`
 * @throws DomainError message_invalid | key_reused (one key for two uses)
 */
export function readEnroll({ payload, signed }: VerifiedRequest<unknown>, sig: EcPublicJwk): EnrollMessage {
  if (!signed) throw invalid('enroll needs a signature');
  const keys = objectOf(payload, 'keys');
  const enc = publicJwkOf(keys, 'enc');
  const pin = keys.pin === undefined ? undefined : verifyNewPinKey(signed, textOf(objectOf(keys, 'pin'), 'kid', 64));
  if (!pin && signed.proofs.length > 0) throw invalid('a proof of no key');
  const all = [sig, enc, ...(pin ? [pin.jwk] : [])].map(jwkThumbprint);
  if (new Set(all).size !== all.length) throw new DomainError('key_reused', { detail: 'one key for two uses' });
  const info = readInfo(objectOf(payload, 'device'));
  return { nonce: textOf(payload, 'nonce'), enc, pin, info, attestation: readAttestation(payload) };
}

/** A chain of certificates is some kilobytes; a message has 56. */
const maxStatement = 32 * 1024;

function readAttestation(payload: JsonObject): EnrollMessage['attestation'] {
  if (payload.attestation === undefined) return undefined;
  const statement = objectOf(payload, 'attestation');
  return { kind: textOf(statement, 'kind', 64), blob: textOf(statement, 'blob', maxStatement) };
}

function readInfo(device: JsonObject): EnrollMessage['info'] {
  const info = {
    name: optionalTextOf(device, 'name', 80),
    model: optionalTextOf(device, 'model', 80),
    os: optionalTextOf(device, 'os', 80),
    appVersion: optionalTextOf(device, 'app_version', 40),
  };
  return JSON.parse(JSON.stringify(info)) as EnrollMessage['info']; // without the absent ones
}

/** The device that is to go: another one of the same user, or the sender itself. @throws DomainError message_invalid */
export function readUnenroll({ payload }: VerifiedRequest<unknown>): { other: string | undefined } {
  return { other: optionalTextOf(payload, 'device', 64) };
}

/** @throws DomainError message_invalid, also for a `confirm` that was not signed */
export function readStatus({ payload, signed }: VerifiedRequest<unknown>): {
  confirm: string | undefined;
  op: string | undefined;
} {
  const confirm = optionalTextOf(payload, 'confirm');
  if (confirm !== undefined && !signed) throw invalid('confirm needs a signature');
  return { confirm, op: optionalTextOf(payload, 'op') };
}

/**
 * The value that only the holder of `enc` can quote. Derived, so an interrupted device may be given it again and nothing
 * is stored; compare with `sameText` of support/secrets.ts.
 */
export function confirmValue(secrets: Pick<Secrets, 'hmac'>, deviceId: string, enc: EcPublicJwk): string {
  return secrets.hmac('device-confirm', `${deviceId}\0${jwkThumbprint(enc)}`);
}

export interface ConfirmOf {
  issuer: string;
  deviceId: string;
  confirm: string;
  /** six digits to show, where the application wants them */
  code?: string;
  /** epoch milliseconds */
  now: number;
}

export function sealConfirm(
  enc: EcPublicJwk,
  seal: ServerKeyPair,
  { issuer, deviceId, confirm, code, now }: ConfirmOf,
): string {
  const payload = { iss: issuer, aud: deviceId, iat: Math.floor(now / 1000), confirm, code };
  return sealForDevice(enc, seal, typ.confirm, JSON.stringify(payload));
}
