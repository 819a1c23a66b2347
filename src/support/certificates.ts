// X.509 certificates for tests and for trying things out: node:crypto reads them but cannot make them. An authority of your own makes yours.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** PEM, both. */
export interface Certificate {
  cert: string;
  key: string;
}

export interface CertificateOptions {
  /** Common name; for servers also the subject alternative name, unless `names` gives others. */
  name: string;
  /** DNS names and IP addresses. */
  names?: string[];
  keys?: 'ec' | 'rsa';
  notAfter?: Date;
}

export interface Authority extends Certificate {
  issue(options: CertificateOptions): Certificate;
}

/** Signed by itself; not an authority. */
export const selfSigned = (options: CertificateOptions): Certificate => make(options).certificate;

/** An authority whose certificate is to be trusted, and what it issues. */
export function createAuthority(name = 'Test authority'): Authority {
  const { certificate, key } = make({ name, names: [] }, undefined, true);
  return { ...certificate, issue: (options) => make(options, { name, key }).certificate };
}

interface Issuer {
  name: string;
  key: KeyObject;
}

function make(options: CertificateOptions, issuer?: Issuer, authority = false) {
  const { name, names = [name], keys = 'ec', notAfter = new Date('2049-12-31T00:00:00Z') } = options;
  const { publicKey, privateKey } =
    keys === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signer = issuer ?? { name, key: privateKey };
  const algorithm = sequence(oid(signer.key.asymmetricKeyType === 'ec' ? ECDSA_SHA256 : RSA_SHA256));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    commonName(signer.name),
    sequence(time(new Date('2020-01-01T00:00:00Z')), time(notAfter)),
    commonName(name),
    spki,
    der(0xa3, sequence(...extensions(names, spki, authority))),
  );
  const signature = sign('sha256', body, signer.key);
  const cert = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature));
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { certificate: { cert: pem(cert), key }, key: privateKey };
}

const ECDSA_SHA256 = '2a8648ce3d040302';
const RSA_SHA256 = '2a864886f70d01010b';

function extensions(names: string[], spki: Buffer, authority: boolean): Buffer[] {
  const keyId = createHash('sha1').update(spki).digest();
  const list = [extension('551d0e', der(0x04, keyId))];
  if (authority) {
    list.push(extension('551d13', sequence(der(0x01, Buffer.from([0xff]))))); // basicConstraints: CA
    list.push(extension('551d0f', der(0x03, Buffer.from([1, 0x06])))); // keyUsage: keyCertSign, cRLSign
  }
  if (names.length > 0) list.push(extension('551d11', sequence(...names.map(generalName))));
  return list;
}

const extension = (id: string, value: Buffer) => sequence(oid(id), der(0x04, value));

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return der(0x87, Buffer.from(name.split('.').map(Number)));
  return der(0x82, Buffer.from(name));
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(name)))));
}

/** GeneralizedTime, as after 2049, and UTCTime before (RFC 5280 §4.1.2.5). */
function time(at: Date): Buffer {
  const text = `${at.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`;
  return at.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}

const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const integer = (bytes: Buffer) => der(0x02, bytes);
const sequence = (...parts: Buffer[]) => der(0x30, ...parts);

function der(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...head]), value]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
