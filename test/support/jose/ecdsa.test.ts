import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { derOf, rawOf } from '../../../src/support/jose/ecdsa.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

test('a signature written as r and s is the same signature in DER, and back', () => {
  for (let i = 0; i < 500; i++) {
    const data = randomBytes(20);
    const der = sign('sha256', data, privateKey);
    const raw = rawOf(der);
    expect(raw).toHaveLength(64);
    expect(derOf(raw)).toEqual(der);
    expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw)).toBe(true);
    const byNode = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    expect(verify('sha256', data, publicKey, derOf(byNode))).toBe(true);
  }
});

test.each([
  ['small numbers keep their zeros', '00'.repeat(31) + '01' + '00'.repeat(30) + '0102'],
  ['a high bit is not a sign', 'ff'.repeat(64)],
  ['a zero in front of a high bit', `00${'80'.repeat(31)}00${'7f'.repeat(31)}`],
])('%s', (_title, hex) => {
  const raw = Buffer.from(hex, 'hex');
  expect(rawOf(derOf(raw))).toEqual(raw);
});

test('numbers that no signature holds verify nothing', () => {
  for (const byte of ['00', 'ff']) {
    const der = derOf(Buffer.from(byte.repeat(64), 'hex'));
    expect(verify('sha256', Buffer.from('x'), publicKey, der)).toBe(false);
  }
});
