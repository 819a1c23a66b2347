import { createPublicKey, randomBytes } from 'node:crypto';
import * as jose from 'jose';
import {
  decryptJwe,
  encryptDir,
  encryptTo,
  jwkThumbprint,
  newEcKey,
  parseJwe,
  privateJwkOf,
  publicJwkOf,
  signJws,
  verifyJws,
} from '../../../src/support/jose/index.ts';

const key = newEcKey();
const jwk = publicJwkOf(key);
const text = JSON.stringify({ hello: 'wörld' });

describe('what this helper writes, jose reads', () => {
  test('JWS ES256', async () => {
    const token = signJws(key, { typ: 'a+jwt', kid: 'k' }, text);
    const { payload, protectedHeader } = await jose.compactVerify(token, await jose.importJWK({ ...jwk }, 'ES256'), {
      algorithms: ['ES256'],
    });
    expect(new TextDecoder().decode(payload)).toBe(text);
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'a+jwt', kid: 'k' });
  });

  test('JWE ECDH-ES', async () => {
    const token = encryptTo(jwk, { typ: 'a', cty: 'json', kid: 'k' }, text);
    const { plaintext } = await jose.compactDecrypt(token, await jose.importJWK({ ...privateJwkOf(key) }, 'ECDH-ES'));
    expect(new TextDecoder().decode(plaintext)).toBe(text);
  });

  test('JWE dir', async () => {
    const secret = randomBytes(32);
    const { plaintext } = await jose.compactDecrypt(encryptDir(secret, { typ: 'a' }, text), secret);
    expect(new TextDecoder().decode(plaintext)).toBe(text);
  });

  test('thumbprint', async () => {
    expect(jwkThumbprint(jwk)).toBe(await jose.calculateJwkThumbprint({ ...jwk }));
  });
});

describe('what jose writes, this helper reads', () => {
  const bytes = new TextEncoder().encode(text);

  test('JWS ES256', async () => {
    const signer = await jose.importJWK({ ...privateJwkOf(key) }, 'ES256');
    const token = await new jose.CompactSign(bytes).setProtectedHeader({ alg: 'ES256', typ: 'a+jwt' }).sign(signer);
    expect(verifyJws(token, { typ: 'a+jwt', key: createPublicKey(key) }).payload.toString()).toBe(text);
  });

  test('JWE ECDH-ES', async () => {
    const header = { alg: 'ECDH-ES', enc: 'A256GCM', typ: 'a' };
    const token = await new jose.CompactEncrypt(bytes)
      .setProtectedHeader(header)
      .encrypt(await jose.importJWK({ ...jwk }, 'ECDH-ES'));
    expect(decryptJwe(parseJwe(token), { alg: 'ECDH-ES', privateKey: key }).toString()).toBe(text);
  });

  test('JWE dir', async () => {
    const secret = randomBytes(32);
    const token = await new jose.CompactEncrypt(bytes)
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'a' })
      .encrypt(secret);
    expect(decryptJwe(parseJwe(token), { alg: 'dir', key: secret }).toString()).toBe(text);
  });
});

test('the thumbprint of a key that RFC 7517 prints is what jose computes for it, whatever members it has', async () => {
  const printed = {
    kty: 'EC',
    crv: 'P-256',
    x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
    y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    use: 'enc',
    kid: '1',
  } as const;
  expect(jwkThumbprint(printed)).toBe(await jose.calculateJwkThumbprint(printed));
});
