import { isIP } from 'node:net';
import type { Step } from './exchange.ts';

/**
 * What a client could pretend to be a proxy with: addresses, origins, and certificates that a TLS terminator would have
 * checked (RFC 9700 §4.13). Removed from every request, so nothing further down can believe them by accident.
 */
const PRETENDED =
  /^(forwarded|x-forwarded-.+|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip|via|x-original-.+|x-rewrite-url|x-http-method(-override)?|x-method-override|(x-)?(ssl|tls)-.+|(x-)?client-cert.*|x-arr-clientcert|x-amzn-mtls-.+)$/;

/**
 * The client's address is the peer's, or with `hops` proxies in front the one that the outermost of them saw: the
 * hops-th entry of `X-Forwarded-For` from the right. What stands left of it was written by the client.
 */
export function proxyHops(hops: number): Step {
  return (exchange) => {
    const { headers, socket } = exchange.req;
    const seen = hops > 0 ? forwardedAddress(headers['x-forwarded-for'], hops) : undefined;
    for (const name in headers) if (PRETENDED.test(name)) delete headers[name];
    exchange.address = plainAddress(seen ?? socket.remoteAddress ?? '');
  };
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
