/** Who appears in the vectors: keys that are new each time, names and times that are not. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { b64, sha256 } from './forge.ts';

export const now = 1893456000;
export const issuer = 'https://id.example.test';
export const deviceId = '7fAAAAAAAAAAAAAAAAAAAAAA';
export const sessionId = 'session-1';

export function newKey(kid: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  const { d } = privateKey.export({ format: 'jwk' });
  return { kid, privateKey, publicKey, jwk: { kty, crv, x, y }, privateJwk: { kty, crv, x, y, d } };
}

export type NamedKey = ReturnType<typeof newKey>;

export const names = [
  'seal',
  'oldSeal',
  'strangerSeal',
  'box',
  'sig',
  'enc',
  'pin',
  'otherPin',
  'newPin',
  'newSig',
  'newEnc',
  'uv',
  'stranger',
] as const;
export const keys = Object.fromEntries(names.map((name) => [name, newKey(`${name}-1`)])) as Record<
  (typeof names)[number],
  NamedKey
>;
export const sessionKey = randomBytes(32);
export const rk = randomBytes(32);
export const thumbprint = ({ jwk: { crv, kty, x, y } }: { jwk: Record<string, unknown> }) =>
  sha256(JSON.stringify({ crv, kty, x, y }));
export const fresh = () => b64(randomBytes(16));

/** Replace one dot-separated part of a token. */
export const withPart = (token: string, index: number, change: (part: Buffer) => Uint8Array | string) => {
  const parts = token.split('.');
  const changed = change(Buffer.from(parts[index]!, 'base64url'));
  parts[index] = typeof changed === 'string' ? changed : b64(changed);
  return parts.join('.');
};
export const flip = (at: number) => (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at]! ^= 1;
  return copy;
};
export type Row = { name: string; token: string; expect: string; act?: string };
export const row = (name: string, expect: string, token: string, act?: string): Row => ({
  name,
  expect,
  token,
  ...(act && { act }),
});
