import { type BlockList, isIP } from 'node:net';
import { isWithin, kindOf, networks } from './addresses.ts';
import { OutboundError } from './errors.ts';

export interface Policy {
  /** Development: `http` and any port, to 127.0.0.0/8 and ::1 only. */
  allowLoopback: boolean;
  /** Only these hosts: names, `*.suffix`, or literal addresses. Default: every host. */
  allowedHosts?: readonly string[];
  /** Default: 443 and 8443. */
  allowedPorts?: readonly number[];
  /** Private networks (CIDR) that may be called although the world cannot reach them. Opens nothing but private addresses. */
  allowedNetworks?: readonly string[];
}

export interface Target {
  url: URL;
  /** Name or address, without brackets. */
  host: string;
  port: number;
  secure: boolean;
}

export interface Guard {
  /** What the text of a URL alone tells. @throws OutboundError url | refused_host | refused_port | refused_address */
  target(text: string): Target;
  /** The addresses among these that this target may be connected to. @throws OutboundError refused_address when none is left */
  admitted(target: Target, addresses: readonly string[]): string[];
}

const DEFAULT_PORTS = [443, 8443];

export function createGuard(policy: Policy): Guard {
  const { allowLoopback, allowedHosts, allowedPorts = DEFAULT_PORTS } = policy;
  const opened = networks(policy.allowedNetworks ?? []);
  const ports = new Set(allowedPorts);

  const mayConnect = ({ port, secure }: Target, address: string): boolean => {
    if (kindOf(address) === 'loopback') return allowLoopback;
    return secure && ports.has(port) && isReachable(address, opened);
  };
  const admitted: Guard['admitted'] = (target, addresses) => {
    const left = addresses.filter((address) => mayConnect(target, address));
    if (left.length === 0) throw new OutboundError('refused_address');
    return left;
  };
  return {
    target(text) {
      const target = parse(text);
      if (!target.secure && !allowLoopback) throw new OutboundError('url');
      if (allowedHosts && !allowedHosts.some((pattern) => fits(pattern, target.host))) {
        throw new OutboundError('refused_host');
      }
      // With the allowance the address decides: a test server on loopback has whatever port was free.
      if (!ports.has(target.port) && !allowLoopback) throw new OutboundError('refused_port');
      // A literal never meets the agent's lookup.
      if (isIP(target.host)) admitted(target, [target.host]);
      return target;
    },
    admitted,
  };
}

function isReachable(address: string, opened: BlockList): boolean {
  const kind = kindOf(address);
  return kind === 'public' || (kind === 'private' && isWithin(opened, address));
}

/** WHATWG parsing turns every spelling of an address (decimal, octal, hex, short, full-width) into one. */
function parse(text: string): Target {
  // What URL parsers drop, turn around or forgive in silence: what was registered must be what is called.
  if (!/^https?:\/\/[^/@]/i.test(text) || /[\s\\\u0000-\u0020\u007f#]/.test(text) || !URL.canParse(text)) {
    throw new OutboundError('url');
  }
  const url = new URL(text);
  const secure = url.protocol === 'https:';
  // as written too: the parser drops an empty user (`https://:@host`)
  if (url.username !== '' || url.password !== '' || text.split('/')[2]!.includes('@')) throw new OutboundError('url');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { url, host, port: Number(url.port || (secure ? 443 : 80)), secure };
}

function fits(pattern: string, host: string): boolean {
  const wanted = pattern.toLowerCase();
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted;
}
