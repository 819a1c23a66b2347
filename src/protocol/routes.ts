import { path } from './vocabulary.ts';

export type Endpoint = 'authenticate' | 'cancel' | 'token' | 'engine';
type Methods = Readonly<Record<string, Endpoint>>;

const read: Methods = { GET: 'engine', HEAD: 'engine', OPTIONS: 'engine' };

/** surfaces.md, section 2. OPTIONS only where a browser has business: not where a client must authenticate (F203). */
const endpoints: ReadonlyMap<string, Methods> = new Map([
  [path.authentication, { POST: 'authenticate', DELETE: 'cancel' }],
  [path.token, { POST: 'token' }],
  [path.introspection, { POST: 'engine' }],
  [path.revocation, { POST: 'engine' }],
  [path.userinfo, { ...read, POST: 'engine' }],
  [path.openidConfiguration, read],
  [path.oauthConfiguration, read],
  [path.jwks, read],
] satisfies [string, Methods][]);

export interface Found {
  /** As the engine knows it. */
  pathname: string;
  methods: Methods;
}

export interface Routes {
  paths: string[];
  find(pathname: string): Found | undefined;
}

/**
 * Where an issuer has a path, everything lies below it, but for the RFC 8414 document, which puts it last (section 3.1).
 * A proxy may also have cut it off.
 */
export function createRoutes(issuer: string): Routes {
  const prefix = new URL(issuer).pathname.replace(/\/$/, '');
  const known = new Map<string, Found>();
  for (const [pathname, methods] of endpoints) {
    for (const at of [pathname, prefix + pathname]) known.set(at, { pathname, methods });
  }
  const oauthConfiguration = endpoints.get(path.oauthConfiguration)!;
  known.set(path.oauthConfiguration + prefix, { pathname: path.oauthConfiguration, methods: oauthConfiguration });
  return { paths: [...known.keys()], find: (pathname) => known.get(pathname) };
}
