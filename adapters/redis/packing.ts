/**
 * An operation's body is mostly base64url of sealed bytes, six bits in eight. The bytes themselves are stored instead,
 * which decides over the budget of 4 KiB and takes a few microseconds (deflate: 200).
 *
 *     0x01, then again and again: length of text (4 bytes), text, length of bytes (4 bytes), bytes
 */
const MARK = 1;

// Whole groups of four characters: any of them is three bytes and comes back as it was. Short runs are not worth a length.
const SEALED = /((?:[A-Za-z0-9_-]{4}){10,})/;

export function pack(text: string): Buffer {
  const parts: Buffer[] = [Buffer.of(MARK)];
  // A split by a group gives text, run, text, run … text.
  for (const [i, part] of text.split(SEALED).entries()) {
    const bytes = Buffer.from(part, i % 2 === 0 ? 'utf8' : 'base64url');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

export function unpack(packed: Buffer): string {
  let text = '';
  for (let at = 1, i = 0; at < packed.length; i++) {
    const end = at + 4 + packed.readUInt32BE(at);
    text += packed.toString(i % 2 === 0 ? 'utf8' : 'base64url', at + 4, end);
    at = end;
  }
  return text;
}

export function isPacked(bytes: Buffer): boolean {
  return bytes[0] === MARK;
}

/**
 * A hash in the reply of a script (shared/hash.lua): 0x02, then all its names and values as one JSON array. Nothing else that
 * scripts give back begins with a control character.
 */
const HASH_MARK = 2;

export function isHash(part: unknown): boolean {
  return Buffer.isBuffer(part) && part[0] === HASH_MARK;
}

export function hashOf(bytes: Buffer): string[] {
  return JSON.parse(bytes.toString('utf8', 1)) as string[];
}
