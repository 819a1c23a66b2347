import { path } from './vocabulary.ts';

export type Endpoint =
  | 'authenticate'
  | 'cancel'
  | 'deliveries'
  | 'token'
  | 'register'
  | 'manage'
  | 'resource'
  | 'engine';
type Methods = Readonly<Record<string, Endpoint>>;

const read: Methods = { GET: 'engine', HEAD: 'engine', OPTIONS: 'engine' };

/** surfaces.md, section 2. OPTIONS only where a browser has business: not where a client must authenticate (F203). */
const endpoints: ReadonlyMap<string, Methods> = new Map([
  [path.authentication, { POST: 'authenticate', DELETE: 'cancel' }],
  [path.deliveries, { POST: 'deliveries' }],
  [path.token, { POST: 'token' }],
  [path.introspection, { POST: 'engine' }],
  [path.revocation, { POST: 'engine' }],
  [path.userinfo, { ...read, POST: 'engine' }],
  [path.openidConfiguration, read],
  [path.oauthConfiguration, read],
  [path.jwks, read],
] satisfies [string, Methods][]);

const get: Methods = { GET: 'engine' };

/** Only where they are switched on. */
const optional: Record<Option, [string, Methods][]> = {
  registration: [[path.registration, { POST: 'register' }]],
  resource: [[path.resource, { GET: 'resource' }]],
  // POST to the first is left out: browsers send no session with one that comes from another site
  browsers: [
    [path.authorization, get],
    [path.pushedAuthorization, { POST: 'engine' }],
    [path.logout, get],
    [`${path.logout}/confirm`, { POST: 'engine' }],
    [`${path.logout}/success`, get],
  ],
};
const registered: Methods = { GET: 'manage', PUT: 'manage', DELETE: 'manage' };

export type Option = 'registration' | 'resource' | 'browsers';

export interface Found {
  /** As the engine knows it. */
  pathname: string;
  methods: Methods;
  /** What stands below the path: the client of a registration. */
  below?: string;
}

/** Ruling 2: where browsers go, a person looks at what is answered. */
export const isPage = ({ pathname }: Pick<Found, 'pathname'>) =>
  [path.authorization, path.logout].some((page) => pathname === page || pathname.startsWith(`${page}/`));

export interface Routes {
  paths: string[];
  find(pathname: string): Found | undefined;
  /** A page, or below one, whether it is there or not. */
  isForPeople(pathname: string): boolean;
}

/**
 * Where an issuer has a path, everything lies below it, but for the RFC 8414 document, which puts it last (section 3.1).
 * A proxy may also have cut it off.
 */
export function createRoutes(issuer: string, options: readonly Option[] = []): Routes {
  const prefix = new URL(issuer).pathname.replace(/\/$/, '');
  const known = new Map<string, Found>();
  const all = [...endpoints, ...options.flatMap((option) => optional[option])];
  for (const [pathname, methods] of all) {
    for (const at of [pathname, prefix + pathname]) known.set(at, { pathname, methods });
  }
  const oauthConfiguration = endpoints.get(path.oauthConfiguration)!;
  known.set(path.oauthConfiguration + prefix, { pathname: path.oauthConfiguration, methods: oauthConfiguration });
  const bases = options.includes('registration') ? [path.registration, prefix + path.registration] : [];

  /** RFC 7592: one client each. */
  const registration = (pathname: string): Found | undefined => {
    const base = bases.find((each) => pathname.startsWith(`${each}/`));
    const below = base && decoded(pathname.slice(base.length + 1));
    return below ? { pathname: path.registration, methods: registered, below } : undefined;
  };
  /** Where the engine goes on after a sign-in: one address each. */
  const resumed = (pathname: string): Found | undefined => {
    const [, before, below] = /^(.*)\/authorize(\/[A-Za-z0-9_-]{43})$/.exec(pathname) ?? [];
    const isOurs = options.includes('browsers') && (before === '' || before === prefix);
    return isOurs ? { pathname: path.authorization + below, methods: get } : undefined;
  };
  const find = (pathname: string) => known.get(pathname) ?? registration(pathname) ?? resumed(pathname);
  const isForPeople = (pathname: string) =>
    isPage({ pathname }) || (pathname.startsWith(`${prefix}/`) && isPage({ pathname: pathname.slice(prefix.length) }));
  return { paths: [...known.keys()], find, isForPeople };
}

function decoded(segment: string): string | undefined {
  try {
    return segment.includes('/') ? undefined : decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
