/** Bytes at the edges: strict base64url, strict UTF-8, SHA-256. Lenient decoding would give one message many spellings. */
import { createHash, hash } from 'node:crypto';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Unpadded base64url (RFC 7515 §2). */
export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/**
 * Decode unpadded base64url in its one canonical spelling.
 *
 * @throws SyntaxError for any other character, padding, or leftover bits: two spellings of one signature would be two
 *         messages to whoever keys a replay record by the text
 */
export function fromBase64url(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw new SyntaxError('not canonical base64url');
  return bytes;
}

/** SHA-256 of bytes, or of a text's UTF-8. */
export function sha256(data: Uint8Array | string): Buffer {
  return createHash('sha256').update(data).digest();
}

/** SHA-256 as base64url, the form in which every hash of the device protocol travels. */
export function sha256Base64url(data: Uint8Array | string): string {
  return hash('sha256', data, 'base64url');
}

/** @throws TypeError if the bytes are not UTF-8 (no replacement characters: they would hide what was signed) */
export function utf8Text(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
