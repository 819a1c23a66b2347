/** The forms of a message on the device's side, on jose. jose does not compare `typ` and knows more than we allow, so both are checked here. */
import {
  CompactEncrypt,
  type CompactJWEHeaderParameters,
  type CompactJWSHeaderParameters,
  CompactSign,
  type CryptoKey,
  compactDecrypt,
  compactVerify,
  importJWK,
} from 'jose';
import { type Bytes, randomBytes, sha256, textOf, toBase64url, utf8 } from './bytes.ts';
import { DeviceError } from './errors.ts';
import { type EcPublicJwk, type NamedJwk, typ as types } from './wire.ts';

/** What a signed message consists of; made once, sent as often as needed. */
export interface SignedMessage {
  jws: string;
  proofs?: string[];
}

/** Under which key a message goes up. */
export type UpKey = { box: NamedJwk } | { session: { id: string; key: Bytes } };

/**
 * Encrypt a message up, padded so that its length tells nothing.
 *
 * @param rk 32 fresh bytes; the answer comes under it
 */
export async function sealUp(content: SignedMessage | { request: object }, rk: Bytes, to: UpKey): Promise<string> {
  const plaintext = padded({ rk: toBase64url(rk), ...content });
  const header = { enc: 'A256GCM', typ: types.up, cty: 'json' };
  if ('session' in to) {
    const { id, key } = to.session;
    return new CompactEncrypt(plaintext).setProtectedHeader({ alg: 'dir', ...header, kid: id }).encrypt(key);
  }
  const key = await importJWK(to.box, 'ECDH-ES');
  return new CompactEncrypt(plaintext).setProtectedHeader({ alg: 'ECDH-ES', ...header, kid: to.box.kid }).encrypt(key);
}

/** All signed messages have one length, so that an approval with a PIN looks like a denial; the protocol asks for multiples of 512. */
const paddingBytes = 512;
const leastSignedBytes = 2048;

function padded(content: object): Bytes {
  const bare = utf8(JSON.stringify({ ...content, pad: '' })).length;
  const length = Math.max(Math.ceil(bare / paddingBytes) * paddingBytes, 'jws' in content ? leastSignedBytes : 0);
  return utf8(JSON.stringify({ ...content, pad: ' '.repeat(length - bare) }));
}

/**
 * Open a message down.
 *
 * @returns its members, `now` (epoch seconds) among them
 * @throws DeviceError server_unexpected
 */
export async function openDown(token: string, rk: Bytes): Promise<Record<string, unknown> & { now: number }> {
  const { text, header } = await decrypted(token, rk, 'dir', ['alg', 'enc', 'typ', 'cty']);
  const body = header.typ === types.down && header.cty === 'json' ? parseObject(text) : undefined;
  if (typeof body?.now !== 'number') throw new DeviceError('server_unexpected', { detail: 'not a message down' });
  return body as Record<string, unknown> & { now: number };
}

/** Sign a payload. @param header beside `alg` */
export async function signed(
  key: CryptoKey,
  header: { typ: string; kid: string; [name: string]: unknown },
  payload: Bytes,
): Promise<string> {
  return new CompactSign(payload).setProtectedHeader({ alg: 'ES256', ...header }).sign(key);
}

/**
 * A proof by another key over a request's payload.
 *
 * @param jwk only where the key is new to the server
 */
export async function signedProof(
  { kid, privateKey }: { kid: string; privateKey: CryptoKey },
  payload: Bytes,
  jwk?: EcPublicJwk,
): Promise<string> {
  const body = { payload_sha256: await sha256(payload), salt: toBase64url(randomBytes(32)) };
  return signed(privateKey, { typ: types.proof, kid, ...(jwk && { jwk }) }, utf8(JSON.stringify(body)));
}

/** Read what was sealed for this device: a JWE to `enc` that holds a JWS. Nothing is verified yet. */
export async function openSealed(token: string, enc: CryptoKey): Promise<string> {
  const { text, header } = await decrypted(token, enc, 'ECDH-ES', ['alg', 'enc', 'epk', 'typ', 'cty', 'kid']);
  if (header.typ !== types.sealed || header.cty !== 'JWT')
    throw new DeviceError('server_unexpected', { detail: 'not a sealed message' });
  return text;
}

/**
 * Verify a JWS by one of the held seal keys.
 *
 * @returns payload bytes and the key that signed; undefined if no held key signed it
 */
export async function verifiedBySeal(
  jws: string,
  typ: string,
  seal: readonly NamedJwk[],
): Promise<{ payload: Bytes; by: NamedJwk } | undefined> {
  for (const by of seal) {
    const result = await compactVerify(jws, await importJWK(by, 'ES256'), { algorithms: ['ES256'] }).catch(
      () => undefined,
    );
    if (result && isJwsOf(result.protectedHeader, typ, by.kid)) return { payload: new Uint8Array(result.payload), by };
  }
  return undefined;
}

/** The JSON object in a verified payload. @throws DeviceError server_unexpected */
export function parseObject(text: string | Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(typeof text === 'string' ? text : textOf(text));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw new DeviceError('server_unexpected', { detail: 'not JSON', cause });
  }
  throw new DeviceError('server_unexpected', { detail: 'not a JSON object' });
}

function isJwsOf(header: CompactJWSHeaderParameters, typ: string, kid: string): boolean {
  return header.typ === typ && header.kid === kid && hasOnly(header, ['alg', 'typ', 'kid']);
}

async function decrypted(
  token: string,
  key: CryptoKey | Bytes,
  alg: 'dir' | 'ECDH-ES',
  names: string[],
): Promise<{ text: string; header: CompactJWEHeaderParameters }> {
  const options = {
    keyManagementAlgorithms: [alg],
    contentEncryptionAlgorithms: ['A256GCM'],
    maxDecompressedLength: 0,
  };
  const result = await compactDecrypt(token, key, options).catch((cause: unknown) => {
    throw new DeviceError('server_unexpected', { detail: 'does not open', cause });
  });
  if (!hasOnly(result.protectedHeader, names))
    throw new DeviceError('server_unexpected', { detail: 'a header that is not allowed' });
  return { text: textOf(result.plaintext), header: result.protectedHeader };
}

function hasOnly(header: object, names: string[]): boolean {
  return Object.keys(header).every((name) => names.includes(name));
}
