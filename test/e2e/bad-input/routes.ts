import type { Case } from './case.ts';

/**
 * Every endpoint, with the answers that are documented for it: CIBA Core 13 (ciba.md, 1.9), RFC 6749 5.2, RFC 6750 3.1, RFC 7009
 * and RFC 7591 for the provider; the served OpenAPI documents for our own APIs, see {@link documentedBy}. That none is missing
 * which these or discovery tell of is a test of `corpus.test.ts`.
 */
export interface Route {
  listener: Case['listener'];
  method: string;
  /** `{{name}}` as in a case. */
  path: string;
  kind: 'oauth' | 'problem' | 'page';
  statuses: number[];
  /** How a caller proves who it is. */
  auth: 'client' | 'key' | 'token' | 'registrar' | 'registered' | 'browser' | 'none';
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
  'document',
  'claim',
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
const page = { kind: 'page' as const };
const managed = (method: string, path: string, more: Partial<Route> = {}): Route =>
  own('management', method, `/management/v1${path}`, [], { ...key, ...more });
const device = (listener: 'public' | 'authenticator'): Route[] => [
  ...deviceActs.map((act) => own(listener, 'POST', `/device/v1/${act}`, [], { body: 'jose' })),
  own(listener, 'GET', '/device/v1/keys', []),
  own(listener, 'GET', '/device/v1/jwks.json', []),
];

const list: Route[] = [
  oauth('POST', '/bc-authorize', [200, 400, 401, 403, 429]),
  oauth('DELETE', '/bc-authorize', [204, 400, 401, 409]),
  oauth('POST', '/bc-authorize/deliveries', [200, 400, 401]),
  oauth('POST', '/oauth/token', [200, 400, 401]),
  oauth('POST', '/oauth/introspect', [200, 400, 401]),
  oauth('POST', '/oauth/revoke', [200, 400, 401]),
  oauth('GET', '/userinfo', [200, 400, 401, 403], 'token'),
  oauth('POST', '/userinfo', [200, 400, 401, 403], 'token'),
  oauth('GET', '/.well-known/openid-configuration', [200], 'none'),
  oauth('GET', '/.well-known/oauth-authorization-server', [200], 'none'),
  oauth('GET', '/.well-known/jwks.json', [200], 'none'),
  oauth('GET', '/fapi/resource', [200, 400, 401], 'token'),

  // RFC 7591, RFC 7592
  { ...oauth('POST', '/oauth/register', [201, 400, 401], 'registrar'), ...json },
  oauth('GET', '/oauth/register/{{registered_id}}', [200, 401], 'registered'),
  { ...oauth('PUT', '/oauth/register/{{registered_id}}', [200, 400, 401], 'registered'), ...json },
  { ...own('public', 'DELETE', '/oauth/register/{{registered_id}}', [204, 401]), kind: 'oauth' },

  // for browsers
  own('public', 'GET', '/authorize', [200, 302, 303, 400], page),
  own('public', 'GET', `/authorize/${'a'.repeat(43)}`, [200, 302, 303, 400], page),
  own('public', 'GET', '/logout', [200, 302, 303, 400], page),
  own('public', 'POST', '/logout/confirm', [200, 303, 400], { ...page, body: 'form' }),
  own('public', 'GET', '/logout/success', [200, 400], page),
  own('public', 'GET', '/sign-in/nothing', [404], page),
  own('public', 'GET', '/sign-in/{{sign_in}}', [200, 303, 404], page),
  own('public', 'POST', '/sign-in/{{sign_in}}', [303, 403, 404, 422, 429], { ...page, auth: 'browser', body: 'form' }),
  own('public', 'POST', '/sign-in/nothing', [303, 403, 404, 422, 429], { ...page, auth: 'browser', body: 'form' }),
  own('public', 'GET', '/sign-in/{{sign_in}}/events', [200, 404]),
  own('public', 'GET', '/sign-in/assets/nothing', [404]),
  oauth('POST', '/oauth/par', [201, 400, 401]),

  ...device('public'),
  ...device('authenticator'),
  own('public', 'GET', '/device/v1/openapi.json', [200]),
  own('public', 'GET', '/health/live', [200]),
  own('public', 'GET', '/health/ready', [200]),
  own('management', 'GET', '/health/live', [200]),
  own('management', 'GET', '/health/ready', [200]),
  own('management', 'GET', '/metrics', [200]),
  own('authenticator', 'GET', '/', [200], page),

  own('management', 'GET', '/management/v1/openapi.json', [200]),
  managed('POST', '/users', json),
  managed('GET', '/users'),
  managed('GET', '/users/{{scratch_id}}'),
  managed('PATCH', '/users/{{scratch_id}}', json),
  managed('GET', '/users/{{scratch_id}}/attributes'),
  managed('PATCH', '/users/{{scratch_id}}/attributes', json),
  managed('DELETE', '/users/{{scratch_id}}/limits'),
  managed('GET', '/users/{{scratch_id}}/devices'),
  managed('POST', '/users/{{spare_id}}/lock'),
  managed('POST', '/users/{{spare_id}}/unlock'),
  managed('POST', '/users/{{spare_id}}/deactivate'),
  managed('POST', '/users/{{scratch_id}}/enrollment-tickets', json),
  managed('GET', '/users/{{scratch_id}}/enrollment-tickets/{{ticket_id}}'),
  managed('POST', '/users/{{scratch_id}}/enrollment-tickets/{{ticket_id}}/confirm', json),
  managed('GET', '/devices'),
  managed('GET', '/devices/{{device_id}}'),
  managed('POST', '/devices/{{spare_device_id}}/lock'),
  managed('POST', '/devices/{{spare_device_id}}/unlock'),
  managed('POST', '/devices/{{spare_device_id}}/deactivate'),
  managed('POST', '/clients', json),
  managed('GET', '/clients'),
  managed('GET', '/clients/{{client_id}}'),
  managed('PUT', '/clients/{{client_id}}', json),
  managed('PATCH', '/clients/{{client_id}}', json),
  managed('DELETE', '/clients/{{client_id}}'),
  managed('GET', '/clients/{{client_id}}/deliveries'),
  managed('POST', '/clients/{{client_id}}/secret', json),
  managed('GET', '/clients/{{client_id}}/notification-secrets'),
  managed('POST', '/clients/{{client_id}}/activate'),
  managed('POST', '/clients/{{client_id}}/deactivate'),
  managed('GET', '/keys'),
  managed('POST', '/keys/rotate', json),
  managed('GET', '/keys/master'),
  managed('POST', '/keys/master/rotate'),
  managed('DELETE', '/keys/master/slots/{{ticket_id}}'),
  managed('GET', '/operations/{{op}}'),
  managed('POST', '/operations/{{op}}/pin-proof', json),

  // development only
  own('public', 'GET', '/', [200], page),
  own('public', 'GET', '/demo', [200], page),
  own('public', 'GET', '/demo/helpdesk', [200], page),
  own('public', 'GET', '/demo/tv', [200], page),
  own('public', 'GET', '/demo/assets/nothing', [404]),
  own('public', 'GET', '/demo/enroll', [302, 404], page),
  own('public', 'GET', '/demo/web', [200], page),
  own('public', 'GET', '/demo/web/state', [200]),
  own('public', 'GET', '/demo/web/sign-in', [302], page),
  own('public', 'GET', '/demo/web/callback', [302], page),
  own('public', 'GET', '/demo/web/sign-out', [302], page),
  ...['helpdesk', 'tv'].flatMap((desk) => [
    own('public', 'POST', `/demo/${desk}/requests`, [201, 400, 413], json),
    own('public', 'DELETE', `/demo/${desk}/requests/nothing`, [204]),
    own('public', 'GET', `/demo/${desk}/requests/nothing/events`, [404]),
  ]),
  own('public', 'POST', '/simulator/decide', [204, 400, 404, 409]),
  own('public', 'POST', '/simulator/devices', [201, 400, 404, 409, 413], json),
];

export const nameOf = ({ listener, method, path }: Pick<Route, 'listener' | 'method' | 'path'>) =>
  `${listener} ${method} ${path}`;
export const routes: ReadonlyMap<string, Route> = new Map(list.map((route) => [nameOf(route), route]));
/** Whatever is asked for that is not there. */
export const nowhere = 'public GET /nothing';

/** What the edge may say to anybody, before a route is looked at: an OAuth error at `oauth` paths, else a problem document, or the parser's bare refusal. */
export const edgeStatuses = [400, 404, 405, 408, 413, 415, 417, 421, 431];

export type OpenApi = { paths: Record<string, Record<string, { responses: Record<string, unknown> }>> };

/** As `{id}` or `{{scratch_id}}` of one. */
const shapeOf = (path: string) => path.replaceAll(/\{\{\w+\}\}|\{\w+\}/g, '{}');

/** Every operation that an API documents of itself, and its row here: none where it was forgotten. */
export function documentedIn(
  prefix: string,
  { paths }: OpenApi,
): { name: string; rows: Route[]; statuses: number[] }[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { responses }]) => ({
      name: `${method.toUpperCase()} ${prefix}${path}`,
      rows: [...routes.values()].filter(
        (route) => route.method === method.toUpperCase() && shapeOf(route.path) === shapeOf(prefix + path),
      ),
      statuses: Object.keys(responses).map(Number),
    })),
  );
}

/** Fills in the statuses that an API documents of itself. */
export function documentedBy(prefix: string, document: OpenApi): void {
  for (const { rows, statuses } of documentedIn(prefix, document)) for (const row of rows) row.statuses = statuses;
  const unknown = [...routes.values()].find(({ path, statuses }) => path.startsWith(prefix) && statuses.length === 0);
  if (unknown) throw new Error(`${nameOf(unknown)} is not documented`);
}
