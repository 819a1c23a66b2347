/** PIN vectors by BigInt and WebCrypto alone: what the curve library of the SDK computes is checked against OpenSSL's. */
import { createECDH, pbkdf2Sync, randomBytes } from 'node:crypto';

const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const b64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const bytesOf = (scalar: bigint) => Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex');
const scalarOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

function maskOf(pin: string, salt: Uint8Array): bigint {
  return scalarOf(pbkdf2Sync(pin.normalize('NFC'), salt, 600_000, 48, 'sha256')) % n;
}

function publicOf(d: bigint) {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(bytesOf(d));
  const point = ecdh.getPublicKey();
  return { kty: 'EC', crv: 'P-256', x: b64(point.subarray(1, 33)), y: b64(point.subarray(33)) };
}

/** A stored record as the SDK keeps it, in the clear and encrypted, and the key that each PIN gives. */
async function vectorOf(pin: string, guesses: string[], d = (scalarOf(randomBytes(32)) % (n - 1n)) + 1n) {
  const salt = randomBytes(16);
  const m = (d + maskOf(pin, salt)) % n;
  const wrapKey = randomBytes(32);
  const iv = randomBytes(12);
  const key = await crypto.subtle.importKey('raw', wrapKey, 'AES-GCM', false, ['encrypt']);
  const masked = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytesOf(m)));
  const wrap = { kty: 'oct', k: b64(wrapKey) };
  return {
    pin,
    m: b64(bytesOf(m)),
    stored: { kid: b64(randomBytes(16)), salt: b64(salt), iv: b64(iv), masked: b64(masked), wrap },
    keys: [pin, ...guesses].map((guess) => ({ pin: guess, public_jwk: publicOf((m - maskOf(guess, salt) + n) % n) })),
  };
}

export async function pinVectors(): Promise<object> {
  return {
    iterations: 600_000,
    mask_bytes: 48,
    n: n.toString(16),
    rows: [
      await vectorOf('493817', ['493818', '000000']),
      await vectorOf('2860', ['2861']),
      await vectorOf('café', ['cafe\u0301', 'cafe']),
      await vectorOf('7'.repeat(32), ['7'.repeat(31)]),
      // m = d + mask wraps around n
      await vectorOf('481516', ['481517'], n - 1n),
      await vectorOf('904172', ['904173'], 1n),
    ],
  };
}
