/** Bytes in browsers and Node alike: no Buffer here. */
import { base64url } from 'jose';

export type Bytes = Uint8Array<ArrayBuffer>;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
  return new Uint8Array(new TextEncoder().encode(text));
}

/** @throws TypeError if the bytes are not UTF-8 */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function toBase64url(bytes: Uint8Array): string {
  return base64url.encode(bytes);
}

export function fromBase64url(text: string): Bytes {
  return new Uint8Array(base64url.decode(text));
}

export function randomBytes(count: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** SHA-256 as base64url, of bytes or of a text's UTF-8. */
export async function sha256(data: Bytes | string): Promise<string> {
  const bytes = typeof data === 'string' ? utf8(data) : data;
  return toBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
