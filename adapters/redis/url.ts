/** The store's URL, read once. `new URL` cannot: it knows no list of hosts with ports. */

export interface Address {
  host: string;
  port: number;
}

export interface RedisUrl {
  kind: 'single' | 'sentinel' | 'cluster';
  tls: boolean;
  hosts: Address[];
  username?: string;
  password?: string;
  db: number;
  /** Name of the master, as the sentinels know it. */
  master?: string;
}

const FORM = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/@?]+)(?:\/([^?]*))?$/;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/**
 * `redis://user:password@host:port/db`, `redis+sentinel://host:port,host:port/master[/db]`,
 * `redis+cluster://host:port,host:port`; `rediss` for TLS.
 *
 * @throws RangeError that never repeats the URL: it may hold a password
 */
export function parseRedisUrl(url: string): RedisUrl {
  const parts = FORM.exec(url);
  if (!parts) throw new RangeError('the store URL is not redis://, redis+sentinel:// or redis+cluster:// with a host');
  const [, scheme, topology = 'single', credentials, hosts, path = ''] = parts;
  const kind = topology as RedisUrl['kind'];
  const common = { kind, tls: scheme === 'rediss', ...readCredentials(credentials) };
  const addresses = hosts!.split(',').map((host) => readHost(host, kind === 'sentinel' ? 26379 : 6379));
  if (kind === 'single' && addresses.length > 1) {
    throw new RangeError('the store URL names several hosts: use redis+sentinel:// or redis+cluster://');
  }
  if (kind !== 'sentinel') return { ...common, hosts: addresses, db: readDb(path, kind) };
  const [master, db = ''] = path.split('/');
  if (!master) throw new RangeError('the store URL needs the name of the master: redis+sentinel://host:port/mymaster');
  return { ...common, hosts: addresses, master: decodeURIComponent(master), db: readDb(db, kind) };
}

function readHost(text: string, defaultPort: number): Address {
  const parts = HOST.exec(text);
  const port = parts?.[2] === undefined ? defaultPort : Number(parts[2]);
  if (!parts || port < 1 || port > 65535) throw new RangeError('the store URL has a host that cannot be read');
  return { host: parts[1]!.replace(/^\[|\]$/g, ''), port };
}

function readCredentials(text: string | undefined): { username?: string; password?: string } {
  if (!text) return {};
  const colon = text.indexOf(':');
  // `redis://password@host` is not a form of ours: it would send the password as a user name.
  if (colon < 0)
    throw new RangeError('the store URL has a user without a password; for a password alone write :password@');
  const [username, password] = [text.slice(0, colon), text.slice(colon + 1)].map(decodeURIComponent);
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) };
}

function readDb(text: string, kind: RedisUrl['kind']): number {
  if (text !== '' && !/^\d{1,4}$/.test(text)) throw new RangeError('the store URL has a database that is not a number');
  const db = Number(text);
  if (kind === 'cluster' && db !== 0) throw new RangeError('a Redis Cluster has only database 0');
  return db;
}
