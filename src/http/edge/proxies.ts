import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import { HttpProblem } from '../problem.ts';
import type { Step } from './exchange.ts';
import { type PeerCertificate, readForwardedCertificate } from './peer-certificate.ts';

/**
 * What a client could pretend to be a proxy with: addresses, origins, and certificates that a TLS terminator would have
 * checked (RFC 9700 §4.13). Removed from every request, so nothing further down can believe them by accident.
 */
const PRETENDED =
  /^(forwarded|x-forwarded-.+|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip|via|x-original-.+|x-rewrite-url|x-http-method(-override)?|x-method-override|(x-)?(ssl|tls)-.+|(x-)?client-cert.*|x-arr-clientcert|x-amzn-mtls-.+)$/;

export interface TrustedProxies {
  /** `config.proxyHops` */
  hops: number;
  /** `config.proxy`; without `hops` it means nothing. */
  clientCertificateHeader?: string;
  clientCertificatesVerified?: boolean;
}

/**
 * The client's address is the peer's, or with `hops` proxies in front the one that the outermost of them saw: the
 * hops-th entry of `X-Forwarded-For` from the right. What stands left of it was written by the client. The client's
 * certificate is what the proxy says in the one header that the configuration names.
 *
 * Who comes to the TLS listener comes without a proxy, so nothing is believed there.
 */
export function trustedProxies({
  hops,
  clientCertificateHeader,
  clientCertificatesVerified = false,
}: TrustedProxies): Step {
  const certificateHeader = clientCertificateHeader?.toLowerCase() ?? '';
  return (exchange) => {
    const { headers, socket } = exchange.req;
    const trusted = socket instanceof TLSSocket ? 0 : hops;
    const seen = trusted > 0 ? forwardedAddress(headers['x-forwarded-for'], trusted) : undefined;
    const certificate = trusted > 0 ? headers[certificateHeader] : undefined;
    for (const name in headers) if (name === certificateHeader || PRETENDED.test(name)) delete headers[name];
    exchange.address = plainAddress(seen ?? socket.remoteAddress ?? '');
    if (certificate)
      exchange.forwardedCertificate = forwardedCertificate(String(certificate), clientCertificatesVerified);
  };
}

function forwardedCertificate(header: string, verified: boolean): PeerCertificate {
  try {
    return readForwardedCertificate(header, verified);
  } catch {
    throw new HttpProblem('bad_request', { detail: 'The header with the client certificate cannot be read.' });
  }
}

function forwardedAddress(header: string | string[] | undefined, hops: number): string | undefined {
  const entries = String(header ?? '').split(',');
  const entry = entries[Math.max(0, entries.length - hops)]!.trim();
  return isIP(entry) ? entry : undefined;
}

/** One spelling for one address, so that limits by address cannot be doubled. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
