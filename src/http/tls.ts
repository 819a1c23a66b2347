import { constants, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import type { SecureContextOptions, SecureVersion } from 'node:tls';
import type { Log } from '../observability/log.ts';
import type { Clock } from '../support/clock.ts';
import { certificatesIn, checkCertificates, checkKey, type PemFileError, readPem } from '../support/pem-files.ts';
import type { Timers } from '../support/timers.ts';

/** `config.tls` is one of these. */
export interface TlsSettings {
  certificate: string;
  key: string;
  clientAuthorities?: string;
  reloadSeconds: number;
  minVersion: SecureVersion;
  ciphers: readonly string[];
}

/** What TLS listeners show and ask for; see {@link createTls}. */
export interface Tls {
  /** For a listener that asks nobody for a certificate, and for one that lets clients show theirs. */
  contextOf(kind: TlsKind): SecureContextOptions;
  onChange(listener: () => void): void;
  /** Looks at the files now. Answers whether others are in use than before; unusable ones are told to the log, and the former stay. */
  reload(): boolean;
  /** Looks every `reloadSeconds`, until `stop`. */
  start(): void;
  stop(): void;
}

export type TlsKind = 'server' | 'client-certificates';

export interface TlsDeps {
  settings: TlsSettings;
  clock: Clock;
  timers: Timers;
  log: Log;
}

/** All of RFC 8446's that OpenSSL offers; a list for TLS 1.2 alone must not take them away. */
const TLS_1_3 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/**
 * Certificate, key and authorities, read from their files again when these change: renewed certificates are taken into use
 * for new connections, without a restart. Changes are noticed by looking, because certificates arrive by renamed links
 * (certbot, Kubernetes) that watching a file misses.
 *
 * @throws PemFileError where what is there at the start cannot be used
 */
export function createTls({ settings, clock, timers, log }: TlsDeps): Tls {
  const files = filesOf(settings);
  let seen = stateOf(files);
  let material = read(files);
  const listeners: (() => void)[] = [];
  let cancel: (() => void) | undefined;
  tellExpiry(material.cert, clock, log);

  const reload = (): boolean => {
    const now = stateOf(files);
    if (now === seen) return false;
    // remembered also when it is unusable: said once, not every time
    seen = now;
    try {
      material = read(files);
    } catch (error) {
      log.error('tls.reload.failed', { setting: (error as PemFileError).setting, message: (error as Error).message });
      return false;
    }
    log.info('tls.reloaded', { expiresAt: tellExpiry(material.cert, clock, log) });
    for (const listener of listeners) listener();
    return true;
  };
  const lookLater = () => {
    cancel = timers.after(settings.reloadSeconds * 1000, () => {
      reload();
      lookLater();
    });
  };
  return {
    contextOf: (kind) => contextOf(material, settings, kind),
    onChange: (listener) => void listeners.push(listener),
    reload,
    start: () => settings.reloadSeconds > 0 && lookLater(),
    stop: () => cancel?.(),
  };
}

interface Material {
  cert: string;
  key: string;
  /** Empty: no chain of a client counts as verified. Left out, node would take the web's authorities. */
  ca: string[];
}

function contextOf({ ca, ...own }: Material, settings: TlsSettings, kind: TlsKind): SecureContextOptions {
  const common = {
    ...own,
    minVersion: settings.minVersion,
    ciphers: [...TLS_1_3, ...settings.ciphers].join(':'),
    honorCipherOrder: true,
  };
  if (kind === 'server') return common;
  // A ticket would carry yesterday's verdict on a certificate; here each connection is judged by today's authorities.
  return { ...common, ca, secureOptions: constants.SSL_OP_NO_TICKET };
}

interface File {
  setting: keyof Material;
  path: string;
}

function filesOf({ certificate, key, clientAuthorities }: TlsSettings): File[] {
  const files: File[] = [
    { setting: 'cert', path: certificate },
    { setting: 'key', path: key },
  ];
  return clientAuthorities === undefined ? files : [...files, { setting: 'ca', path: clientAuthorities }];
}

const settingNames: Record<keyof Material, string> = {
  cert: 'tls.certificate',
  key: 'tls.key',
  ca: 'tls.clientAuthorities',
};

/** Changes with any of the files. A missing one is a state too: it is there for a moment while they are replaced. */
function stateOf(files: File[]): string {
  const states = files.map(({ path }) => {
    const state = statSync(path, { throwIfNoEntry: false });
    return state ? `${state.ino}:${state.mtimeMs}:${state.size}` : 'missing';
  });
  return states.join(' ');
}

function read(files: File[]): Material {
  const texts: Partial<Record<keyof Material, string>> = {};
  for (const { setting, path } of files) texts[setting] = readPem(settingNames[setting], path);
  const { cert = '', key = '', ca } = texts;
  const material: Material = { cert, key, ca: ca === undefined ? [] : certificatesIn(ca) };
  checkCertificates('tls.certificate', certificatesIn(cert));
  if (ca !== undefined) checkCertificates('tls.clientAuthorities', material.ca);
  checkKey('tls.key', cert, key);
  return material;
}

/** An expired certificate is still used: clients are told more by it than by a listener that is not there. */
function tellExpiry(cert: string, clock: Clock, log: Log): string {
  const { validToDate } = new X509Certificate(cert);
  if (validToDate.getTime() <= clock()) log.warn('tls.expired', { expiresAt: validToDate.toISOString() });
  return validToDate.toISOString();
}
