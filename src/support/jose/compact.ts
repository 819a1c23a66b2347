/** The compact form shared by JWS and JWE: size, parts, and a header that holds allowed names only. */
import { fromBase64url, utf8Text } from '../bytes.ts';
import { type JsonObject, parseJsonObject } from '../strict-json.ts';
import { JoseError } from './errors.ts';

/** The longest message of the device protocol: 56 KiB, below the 64 KiB at which proxies begin to complain. */
export const maxMessageBytes = 56 * 1024;

/** @throws JoseError malformed */
export function splitCompact(token: string, count: number, maxBytes: number): string[] {
  if (token.length > maxBytes) throw new JoseError('malformed', 'too long');
  const parts = token.split('.');
  if (parts.length !== count) throw new JoseError('malformed', `not ${count} parts`);
  return parts;
}

/** @throws JoseError malformed */
export function decodePart(part: string, bytes?: number): Buffer {
  const decoded = wellFormed(() => fromBase64url(part));
  if (bytes !== undefined && decoded.length !== bytes) throw new JoseError('malformed', 'a part has a wrong length');
  return decoded;
}

/**
 * Read a protected header. Whatever is not named in `allowed` is refused, so that `crit`, `zip`, `b64`, `jku`, `x5u`,
 * `x5c`, `apu`, `p2c` and everything not yet invented need no list of their own (RFC 8725 §3.1, §3.10).
 *
 * @throws JoseError malformed | header
 */
export function readHeader(part: string, allowed: readonly string[]): JsonObject {
  const header = wellFormed(() => parseJsonObject(utf8Text(fromBase64url(part))));
  for (const name of Object.keys(header)) {
    if (!allowed.includes(name)) throw new JoseError('header', 'a header parameter that is not allowed here');
  }
  for (const name of ['alg', 'enc', 'typ', 'cty', 'kid']) {
    if (name in header && typeof header[name] !== 'string') throw new JoseError('header', `${name} is not a string`);
  }
  return header;
}

function wellFormed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new JoseError('malformed', 'not base64url, UTF-8 or JSON', { cause });
  }
}
