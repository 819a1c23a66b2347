import type { OutboundReason } from '../../src/support/outbound.ts';

/** A name that the test's resolver answers with these addresses. */
export const names: Record<string, string[]> = {
  'loopback.example': ['127.0.0.1'],
  'loopback6.example': ['::1'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'nat64.example': ['64:ff9b::7f00:1'],
  'zero.example': ['0.0.0.0'],
  'private.example': ['10.0.0.1'],
  'metadata.example': ['169.254.169.254'],
  'metadata.google.internal': ['169.254.169.254'],
  'unique-local.example': ['fd00:ec2::254'],
  'link-local.example': ['fe80::1%lo'],
  'several.example': ['127.0.0.1', '10.0.0.1', '::1', '169.254.169.254'],
  'nothing.example': [],
  localhost: ['127.0.0.1', '::1'],
  'localhost.': ['127.0.0.1', '::1'],
  'app.localhost': ['127.0.0.1'],
  'localhost.localdomain': ['127.0.0.1'],
  'ip6-localhost': ['::1'],
  '127.0.0.1.nip.example': ['127.0.0.1'],
  'xn--bcher-kva.example': ['127.0.0.1'],
};

/** Hosts that end at an address which nobody outside may send us to; `refused_address`, before anything connects. */
const hosts = [
  ...words(`
    127.0.0.1 127.0.0.2 127.1 127.0.1 127.255.255.254 2130706433 017700000001 0x7f000001 0x7f.1 0x7f.0.0.1 0x7F.0x0.0x0.0x1
    0177.0.0.1 0177.0.0.01 00000177.0.0.1 0177.1 127.0x0.1 127.0.0.1. ①②⑦.0.0.1 127。0。0。1 127．0．0．1 １２７.0.0.1
    %31%32%37.0.0.1 %6c%6f%63%61%6c%68%6f%73%74
    [::1] [0:0:0:0:0:0:0:1] [0000::0001] [::0.0.0.1] [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1] [::FFFF:127.0.0.1]
    [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [0:0:0:0:0:ffff:7f00:0001] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1]
    [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:7f00:0001::1] [2001:0:7f00:1::]
    [2001:0000:4136:e378:8000:63bf:80ff:fffe]`),
  // unspecified
  ...words('0.0.0.0 0 0x0 00 0.0.0.1 0.1.2.3 [::] [::0] [0:0:0:0:0:0:0:0] [::ffff:0.0.0.0]'),
  // private, shared, link-local, unique-local, metadata
  ...words(`
    10.0.0.1 10.255.255.255 0xa.1 167772161 172.16.0.1 172.31.255.255 192.168.0.1 0300.0250.0.1 3232235521 100.64.0.1
    100.127.255.255 100.100.100.200 169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518 192.0.0.192
    168.63.129.16 [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:10.0.0.1] [64:ff9b::a9fe:a9fe] [2002:a9fe:a9fe::]
    [fe80::1] [febf::1] [fec0::1] [fc00::1] [fd00::1] [fd00:ec2::254] [fdff:ffff::1]`),
  // multicast, broadcast, reserved, documentation, benchmarking, relays
  ...words(`
    224.0.0.1 239.255.255.250 255.255.255.255 240.0.0.1 4294967295 0xffffffff 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1
    198.19.255.255 192.0.0.1 192.88.99.1 192.31.196.1 192.52.193.1 192.175.48.1 [ff02::1] [ff01::1] [ff0e::1] [2001:db8::1]
    [3fff::1] [100::1] [2001:2::1] [2001:10::1] [2001:20::1] [5f00::1] [2620:4f:8000::1] [::2] [4000::1]`),
  // names; what they resolve to stands above
  ...Object.keys(names),
  ...words('LOCALHOST LocalHost bücher.example loopback。example'),
];

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** [URL, reason]; `PORT` is where the trap listens. */
export const refusedUrls: [string, OutboundReason][] = [
  ...hosts.map((host): [string, OutboundReason] => [`https://${host}:PORT/callback`, 'refused_address']),
  // no name at all, or one that cannot be an address
  ...words(`
    [fe80::1%25lo] [fe80::1%lo] [::1%25lo] [::1 ::1 127.0.0.256 256.256.256.256 0x7f.0.0.0.1 09.0.0.1 127.0.0.1%00 127.0.0.1%2f %`).map(
    (host): [string, OutboundReason] => [`https://${host}:PORT/`, 'url'],
  ),
  ['https://:PORT/', 'url'],
  // userinfo
  ['https://a@127.0.0.1:PORT/', 'url'],
  ['https://a:b@loopback.example:PORT/', 'url'],
  ['https://@loopback.example:PORT/', 'url'],
  ['https://:@loopback.example:PORT/', 'url'],
  ['https://good.example:443@127.0.0.1:PORT/', 'url'],
  ['https://good.example%40127.0.0.1:PORT/', 'url'],
  ['https:good.example@127.0.0.1:PORT/', 'url'],
  // fragments, and characters that parsers drop or turn around
  ['https://loopback.example:PORT/#', 'url'],
  ['https://loopback.example:PORT/#@good.example', 'url'],
  ['https:\\\\127.0.0.1:PORT\\', 'url'],
  ['https://good.example\\@127.0.0.1:PORT/', 'url'],
  ['https://127.0.0.1\t:PORT/', 'url'],
  ['https://127.0.\n0.1:PORT/', 'url'],
  [' https://127.0.0.1:PORT/', 'url'],
  ['https://127.0.0.1:PORT/ HTTP/1.1\r\nHost: evil', 'url'],
  ['https://127.0.0.1:PORT/\u0000', 'url'],
  // other schemes
  ['http://127.0.0.1:PORT/', 'url'],
  ['http://loopback.example:PORT/', 'url'],
  ['HTTP://127.0.0.1:PORT/', 'url'],
  ['ftp://127.0.0.1:PORT/', 'url'],
  ['gopher://127.0.0.1:PORT/_GET', 'url'],
  ['ws://127.0.0.1:PORT/', 'url'],
  ['wss://127.0.0.1:PORT/', 'url'],
  ['file:///etc/passwd', 'url'],
  ['data:text/plain,x', 'url'],
  ['javascript:fetch(1)', 'url'],
  ['jar:https://127.0.0.1:PORT/!/', 'url'],
  ['unix:/var/run/docker.sock', 'url'],
  ['blob:https://127.0.0.1:PORT/x', 'url'],
  ['//127.0.0.1:PORT/', 'url'],
  ['/callback', 'url'],
  ['127.0.0.1:PORT', 'url'],
  ['', 'url'],
  // slashes that browsers forgive
  ['https:127.0.0.1:PORT/', 'url'],
  ['https:/127.0.0.1:PORT/', 'url'],
  ['https:///127.0.0.1:PORT/', 'url'],
  ['HTTPS://127.0.0.1:PORT/', 'refused_address'],
  // ports: only those of the configuration
  ['https://loopback.example:22/', 'refused_port'],
  ['https://loopback.example:25/', 'refused_port'],
  ['https://loopback.example:6379/', 'refused_port'],
  ['https://loopback.example:0/', 'refused_port'],
  ['https://loopback.example:65536/', 'url'],
  ['https://loopback.example:-1/', 'url'],
];
