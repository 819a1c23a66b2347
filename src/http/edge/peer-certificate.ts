import { createHash, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { exchangeOf } from './exchange.ts';

/** The certificate that a client has shown, and proved the key of, in the TLS handshake (RFC 8705). */
export interface PeerCertificate {
  certificate: X509Certificate;
  /** base64url(SHA-256(DER)): the `x5t#S256` of a token that is bound to it. */
  thumbprint: string;
  /** Its chain leads to an authority that the operator has named: what `tls_client_auth` needs. */
  verified: boolean;
}

/**
 * The certificate of whoever sent this request: from the handshake where the connection is ours, from the trusted
 * proxy's header where it is not (proxies.ts reads and removes that). Nothing else counts.
 */
export function peerCertificateOf(req: IncomingMessage): PeerCertificate | undefined {
  return req.socket instanceof TLSSocket ? ofConnection(req.socket) : exchangeOf(req).forwardedCertificate;
}

/** A connection has one certificate for all its requests. */
const known = new WeakMap<TLSSocket, PeerCertificate>();

function ofConnection(socket: TLSSocket): PeerCertificate | undefined {
  const before = known.get(socket);
  if (before) return before;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  const peer = peerCertificate(certificate, socket.authorized);
  known.set(socket, peer);
  return peer;
}

function peerCertificate(certificate: X509Certificate, verified: boolean): PeerCertificate {
  return { certificate, thumbprint: createHash('sha256').update(certificate.raw).digest('base64url'), verified };
}

/** More than any certificate that a header of 16 KiB could carry beside the others. */
const MAX_LENGTH = 12_000;

/**
 * `Client-Cert` of RFC 9440 (`:base64 of DER:`), or PEM in URL encoding.
 *
 * @throws SyntaxError where it is neither; two headers in one, for example, of which one was the client's own
 */
export function readForwardedCertificate(header: string, verified: boolean): PeerCertificate {
  const bytes = header.length <= MAX_LENGTH ? (derIn(header) ?? pemIn(header)) : undefined;
  if (!bytes) throw new SyntaxError('not a certificate');
  try {
    return peerCertificate(new X509Certificate(bytes), verified);
  } catch (cause) {
    throw new SyntaxError('not a certificate', { cause });
  }
}

function derIn(header: string): Buffer | undefined {
  const base64 = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(header)?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
}

function pemIn(header: string): Buffer | undefined {
  if (!/^[A-Za-z0-9%+/=.-]+$/.test(header)) return undefined;
  try {
    // not a form: `+` is a character of base64 here
    const text = decodeURIComponent(header);
    const base64 = /^-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/.exec(text)?.[1];
    return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
  } catch {
    return undefined;
  }
}
