import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** What a client has shown in the TLS handshake, or to the proxy in front; whoever hands it in has made sure of that. */
export interface PeerCertificate {
  certificate: X509Certificate;
  /** Its chain leads to an authority that the operator has named. */
  verified: boolean;
}

/** RFC 8705. */
export interface MutualTls {
  peerCertificateOf(req: IncomingMessage): PeerCertificate | undefined;
  /** Where `mtls_endpoint_aliases` point: scheme, host, port. */
  origin: string;
}

type Matcher = (certificate: X509Certificate, expected: string) => boolean;

/** RFC 8705, 2.1.2: the one member by which a client with `tls_client_auth` is known. */
const matchers: Record<string, Matcher> = {
  tls_client_auth_subject_dn: ({ subject }, expected) => isSameName(subject, expected),
  tls_client_auth_san_dns: (certificate, expected) =>
    namesIn(certificate, 'DNS').some((name) => name.toLowerCase() === expected.toLowerCase()),
  tls_client_auth_san_uri: (certificate, expected) => namesIn(certificate, 'URI').includes(expected),
  tls_client_auth_san_ip: (certificate, expected) =>
    namesIn(certificate, 'IP Address').some((address) => canonicalAddress(address) === canonicalAddress(expected)),
  tls_client_auth_san_email: (certificate, expected) => namesIn(certificate, 'email').includes(expected),
};

export function subjectMatches(certificate: X509Certificate, member: string, expected: string): boolean {
  return Object.hasOwn(matchers, member) && matchers[member]!(certificate, expected);
}

/** Node writes `DNS:a.example, URI:https://b`, and a name that holds a comma or quote as a JSON string. */
function namesIn({ subjectAltName = '' }: X509Certificate, kind: string): string[] {
  const entries = subjectAltName.match(/[^,:]+:(?:"(?:[^"\\]|\\.)*"|[^,]*)/g) ?? [];
  return entries.flatMap((entry) => {
    const colon = entry.indexOf(':');
    if (entry.slice(0, colon).trim() !== kind) return [];
    const value = entry.slice(colon + 1);
    return [value.startsWith('"') ? String(JSON.parse(value)) : value];
  });
}

function canonicalAddress(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname : address;
}

/**
 * A certificate's subject against RFC 4514 text, which names the last component first. Node writes one component a line in
 * the certificate's order. Types are compared as they are written, values exactly.
 */
function isSameName(subject: string, expected: string): boolean {
  const actual = subject.split('\n').map(component).reverse();
  const wanted = splitUnescaped(expected, ',').map(component);
  return actual.length === wanted.length && actual.every((each, index) => each === wanted[index]);
}

/** `CN = a\, b` and `CN=a\2C b` are the same. Parts of one component come in any order. */
function component(text: string): string {
  const parts = splitUnescaped(text, '+').map((part) => {
    const equals = part.indexOf('=');
    const type = part.slice(0, equals).trim().toUpperCase();
    return JSON.stringify([type, unescaped(part.slice(equals + 1).trim())]);
  });
  return parts.sort().join('+');
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [''];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === separator) parts.push('');
    else parts.push(parts.pop()! + text[i]! + (text[i] === '\\' ? (text[++i] ?? '') : ''));
  }
  return parts;
}

function unescaped(value: string): string {
  const bytes = value.replace(/(?:\\[0-9a-fA-F]{2})+/g, (hex) =>
    Buffer.from(hex.replaceAll('\\', ''), 'hex').toString('utf8'),
  );
  return bytes.replace(/\\(.)/g, '$1');
}
