import { createHmac, createPublicKey, createSecretKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import * as jose from 'jose';
import {
  decryptJwe,
  encryptDir,
  encryptTo,
  JoseError,
  maxMessageBytes,
  newEcKey,
  parseJwe,
  parseJws,
  parsePublicJwk,
  privateJwkOf,
  publicJwkOf,
  publicKeyOf,
  signJws,
  verifyJws,
} from '../../../src/support/jose/index.ts';

const key = newEcKey();
const publicKey = createPublicKey(key);
const jwk = publicJwkOf(key);
const body = JSON.stringify({ a: 1 });

const b64 = (value: string | Uint8Array | object) =>
  Buffer.from(
    typeof value === 'string' || value instanceof Uint8Array ? (value as string) : JSON.stringify(value),
  ).toString('base64url');

/** The code of the refusal; a test fails by getting 'accepted'. */
function refusal(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (error instanceof JoseError) return error.code;
    throw error;
  }
}

const signedRaw = (header: string | object, payload = body, signer = key) => {
  const input = `${b64(header)}.${b64(payload)}`;
  return `${input}.${b64(sign('sha256', Buffer.from(input), { key: signer, dsaEncoding: 'ieee-p1363' }))}`;
};
const verify = (token: string, typ = 't') => refusal(() => verifyJws(token, { typ, key: publicKey }));

describe('JWS', () => {
  const good = { alg: 'ES256', typ: 't' };
  const token = signedRaw(good);
  const [head, payload, signature] = token.split('.') as [string, string, string];
  const raw = Buffer.from(signature, 'base64url');

  test('the base of the vectors is accepted', () => {
    expect(verify(token)).toBe('accepted');
  });

  test.each<[string, object | string, string]>([
    ['alg none', { ...good, alg: 'none' }, 'header'],
    ['alg in another case', { ...good, alg: 'es256' }, 'header'],
    ['alg ES384', { ...good, alg: 'ES384' }, 'header'],
    ['alg HS256', { ...good, alg: 'HS256' }, 'header'],
    ['no alg', { typ: 't' }, 'header'],
    ['alg as a list', { ...good, alg: ['ES256'] }, 'header'],
    ['no typ', { alg: 'ES256' }, 'header'],
    ['another typ', { ...good, typ: 'u' }, 'header'],
    ['typ in another case', { ...good, typ: 'T' }, 'header'],
    ['typ with a prefix', { ...good, typ: 'application/t' }, 'header'],
    ['typ null', { ...good, typ: null }, 'header'],
    ['kid a number', { ...good, kid: 7 }, 'header'],
    ['kid an object', { ...good, kid: {} }, 'header'],
    ['crit', { ...good, crit: ['typ'] }, 'header'],
    ['b64 false', { ...good, b64: false, crit: ['b64'] }, 'header'],
    ['b64 alone', { ...good, b64: true }, 'header'],
    ['zip', { ...good, zip: 'DEF' }, 'header'],
    ['jku', { ...good, jku: 'https://evil.test/jwks' }, 'header'],
    ['jwk smuggled', { ...good, jwk }, 'header'],
    ['x5u', { ...good, x5u: 'https://evil.test/cert' }, 'header'],
    ['x5c', { ...good, x5c: ['MIIB'] }, 'header'],
    ['x5t', { ...good, x5t: 'AA' }, 'header'],
    ['url', { ...good, url: 'https://a.test' }, 'header'],
    ['a member not yet invented', { ...good, future: 1 }, 'header'],
    ['__proto__', '{"alg":"ES256","typ":"t","__proto__":{}}', 'malformed'],
    ['alg twice', '{"alg":"none","typ":"t","alg":"ES256"}', 'malformed'],
    ['alg twice, once escaped', '{"alg":"none","typ":"t","\\u0061lg":"ES256"}', 'malformed'],
    ['kid twice', '{"alg":"ES256","typ":"t","kid":"a","kid":"b"}', 'malformed'],
    ['a member twice, nested', '{"alg":"ES256","typ":"t","kid":{"a":1,"a":2}}', 'malformed'],
    ['a header that is a list', '["ES256"]', 'malformed'],
    ['a header that is null', 'null', 'malformed'],
    ['a header that is empty', '', 'malformed'],
    ['a header with bytes before it', `\ufeff${JSON.stringify(good)}`, 'malformed'],
    ['a header with bytes after it', `${JSON.stringify(good)}x`, 'malformed'],
    ['a header nested without end', `{"alg":"ES256","typ":"t","kid":${'['.repeat(64)}${']'.repeat(64)}}`, 'malformed'],
  ])('%s', (_, header, code) => {
    expect(verify(signedRaw(header))).toBe(code);
  });

  const [r, s] = [raw.subarray(0, 32), raw.subarray(32)];
  const zero = Buffer.alloc(32);
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  test.each<[string, Uint8Array, string]>([
    ['empty', Buffer.alloc(0), 'malformed'],
    ['63 bytes', raw.subarray(0, 63), 'malformed'],
    ['65 bytes', Buffer.concat([raw, Buffer.of(0)]), 'malformed'],
    ['twice', Buffer.concat([raw, raw]), 'malformed'],
    ['DER', sign('sha256', Buffer.from(`${head}.${payload}`), { key, dsaEncoding: 'der' }), 'malformed'],
    ['r = 0', Buffer.concat([zero, s]), 'signature'],
    ['s = 0', Buffer.concat([r, zero]), 'signature'],
    ['r = s = 0', Buffer.concat([zero, zero]), 'signature'],
    ['r = n', Buffer.concat([order, s]), 'signature'],
    ['s = n', Buffer.concat([r, order]), 'signature'],
    ['r and s swapped', Buffer.concat([s, r]), 'signature'],
    ['r little-endian', Buffer.concat([Buffer.from(r).reverse(), s]), 'signature'],
    ['all ones', Buffer.alloc(64, 0xff), 'signature'],
  ])('a signature: %s', (_, bytes, code) => {
    expect(verify(`${head}.${payload}.${b64(bytes)}`)).toBe(code);
  });

  test('any one bit of the signature flipped', () => {
    for (let bit = 0; bit < 512; bit += 1) {
      const bytes = Buffer.from(raw);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(verify(`${head}.${payload}.${b64(bytes)}`)).toBe('signature');
    }
  });

  test('any one character of the text replaced', () => {
    for (let at = 0; at < token.length; at += 1) {
      for (const character of ['A', '_', '.', '=', '+', ' ', '\n', 'é']) {
        if (token[at] === character) continue;
        expect(verify(token.slice(0, at) + character + token.slice(at + 1))).not.toBe('accepted');
      }
    }
  });

  test.each<[string, string]>([
    ['two parts', `${head}.${payload}`],
    ['four parts', `${token}.`],
    ['five parts', `${token}..`],
    ['an empty text', ''],
    ['dots', '..'],
    ['JSON serialisation', JSON.stringify({ protected: head, payload, signature })],
    ['a blank after it', `${token} `],
    ['a line end after it', `${token}\n`],
    ['padding', `${token}==`],
    ['the standard alphabet', `${head}.${payload}.${raw.toString('base64')}`],
    [
      'leftover bits in the last character',
      `${head}.${payload}.${signature.slice(0, -1)}${nextCharacter(signature.at(-1)!)}`,
    ],
    ['another payload', `${head}.${b64('{"a":2}')}.${signature}`],
    ['another header that says the same', `${b64('{"typ":"t","alg":"ES256"}')}.${payload}.${signature}`],
    ['one byte too long', signJws(key, good, 'x'.repeat(maxMessageBytes))],
  ])('%s', (_, text) => {
    expect(verify(text)).not.toBe('accepted');
  });

  test('the public key is never taken for an HMAC secret', () => {
    const input = `${b64({ ...good, alg: 'HS256' })}.${payload}`;
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(jwk),
    ]) {
      expect(verify(`${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`)).not.toBe('accepted');
    }
  });

  test('keys of other kinds verify nothing', () => {
    const other = [
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ed25519'),
    ];
    for (const { publicKey: wrong } of other)
      expect(refusal(() => verifyJws(token, { typ: 't', key: wrong }))).toBe('signature');
    expect(refusal(() => verifyJws(token, { typ: 't', key: createSecretKey(randomBytes(32)) }))).toBe('signature');
    expect(refusal(() => verifyJws(token, { typ: 't', key: () => undefined }))).toBe('signature');
    expect(verify(signedRaw(good, body, newEcKey()))).toBe('signature');
  });

  test('jwk is read only where the caller allows it by name', () => {
    const smuggled = signedRaw({ ...good, jwk });
    expect(refusal(() => parseJws(smuggled))).toBe('header');
    expect(refusal(() => parseJws(smuggled, { allow: ['jwk'] }))).toBe('accepted');
  });
});

describe('JWE', () => {
  const secret = randomBytes(32);
  const open = (token: string) => refusal(() => decryptJwe(parseJwe(token), { alg: 'ECDH-ES', privateKey: key }));
  const openDir = (token: string, with_: Uint8Array = secret) =>
    refusal(() => decryptJwe(parseJwe(token), { alg: 'dir', key: with_ }));
  const token = encryptTo(jwk, { typ: 't', cty: 'json', kid: 'k' }, body);
  const direct = encryptDir(secret, { typ: 't' }, body);
  const headerOf = (text: string) =>
    JSON.parse(Buffer.from(text.split('.')[0]!, 'base64url').toString()) as Record<string, unknown>;
  /** With another header the tag fails as well; parsing must refuse before. */
  const withHeader = (text: string, header: object | string) => [b64(header), ...text.split('.').slice(1)].join('.');

  test('the bases of the vectors are accepted', () => {
    expect([open(token), openDir(direct)]).toEqual(['accepted', 'accepted']);
  });

  const header = headerOf(token);
  const epk = header.epk as Record<string, string>;
  test.each<[string, object, string]>([
    ['zip', { ...header, zip: 'DEF' }, 'header'],
    ['crit', { ...header, crit: ['exp'] }, 'header'],
    ['apu', { ...header, apu: 'QQ' }, 'header'],
    ['apv', { ...header, apv: 'QQ' }, 'header'],
    ['jku', { ...header, jku: 'https://evil.test' }, 'header'],
    ['jwk', { ...header, jwk }, 'header'],
    ['x5c', { ...header, x5c: ['MIIB'] }, 'header'],
    ['p2c', { ...header, p2c: 10_000_000, p2s: 'AAAA' }, 'header'],
    ['enc A128GCM', { ...header, enc: 'A128GCM' }, 'header'],
    ['enc A256CBC-HS512', { ...header, enc: 'A256CBC-HS512' }, 'header'],
    ['no enc', { ...header, enc: undefined }, 'header'],
    ['no typ', { ...header, typ: undefined }, 'header'],
    ['alg ECDH-ES+A256KW', { ...header, alg: 'ECDH-ES+A256KW' }, 'header'],
    ['alg RSA1_5', { ...header, alg: 'RSA1_5' }, 'header'],
    ['alg RSA-OAEP', { ...header, alg: 'RSA-OAEP' }, 'header'],
    ['alg PBES2-HS256+A128KW', { ...header, alg: 'PBES2-HS256+A128KW' }, 'header'],
    ['alg none', { ...header, alg: 'none' }, 'header'],
    ['alg A256GCMKW', { ...header, alg: 'A256GCMKW' }, 'header'],
    ['dir with an epk', { ...header, alg: 'dir' }, 'header'],
    ['ECDH-ES without epk', { ...header, epk: undefined }, 'header'],
    ['epk null', { ...header, epk: null }, 'key'],
    ['epk a list', { ...header, epk: [epk] }, 'key'],
    ['epk on P-384', { ...header, epk: { ...epk, crv: 'P-384' } }, 'key'],
    ['epk OKP', { ...header, epk: { kty: 'OKP', crv: 'X25519', x: epk.x } }, 'key'],
    ['epk not on the curve', { ...header, epk: { ...epk, y: epk.x } }, 'key'],
    ['epk (0, 0)', { ...header, epk: { ...epk, x: b64(Buffer.alloc(32)), y: b64(Buffer.alloc(32)) } }, 'key'],
    [
      'epk with short coordinates',
      { ...header, epk: { ...epk, x: b64(Buffer.from(epk.x!, 'base64url').subarray(1)) } },
      'key',
    ],
    [
      'epk with long coordinates',
      { ...header, epk: { ...epk, x: b64(Buffer.concat([Buffer.of(0), Buffer.from(epk.x!, 'base64url')])) } },
      'key',
    ],
    ['epk with a private half', { ...header, epk: privateJwkOf(newEcKey()) }, 'key'],
    ['epk of somebody else', { ...header, epk: publicJwkOf(newEcKey()) }, 'decrypt'],
    ['typ changed', { ...header, typ: 'u' }, 'decrypt'],
    ['kid changed', { ...header, kid: 'l' }, 'decrypt'],
  ])('%s', (_, changed, code) => {
    expect(open(withHeader(token, changed))).toBe(code);
  });

  test('dir and ECDH-ES are never mixed up', () => {
    expect(openDir(token)).toBe('header');
    expect(open(direct)).toBe('header');
    expect(open(withHeader(direct, { ...headerOf(direct), alg: 'ECDH-ES' }))).toBe('header');
  });

  test('an encrypted key has no place', () => {
    for (const text of [token, direct]) {
      const parts = text.split('.');
      parts[1] = b64(secret);
      expect([open(parts.join('.')), openDir(parts.join('.'))]).not.toContain('accepted');
    }
  });

  test.each([
    ['iv of 11 bytes', 2, 11],
    ['iv of 16 bytes', 2, 16],
    ['no iv', 2, 0],
    ['tag of 4 bytes', 4, 4],
    ['tag of 15 bytes', 4, 15],
    ['tag of 17 bytes', 4, 17],
    ['no tag', 4, 0],
  ])('%s', (_, part, length) => {
    const parts = direct.split('.');
    const bytes = Buffer.from(parts[part]!, 'base64url');
    parts[part] = b64(Buffer.concat([bytes, Buffer.alloc(16)]).subarray(0, length));
    expect(openDir(parts.join('.'))).toBe('malformed');
  });

  test('any one bit of iv, ciphertext or tag flipped, and any other key', () => {
    for (const part of [2, 3, 4]) {
      const parts = direct.split('.');
      const bytes = Buffer.from(parts[part]!, 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        parts[part] = b64(flipped);
        expect(openDir(parts.join('.'))).toBe('decrypt');
      }
    }
    expect(openDir(direct, randomBytes(32))).toBe('decrypt');
    expect(openDir(direct, randomBytes(16))).toBe('decrypt');
  });

  test('a compressed message of jose’s making is refused before anything is inflated', async () => {
    const zipped = deflateRawSync(Buffer.alloc(1_000_000));
    expect(
      openDir(
        withHeader(encryptDir(secret, { typ: 't' }, zipped), { alg: 'dir', enc: 'A256GCM', typ: 't', zip: 'DEF' }),
      ),
    ).toBe('header');
  });

  test('apu and apv of jose’s making are refused', async () => {
    const importing = await jose.importJWK({ ...jwk }, 'ECDH-ES');
    const made = await new jose.CompactEncrypt(new Uint8Array(4))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', typ: 't' })
      .setKeyManagementParameters({ apu: new Uint8Array(2), apv: Uint8Array.of(1, 2) })
      .encrypt(importing);
    expect(open(made)).toBe('header');
  });

  test('a message too long by one byte is refused before it is decoded', () => {
    expect(openDir(`${direct}${'A'.repeat(maxMessageBytes - direct.length + 1)}`)).toBe('malformed');
    expect(refusal(() => parseJwe('.'.repeat(1_000_000)))).toBe('malformed');
  });
});

describe('public keys', () => {
  const x = Buffer.from(jwk.x, 'base64url');
  test.each<[string, unknown]>([
    ['a private key', privateJwkOf(key)],
    ['a member more', { ...jwk, kid: 'k' }],
    ['a member less', { kty: 'EC', crv: 'P-256', x: jwk.x }],
    ['another curve', { ...jwk, crv: 'P-521' }],
    ['secp256k1', { ...jwk, crv: 'secp256k1' }],
    ['RSA', { kty: 'RSA', n: 'AQAB', e: 'AQAB' }],
    ['oct', { kty: 'oct', k: 'AQAB' }],
    ['a coordinate that is a number', { ...jwk, x: 7 }],
    ['a coordinate of 31 bytes', { ...jwk, x: b64(x.subarray(1)) }],
    ['a coordinate of 33 bytes', { ...jwk, x: b64(Buffer.concat([Buffer.of(0), x])) }],
    ['a coordinate not below p', { ...jwk, x: b64(Buffer.alloc(32, 0xff)) }],
    ['a point off the curve', { ...jwk, y: jwk.x }],
    ['a text', 'jwk'],
    ['null', null],
    ['a list', [jwk]],
  ])('%s is none', (_, value) => {
    expect(refusal(() => parsePublicJwk(value))).toBe('key');
  });

  test('a point off the curve cannot be imported or encrypted to', () => {
    const off = { ...jwk, y: jwk.x };
    expect(refusal(() => publicKeyOf(off))).toBe('key');
    expect(refusal(() => encryptTo(off, { typ: 't' }, ''))).toBe('key');
  });
});

/** The base64url character with the lowest bit the other way. */
function nextCharacter(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) ^ 1]!;
}
