/** What only one device may read and anybody may verify: a JWE to `enc` of a JWS by `seal` (challenge, document, contexts). */
import { type EcPublicJwk, encryptTo, jwkThumbprint, signJws } from '../../support/jose/index.ts';
import type { ServerKeyPair } from './server-key.ts';
import { type DocumentPart, documentPartBytes, typ as types } from './wire.ts';

/** Sign a payload with `seal`. The payload's bytes are the message; the signature differs each time. */
export function signWithSeal(seal: ServerKeyPair, typ: string, payload: Uint8Array | string): string {
  return signJws(seal.privateKey, { typ, kid: seal.kid }, payload);
}

/**
 * @param enc     the device's `enc` key
 * @param payload bytes or JSON text; must hold `aud`: the device's id
 */
export function sealForDevice(
  enc: EcPublicJwk,
  seal: ServerKeyPair,
  typ: string,
  payload: Uint8Array | string,
): string {
  const jws = signWithSeal(seal, typ, payload);
  return encryptTo(enc, { typ: types.sealed, cty: 'JWT', kid: jwkThumbprint(enc) }, jws);
}

/** A piece of the document that a challenge names. @param content all of it */
export function sealDocumentPart(
  enc: EcPublicJwk,
  seal: ServerKeyPair,
  part: { issuer: string; deviceId: string; op: string; sha256: string; content: Buffer; offset: number },
): string {
  const { issuer, deviceId, op, sha256, content, offset } = part;
  const data = content.subarray(offset, offset + documentPartBytes).toString('base64url');
  const payload: DocumentPart = { iss: issuer, aud: deviceId, op, sha256, size: content.length, offset, data };
  return sealForDevice(enc, seal, types.document, JSON.stringify(payload));
}

/** A text for one device beside a challenge: what follows an approval or an activation. */
export function sealContext(
  enc: EcPublicJwk,
  seal: ServerKeyPair,
  context: { issuer: string; deviceId: string; op: string; now: number; title?: string; text: string; mime?: string },
): string {
  const { issuer, deviceId, op, now, title, text, mime } = context;
  const payload = { iss: issuer, aud: deviceId, op, iat: Math.floor(now / 1000), title, text, mime };
  return sealForDevice(enc, seal, types.context, JSON.stringify(payload));
}
