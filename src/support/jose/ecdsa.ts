/**
 * The two ways to write an ECDSA signature on P-256: r ‖ s (JWS, RFC 7518 §3.4) and DER (X9.62). node:crypto converts too, but
 * only when the key comes inside an options object, and finding the key in there costs as much as the signature.
 */
const INTEGER = 0x02;
const SEQUENCE = 0x30;
const size = 32;

/** @param raw r ‖ s, 64 bytes */
export function derOf(raw: Uint8Array): Buffer {
  const r = integerOf(raw.subarray(0, size));
  const s = integerOf(raw.subarray(size));
  return Buffer.concat([Buffer.of(SEQUENCE, r.length + s.length), r, s]);
}

/** @param der as OpenSSL writes it */
export function rawOf(der: Buffer): Buffer {
  const raw = Buffer.alloc(2 * size);
  const rEnd = 4 + der[3]!;
  der.copy(raw, Math.max(0, size - der[3]!), Math.max(4, rEnd - size), rEnd);
  der.copy(raw, Math.max(size, raw.length - der[rEnd + 1]!), Math.max(rEnd + 2, der.length - size));
  return raw;
}

/** Without leading zeros, but with one where the number would otherwise read as negative. */
function integerOf(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < size - 1 && bytes[start] === 0) start += 1;
  const sign = bytes[start]! & 0x80 ? [0] : [];
  return Buffer.concat([Buffer.of(INTEGER, size - start + sign.length, ...sign), bytes.subarray(start)]);
}
