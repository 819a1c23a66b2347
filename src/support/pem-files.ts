import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A file cannot be used. One sentence, with the setting that is to blame. */
export class PemFileError extends Error {
  override readonly name = 'PemFileError';
  readonly setting: string;
  constructor(setting: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.setting = setting;
  }
}

/** @throws PemFileError */
export function readPem(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code = 'error' } = cause as NodeJS.ErrnoException;
    throw new PemFileError(setting, `cannot read the file (${code})`, { cause });
  }
}

/** One by one: OpenSSL reads the first one of a text with authorities and leaves the others. */
export function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** @throws PemFileError */
export function checkCertificates(setting: string, certificates: readonly string[]): void {
  if (certificates.length === 0) throw new PemFileError(setting, 'has no certificate (PEM) in it');
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      throw new PemFileError(setting, 'has a certificate in it that cannot be read', { cause });
    }
  }
}

/**
 * OpenSSL alone would take an empty file for no key, and refuse everybody later.
 *
 * @throws PemFileError
 */
export function checkKey(setting: string, cert: string, key: string): void {
  let fits = false;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    // not a key at all
  }
  if (!fits) throw new PemFileError(setting, 'is not the private key of the certificate');
}
