/** Makes the server's keys. Which kinds there are, and how each is named. */
import { createHash, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyUse } from './ports/records.ts';

const generate = promisify(generateKeyPair);

export interface KeyKind {
  use: KeyUse;
  alg: string;
}

export interface NewKeyMaterial {
  kid: string;
  /** Absent for a symmetric secret. */
  publicJwk?: Record<string, unknown>;
  /** JSON of the private JWK; of a symmetric secret: its 32 bytes as base64url. */
  secret: string;
}

type Jwk = Record<string, unknown>;

// RFC 7638, 3.2: the required members, in lexical order.
const thumbprintMembers: Record<string, string[]> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
};

export async function makeKey({ use, alg }: KeyKind): Promise<NewKeyMaterial> {
  if (use === 'cookie' || use === 'dpop') {
    return { kid: randomBytes(12).toString('base64url'), secret: randomBytes(32).toString('base64url') };
  }
  const { publicKey, privateKey } = await generatePair(alg);
  const publicJwk = publicKey.export({ format: 'jwk' }) as Jwk;
  return { kid: thumbprint(publicJwk), publicJwk, secret: JSON.stringify(privateKey.export({ format: 'jwk' })) };
}

function generatePair(alg: string) {
  if (alg === 'ES256' || alg === 'ECDH-ES') return generate('ec', { namedCurve: 'P-256' });
  if (alg === 'EdDSA') return generate('ed25519');
  if (alg === 'RS256' || alg === 'PS256') return generate('rsa', { modulusLength: 2048 });
  throw new RangeError(`no keys are made for ${alg}`);
}

export function thumbprint(jwk: Jwk): string {
  const members = thumbprintMembers[String(jwk.kty)] ?? [];
  const text = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash('sha256').update(text).digest('base64url');
}
