import { type Case, flipped } from '../case.ts';
import { ciba } from '../life.ts';
import { nameOf, type Route, routes } from '../routes.ts';
import { credentials, mediaTypes } from './http.ts';
import type { Random } from './index.ts';

/** Names of `Life.values` that are handles or tokens of some kind. */
const handles = [
  'kept',
  'foreign',
  'consumed',
  'denied',
  'cancelled',
  'expiring',
  'open_ticket',
  'used_ticket',
  'access_token',
  'refresh_token',
  'spent_refresh_token',
  'id_token',
  'device_id',
  'op',
  'target_id',
  'activation_code',
];

/** Ways to be nearly right. `{{~name:change}}` is made by {@link bent}. */
export const changes = ['flip', 'cut', 'long', 'upper', 'partition', 'blank', 'nul', 'quoted', 'twice'] as const;

const post = (path: string, name: string, body: string, more: Partial<Case> = {}): Case => ({
  family: 'ids',
  name: `${name}: ${path}`,
  route: `public POST ${path}`,
  listener: 'public',
  method: 'POST',
  path,
  headers: { authorization: '{{fuzzed}}', 'content-type': mediaTypes.form },
  body,
  ...more,
});

/** One bit off, cut off, of another client, of another kind, ended. None of them may be what it is not, or hurt what it is near. */
export function ids(_random: Random): Case[] {
  const bent = handles.flatMap((handle) => changes.map((change) => `{{${handle}_${change}}}`));
  const wrongKind = handles.filter((handle) => !['kept', 'expiring'].includes(handle)).map((handle) => `{{${handle}}}`);
  const strange = [
    '',
    '0',
    '__proto__',
    '../kept',
    '00',
    `00${'A'.repeat(43)}`,
    `zz${'A'.repeat(43)}`,
    `ff${'_'.repeat(43)}`,
    '*',
    '{00}',
    'a:b',
    '%00',
    '\u{1f600}',
    'x'.repeat(10_000),
  ];
  const all = [...bent, ...wrongKind, ...strange];
  return [
    ...all.map((id) =>
      post('/oauth/token', `auth_req_id ${id.slice(0, 30)}`, `grant_type=${ciba}&auth_req_id=${id}`, { only: [400] }),
    ),
    // with the other client's own credentials, the first one's request
    post('/oauth/token', 'auth_req_id of another client', `grant_type=${ciba}&auth_req_id={{kept}}`, {
      headers: { authorization: '{{other}}', 'content-type': mediaTypes.form },
      only: [400],
    }),
    ...all
      // a spent one that comes back is theft, and ends the grant (RFC 9700 4.14): then nothing could be checked afterwards
      .filter((id) => !['{{refresh_token}}', '{{spent_refresh_token}}'].includes(id))
      .map((id) =>
        post('/oauth/token', `refresh_token ${id.slice(0, 30)}`, `grant_type=refresh_token&refresh_token=${id}`, {
          only: [400],
        }),
      ),
    // whoever else has them, spent or not, gets nothing and ends nothing
    ...['refresh_token', 'spent_refresh_token'].map((token) =>
      post('/oauth/token', `${token} of another client`, `grant_type=refresh_token&refresh_token={{${token}}}`, {
        headers: { authorization: '{{other}}', 'content-type': mediaTypes.form },
        only: [400],
      }),
    ),
    ...[...bent, ...strange].map((id) =>
      post('/oauth/introspect', `token ${id.slice(0, 30)}`, `token=${id}`, { only: [200, 400] }),
    ),
    ...[...bent, ...strange].map((id) =>
      post('/oauth/revoke', `token ${id.slice(0, 30)}`, `token=${id}`, { only: [200, 400] }),
    ),
    // RFC 7009 2.1: of another client
    post('/oauth/revoke', 'a token of another client', 'token={{access_token}}', {
      headers: { authorization: '{{other}}', 'content-type': mediaTypes.form },
      only: [200, 400],
    }),
    ...[...bent, ...strange].map((id) => ({
      family: 'ids',
      name: `cancels ${id.slice(0, 30)}`,
      route: nameOf({ listener: 'public', method: 'DELETE', path: '/bc-authorize' }),
      listener: 'public' as const,
      method: 'DELETE',
      path: '/bc-authorize',
      headers: { authorization: '{{fuzzed}}', 'content-type': mediaTypes.form },
      body: `auth_req_id=${id}`,
      only: [400],
    })),
    ...all.filter((id) => !id.includes('{{access_token}}')).flatMap((id) => inHeader(id)),
    // whoever has the key, and of what there is nothing
    ...[...routes.values()]
      .filter(({ auth, path }) => auth === 'key' && path.includes('{{'))
      .flatMap((route) => bent.map((id) => called(route, route.path.replace(/\{\{\w+\}\}(?!.*\{\{)/, id)))),
    ...lists.flatMap((route) => [
      ...['0', '-1', '201', '1.5', '1e1', 'x', '', '99999999999999999999', '0x10', '%00'].map((limit) =>
        called(route, `${route.path}?limit=${limit}`, [200, 400]),
      ),
      ...[...bent, '{{issuer}}', 'a'.repeat(600), 'AAAA', '%00', '__proto__', `${'A'.repeat(22)}x`].map((cursor) =>
        called(route, `${route.path}?cursor=${cursor}`),
      ),
    ]),
    ...[...bent, ...strange.filter((id) => id !== '')].map((id) => simulated(id)),
  ];
}

function inHeader(id: string): Case[] {
  if (/[^\x20-\x7e]/.test(id) || id.includes('_nul}')) return [];
  return [
    {
      family: 'ids',
      name: `userinfo with ${id.slice(0, 30)}`,
      route: 'public GET /userinfo',
      listener: 'public',
      method: 'GET',
      path: '/userinfo',
      headers: { authorization: `Bearer ${id}` },
      only: [400, 401],
    },
    {
      family: 'ids',
      name: `the management API with ${id.slice(0, 30)}`,
      route: 'management GET /management/v1/users',
      listener: 'management',
      method: 'GET',
      path: '/management/v1/users',
      headers: { authorization: `Bearer ${id}` },
      only: [401],
    },
  ];
}

/** Management calls that answer in pages. */
const lists = [...routes.values()].filter(
  ({ path, method, auth }) =>
    auth === 'key' &&
    method === 'GET' &&
    /\/(users|devices|clients|deliveries)$/.test(path) &&
    !path.endsWith('}}/devices'),
);

function called(route: Route, path: string, only = [400, 404]): Case {
  const { method, body } = route;
  return {
    family: 'ids',
    name: `${method} ${path.slice(0, 110)}`,
    route: nameOf(route),
    listener: 'management',
    method,
    path,
    headers: { ...credentials(route), ...(body === 'json' && { 'content-type': mediaTypes.json }) },
    ...(body === 'json' && { body: '{}' }),
    only,
  };
}

function simulated(id: string): Case {
  return {
    family: 'ids',
    name: `decides ${id.slice(0, 30)} in the simulator`,
    route: 'public POST /simulator/decide',
    listener: 'public',
    method: 'POST',
    path: `/simulator/decide?action=allow&auth_req_id=${id.startsWith('{{') ? id : encodeURIComponent(id).slice(0, 9000)}`,
    only: [400, 404, 409],
  };
}

/** The values that the cases above name, from those that the world has. */
export function bent(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    handles.flatMap((handle) => changes.map((change) => [`${handle}_${change}`, bend(values[handle]!, change)])),
  );
}

function bend(value: string, change: (typeof changes)[number]): string {
  switch (change) {
    case 'flip':
      return flipped(value);
    case 'cut':
      return value.slice(0, -1);
    case 'long':
      return `${value}A`;
    case 'upper':
      return value.toUpperCase() === value ? value.toLowerCase().slice(1) : value.toUpperCase();
    case 'partition':
      return (value.startsWith('00') ? '01' : '00') + value.slice(2);
    case 'blank':
      return `${value}%20`;
    case 'nul':
      return `${value}%00`;
    case 'quoted':
      return `%22${value}%22`;
    case 'twice':
      return value + value;
  }
}
