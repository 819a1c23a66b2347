import { BlockList, isIP } from 'node:net';

/** What a name may resolve to. `private` only where the operator opens it, `loopback` only for development, `special` never. */
export type AddressKind = 'public' | 'private' | 'loopback' | 'special';

/** Reachable inside a house: RFC 1918, shared address space (RFC 6598), unique-local (RFC 4193). */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

/** IANA's special-purpose registries (RFC 6890 and later), and addresses that are public only in looks. */
const SPECIAL = [
  '0.0.0.0/8', // "this" network; many systems connect 0.0.0.0 to loopback
  '169.254.0.0/16', // link-local, and with it the clouds' metadata services
  '192.0.0.0/24', // IETF protocol assignments; 192.0.0.192 is a metadata service
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // automatic multicast tunneling
  '192.88.99.0/24', // 6to4 relays
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
  '168.63.129.16/32', // Azure's platform services, inside every machine there
  '2001::/23', // IETF protocol assignments: Teredo, benchmarking, ORCHID
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: carries any IPv4 address
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
];

const loopback = networks(['127.0.0.0/8', '::1/128']);
const privateNetworks = networks(PRIVATE);
const special = networks(SPECIAL);
// All else is special by itself: unspecified, v4-compatible, v4-mapped, 64:ff9b::/96, discard, link- and site-local, multicast.
const globalUnicast = networks(['2000::/3']);

/** @param address in the canonical spelling that resolvers and WHATWG URLs give, without brackets */
export function kindOf(address: string): AddressKind {
  if (isWithin(loopback, address)) return 'loopback';
  if (isWithin(privateNetworks, address)) return 'private';
  if (isWithin(special, address)) return 'special';
  return isIP(address) === 4 || isWithin(globalUnicast, address) ? 'public' : 'special';
}

/**
 * A list of networks in CIDR notation.
 *
 * @throws SyntaxError where one is not
 */
export function networks(list: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const network of list) {
    const [address = '', length = '', ...more] = network.split('/');
    const family = isIP(address);
    if (!family || !/^\d{1,3}$/.test(length) || Number(length) > (family === 4 ? 32 : 128) || more.length > 0) {
      throw new SyntaxError(`not a network: ${network}`);
    }
    blocks.addSubnet(address, Number(length), family === 4 ? 'ipv4' : 'ipv6');
  }
  return blocks;
}

/** Unlike `BlockList.check` alone, a v4-mapped address is not its IPv4 address: nobody has a reason to name one. */
export function isWithin(blocks: BlockList, address: string): boolean {
  const family = isIP(address);
  if (family === 4) return blocks.check(address, 'ipv4');
  return family === 6 && !mapped.check(address, 'ipv6') && blocks.check(address, 'ipv6');
}

const mapped = new BlockList();
mapped.addSubnet('::ffff:0:0', 96, 'ipv6');
