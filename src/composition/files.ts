/** What the settings name by file: the calls that go out. */

import { type Config, ConfigError } from '../config.ts';
import { createOutbound, type Outbound, type OutboundOptions } from '../support/outbound.ts';
import { certificatesIn, checkCertificates, checkKey, PemFileError, readPem } from '../support/pem-files.ts';

/** @throws ConfigError where the files cannot be used */
export function fromFiles<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PemFileError) throw new ConfigError([{ setting: error.setting, message: error.message }]);
    throw error;
  }
}

/**
 * Whom our calls believe beside the public authorities, and who they are.
 *
 * @throws ConfigError where the files cannot be used
 */
export function outboundOf(settings: Config['outbound'], log: NonNullable<OutboundOptions['log']>): Outbound {
  const { trustAnchors, clientCertificate, ...policy } = settings;
  return fromFiles(() =>
    createOutbound({
      ...policy,
      ca: trustAnchors.flatMap((path, index) => anchorsIn(`outbound.trustAnchors[${index}]`, path)),
      ...(clientCertificate && { clientCertificate: identityIn('outbound.clientCertificate', clientCertificate) }),
      log,
    }),
  );
}

function anchorsIn(setting: string, path: string): string[] {
  const certificates = certificatesIn(readPem(setting, path));
  checkCertificates(setting, certificates);
  return certificates;
}

function identityIn(setting: string, files: NonNullable<Config['outbound']['clientCertificate']>) {
  const cert = readPem(`${setting}.certificate`, files.certificate);
  const key = readPem(`${setting}.key`, files.key);
  checkCertificates(`${setting}.certificate`, certificatesIn(cert));
  checkKey(`${setting}.key`, cert, key);
  return { cert, key };
}
