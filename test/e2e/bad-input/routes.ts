import type { Case } from './case.ts';

/**
 * Every public endpoint, with the answers that are documented for it: CIBA Core 13 (ciba.md, 1.9), RFC 6749 5.2, RFC 6750 3.1
 * and RFC 7009 for the provider; the served OpenAPI documents for our own APIs, see {@link documentedBy}.
 */
export interface Route {
  listener: Case['listener'];
  method: string;
  /** `{{name}}` as in a case. */
  path: string;
  kind: 'oauth' | 'problem' | 'page';
  statuses: number[];
  /** How a caller proves who it is. */
  auth: 'client' | 'key' | 'token' | 'none';
  /** What its body is; none where it takes none. */
  body?: 'form' | 'json' | 'jose';
}

export const deviceActs = [
  'redeem',
  'enroll',
  'session',
  'inbox',
  'events',
  'present',
  'decide',
  'status',
  'methods',
  'rotate',
  'tickets',
  'unenroll',
];

const oauth = (method: string, path: string, statuses: number[], auth: Route['auth'] = 'client'): Route => ({
  listener: 'public',
  method,
  path,
  kind: 'oauth',
  statuses,
  auth,
  ...(method === 'GET' ? {} : { body: 'form' as const }),
});

const own = (
  listener: Case['listener'],
  method: string,
  path: string,
  statuses: number[],
  more: Partial<Route> = {},
): Route => ({ listener, method, path, kind: 'problem', statuses, auth: 'none', ...more });

const key = { auth: 'key' as const };
const json = { body: 'json' as const };
const device = (listener: 'public' | 'authenticator'): Route[] => [
  ...deviceActs.map((act) => own(listener, 'POST', `/device/v1/${act}`, [], { body: 'jose' })),
  own(listener, 'GET', '/device/v1/keys', []),
  own(listener, 'GET', '/device/v1/jwks.json', []),
];

const list: Route[] = [
  oauth('POST', '/bc-authorize', [200, 400, 401, 403, 429]),
  oauth('DELETE', '/bc-authorize', [204, 400, 401, 409]),
  oauth('POST', '/oauth/token', [200, 400, 401]),
  oauth('POST', '/oauth/introspect', [200, 400, 401]),
  oauth('POST', '/oauth/revoke', [200, 400, 401]),
  oauth('GET', '/userinfo', [200, 400, 401, 403], 'token'),
  oauth('POST', '/userinfo', [200, 400, 401, 403], 'token'),
  oauth('GET', '/.well-known/openid-configuration', [200], 'none'),
  oauth('GET', '/.well-known/oauth-authorization-server', [200], 'none'),
  oauth('GET', '/.well-known/jwks.json', [200], 'none'),

  // for browsers
  own('public', 'GET', '/authorize', [200, 302, 303, 400], { kind: 'page' }),
  own('public', 'GET', '/logout', [200, 302, 303, 400], { kind: 'page' }),
  own('public', 'GET', '/sign-in/nothing', [200, 303, 400, 404], { kind: 'page' }),
  oauth('POST', '/oauth/par', [201, 400, 401]),

  ...device('public'),
  ...device('authenticator'),
  own('public', 'GET', '/health/live', [200]),
  own('public', 'GET', '/health/ready', [200]),
  own('management', 'GET', '/health/live', [200]),
  own('management', 'GET', '/health/ready', [200]),
  own('authenticator', 'GET', '/', [200], { kind: 'page' }),

  own('management', 'POST', '/management/v1/users', [], { ...key, ...json }),
  own('management', 'GET', '/management/v1/users', [], key),
  own('management', 'GET', '/management/v1/users/{{scratch_id}}', [], key),
  own('management', 'PATCH', '/management/v1/users/{{scratch_id}}', [], { ...key, ...json }),
  own('management', 'GET', '/management/v1/users/{{scratch_id}}/attributes', [], key),
  own('management', 'PATCH', '/management/v1/users/{{scratch_id}}/attributes', [], { ...key, ...json }),
  own('management', 'GET', '/management/v1/users/{{scratch_id}}/devices', [], key),
  own('management', 'POST', '/management/v1/users/{{scratch_id}}/enrollment-tickets', [], { ...key, ...json }),
  own('management', 'GET', '/management/v1/devices/{{device_id}}', [], key),

  // development only
  own('public', 'GET', '/demo/helpdesk', [200], { kind: 'page' }),
  own('public', 'GET', '/demo/tv', [200], { kind: 'page' }),
  own('public', 'GET', '/demo/enroll', [302, 404], { kind: 'page' }),
  own('public', 'POST', '/demo/helpdesk/requests', [201, 400, 413], json),
  own('public', 'POST', '/demo/tv/requests', [201, 400, 413], json),
  own('public', 'GET', '/demo/tv/requests/nothing/events', [404]),
  own('public', 'POST', '/simulator/decide', [204, 400, 404, 409]),
  own('public', 'POST', '/simulator/devices', [201, 400, 404, 409, 413], json),
];

export const nameOf = ({ listener, method, path }: Pick<Route, 'listener' | 'method' | 'path'>) =>
  `${listener} ${method} ${path}`;
export const routes: ReadonlyMap<string, Route> = new Map(list.map((route) => [nameOf(route), route]));
/** Whatever is asked for that is not there. */
export const nowhere = 'public GET /nothing';

/** What the edge may say to anybody, before a route is looked at: always a problem document, or the parser's bare refusal. */
export const edgeStatuses = [400, 404, 405, 408, 413, 415, 417, 421, 431];

type OpenApi = { paths: Record<string, Record<string, { responses: Record<string, unknown> }>> };

/** Fills in the statuses that an API documents of itself. */
export function documentedBy(prefix: string, { paths }: OpenApi): void {
  for (const route of routes.values()) {
    if (!route.path.startsWith(prefix)) continue;
    const path = route.path.slice(prefix.length).replaceAll(/\{\{\w+\}\}/g, '{id}');
    const operation = paths[path]?.[route.method.toLowerCase()];
    if (!operation) throw new Error(`${nameOf(route)} is not documented`);
    route.statuses = Object.keys(operation.responses).map(Number);
  }
}
