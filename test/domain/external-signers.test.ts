import { generateKeyPairSync, sign } from 'node:crypto';
import { createExternalSigners, type ExternalSigner } from '../../src/domain/external-signers.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signed = (data: Uint8Array, form: 'der' | 'ieee-p1363') =>
  sign('sha256', data, { key: privateKey, dsaEncoding: form });

function signing(sign: ExternalSigner['sign']) {
  const publicJwk = publicKey.export({ format: 'jwk' }) as Record<string, unknown>;
  const signers = createExternalSigners({
    signers: [{ kid: 'k', alg: 'ES256', publicJwk, sign }],
    onChange: () => {},
  });
  return (data: Uint8Array) => signers.sign('k', data);
}

test.each(['der', 'ieee-p1363'] as const)(
  'a signature in the form %s leaves as r ‖ s, whatever its bytes are',
  async (form) => {
    const signer = signing(async (data) => signed(data, form));
    // r is short in one of 256, and begins like DER in another
    for (let i = 0; i < 1000; i++) expect(await signer(Buffer.from(`text ${i}`))).toHaveLength(64);
  },
);

test('r ‖ s that begins like DER is what it is', async () => {
  const data = Buffer.from('text');
  let signature = signed(data, 'ieee-p1363');
  while (signature[0] !== 0x30) signature = signed(data, 'ieee-p1363');
  expect(await signing(async () => signature)(data)).toEqual(signature);
});

test.each([
  ['of something else', signed(Buffer.from('another'), 'ieee-p1363')],
  ['that is empty', Buffer.alloc(0)],
  ['that is cut short', signed(Buffer.from('text'), 'der').subarray(0, 20)],
  ['that begins like DER and is none', Buffer.concat([Buffer.of(0x30, 0xff, 2, 0xff), Buffer.alloc(66, 0xff)])],
])('a signature %s does not leave', async (_what, signature) => {
  await expect(signing(async () => signature)(Buffer.from('text'))).rejects.toThrow('did not sign');
});
