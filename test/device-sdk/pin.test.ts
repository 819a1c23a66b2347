import { p256 } from '@noble/curves/nist.js';
import type { CryptoKey } from 'jose';
import { checkNewPin, codeOf, memoryStorage } from '../../src/device-sdk/index.ts';
import { signedProof } from '../../src/device-sdk/messages.ts';
import { newPinKey, pinKey } from '../../src/device-sdk/pin-key.ts';
import { evaluateProofs, type ProofKey } from '../../src/domain/device-messages/index.ts';
import { sha256Base64url } from '../../src/support/bytes.ts';
import { jwkThumbprint } from '../../src/support/jose/index.ts';
import { enrolled, PIN } from './enrolled.ts';

const payload = new TextEncoder().encode('{"decision":"approve"}');
const isAccepted = async (key: Awaited<ReturnType<typeof pinKey>>, expected: ProofKey) => {
  const proof = await signedProof(key, payload);
  const [result] = evaluateProofs({ payloadHash: sha256Base64url(payload), proofs: [proof] }, [expected]);
  return result?.verified;
};

test('the right PIN gives back the key, every wrong one another key, which only the server can tell', async () => {
  const { stored, publicJwk } = await newPinKey(PIN, false);
  const expected: ProofKey = { kid: stored.kid, method: 'pin', jwk: publicJwk };
  expect(await isAccepted(await pinKey(stored, PIN), expected)).toBe(true);
  for (const wrong of ['493818', '493816', '000000', '4938171', '49381', '', '４９３８１７', 'pässword']) {
    expect(await isAccepted(await pinKey(stored, wrong), expected)).toBe(false);
  }
});

test('a PIN in another Unicode form is the same PIN', async () => {
  const { stored, publicJwk } = await newPinKey('caf\u00e9', false);
  expect(await isAccepted(await pinKey(stored, 'cafe\u0301'), { kid: stored.kid, method: 'pin', jwk: publicJwk })).toBe(
    true,
  );
});

test('the same PIN set twice gives two keys, and the same key signs the same payload differently each time', async () => {
  const [first, second] = [await newPinKey(PIN, false), await newPinKey(PIN, false)];
  expect(first.publicJwk).not.toEqual(second.publicJwk);
  expect(first.stored.salt).not.toBe(second.stored.salt);
  const key = await pinKey(first.stored, PIN);
  expect(await signedProof(key, payload)).not.toBe(await signedProof(key, payload));
});

test('a PIN key cannot be exported and serves nothing but signing', async () => {
  const { key, stored } = await newPinKey(PIN, false);
  for (const { privateKey } of [key, await pinKey(stored, PIN)]) {
    expect(privateKey.extractable).toBe(false);
    expect(privateKey.usages).toEqual(['sign']);
    await expect(crypto.subtle.exportKey('jwk', privateKey)).rejects.toThrow();
  }
});

test('nothing that rests on the device tells a right PIN from a wrong one', async () => {
  const storage = memoryStorage({ exportable: true });
  const { server, device } = await enrolled({ storage });
  await device.decide(await device.present(server.start()), { decision: 'approve', pin: PIN });
  const record = (await storage.load('device'))!;
  const atRest = JSON.stringify([record, await storage.load('enrolling'), await storage.trace?.recall()]);

  // no public half of the PIN key in any spelling, no thumbprint, no proof
  const { jwk } = [...server.devices.values()][0]!.pin!;
  const point = p256.Point.fromHex(
    Buffer.from([2 + (Buffer.from(jwk.y, 'base64url').at(-1)! & 1), ...Buffer.from(jwk.x, 'base64url')]).toString(
      'hex',
    ),
  );
  for (const trace of [
    jwk.x,
    jwk.y,
    point.toHex(true),
    point.toHex(false),
    jwkThumbprint(jwk),
    sha256Base64url(jwk.x),
    'assent-proof',
  ]) {
    expect(atRest).not.toContain(trace);
  }
  expect(Object.keys(record.pin!).sort()).toEqual(['iv', 'kid', 'masked', 'salt', 'wrap']);

  // what is stored of the PIN goes equally well with every PIN: each gives some valid key, and none fails
  for (const guess of ['000000', PIN, '999999'])
    expect((await pinKey(record.pin!, guess)).privateKey.type).toBe('private');
});

test('the keys of the other kinds of storage are not extractable', async () => {
  const { storage } = await enrolled();
  const { sig, enc, pin } = (await storage.load('device'))!;
  for (const key of [sig.privateKey, enc.privateKey, pin!.wrap]) expect((key as CryptoKey).extractable).toBe(false);
});

describe('which PINs may be set', () => {
  const verdict = (pin: string, length = 6) => {
    try {
      checkNewPin(pin, length);
      return 'fine';
    } catch (error) {
      return codeOf(error);
    }
  };

  test.each([
    ['493817', 6, 'fine'],
    ['2860', 4, 'fine'],
    ['286', 3, 'pin_too_short'],
    ['49381', 6, 'pin_too_short'],
    ['4'.repeat(33), 6, 'pin_too_long'],
    ['49381a', 6, 'pin_not_digits'],
    ['４９３８１７', 6, 'pin_not_digits'],
    ['', 6, 'pin_not_digits'],
  ])('%j where %i digits are asked for: %s', (pin, length, expected) => {
    expect(verdict(pin, length)).toBe(expected);
  });

  test.each(
    '111111 123456 654321 012345 890123 121212 123123 112233 998877 111222 1987 2024 241287 24121987 19871224 159753 2580 1004'.split(
      ' ',
    ),
  )('%s is too easy to guess', (pin) => {
    expect(verdict(pin, 4)).toBe('pin_weak');
  });
});
