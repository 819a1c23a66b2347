/**
 * What cryptography costs here: CPU time of one call, by the cheapest way that Node offers (node:crypto, keys imported
 * before, except those that come with each message). Its own process on the server's core.
 *
 *     node bench/primitives.ts     ──> {"sign": µs, "verify": µs, …}
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { randomNonce } from '../src/support/aead.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const peer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const peerPem = peer.export({ format: 'pem', type: 'spki' });
const payload = randomBytes(600);
const signature = sign('sha256', payload, privateKey);
const key = createSecretKey(randomBytes(32));

function encrypt(): { iv: Buffer; ciphertext: Buffer; tag: Buffer } {
  const iv = randomNonce();
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const ciphertext = Buffer.concat([cipher.update(payload), cipher.final()]);
  return { iv, ciphertext, tag: cipher.getAuthTag() };
}

const sealed = encrypt();

const primitives = {
  sign: () => sign('sha256', payload, privateKey),
  verify: () => verify('sha256', payload, publicKey, signature),
  /** A fresh key pair and the agreement with a known public key: encrypting to a device. */
  agreeAsSender() {
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    own.publicKey.export({ format: 'jwk' });
    return diffieHellman({ privateKey: own.privateKey, publicKey: peer });
  },
  /** The sender's public key comes with the message and must be checked to be a point of the curve. */
  agreeAsReceiver: () => diffieHellman({ privateKey, publicKey: createPublicKey(peerPem) }),
  encrypt,
  decrypt() {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.iv).setAuthTag(sealed.tag);
    return Buffer.concat([decipher.update(sealed.ciphertext), decipher.final()]);
  },
  hmac: () => createHmac('sha256', key).update(payload).digest(),
  hash: () => hash('sha256', payload, 'base64url'),
};

function microsecondsOf(work: () => unknown): number {
  const calls = 2_000;
  for (let i = 0; i < calls / 4; i++) work();
  const before = process.cpuUsage();
  for (let i = 0; i < calls; i++) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

const measured = Object.entries(primitives).map(([name, work]) => [name, microsecondsOf(work)]);
process.stdout.write(JSON.stringify(Object.fromEntries(measured)));
