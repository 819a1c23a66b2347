import { isIPv4, isIPv6 } from 'node:net';

/**
 * Whom limits by address hold for. One subscriber has a whole /64 of IPv6, and whoever is seen through a socket for both
 * families (`::ffff:192.0.2.1`) is who they are over IPv4.
 */
export function networkOf(address: string): string {
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return address;
  const [head = '', tail] = bare.split('::');
  const groups = groupsOf(head);
  const rest = tail === undefined ? [] : groupsOf(tail);
  const missing = tail === undefined ? 0 : 8 - groups.length - rest.length;
  const all = [...groups, ...Array<number>(Math.max(0, missing)).fill(0), ...rest];
  const isMapped = all.slice(0, 5).every((group) => group === 0) && all[5] === 0xffff;
  if (isMapped) return [all[6]! >> 8, all[6]! & 255, all[7]! >> 8, all[7]! & 255].join('.');
  return all
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':');
}

/** The last two may be written as an IPv4 address. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!isIPv4(group)) return [Number.parseInt(group, 16)];
    const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number];
    return [a * 256 + b, c * 256 + d];
  });
}
