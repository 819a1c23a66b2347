import type { Case } from '../case.ts';
import { nameOf, type Route, routes } from '../routes.ts';
import { credentials, mediaTypes } from './http.ts';

const endpoints = [...routes.values()].filter(({ body }) => body === 'json');

const json = (route: Route, name: string, body: string, more: Partial<Case> = {}): Case => ({
  family: 'json',
  name: `${name}: ${route.method} ${route.path}`,
  route: nameOf(route),
  listener: route.listener,
  method: route.method,
  path: route.path,
  headers: { 'content-type': mediaTypes.json, ...credentials(route) },
  body,
  ...more,
});

/** Values of every kind, as JSON text. */
export const values = [
  ...[
    'null',
    'true',
    '0',
    '-0',
    '-1',
    '1.5',
    '1e999',
    '-1e999',
    '1e-999',
    '123456789012345678901234567890',
    '""',
    '" "',
    '"\\u0000"',
  ],
  ...[
    '"\\ud800"',
    '"\\u202e"',
    '[]',
    '[[]]',
    '{}',
    '{"a":{}}',
    '"__proto__"',
    '"prototype"',
    `"${'x'.repeat(20_000)}"`,
    '["a","a"]',
    '{"then":1}',
  ],
  ...[
    '"<script>alert(1)</script>"',
    '"\\r\\n{\\"level\\":\\"error\\"}"',
    '"1\' OR 1=1"',
    '{"toString":1}',
    '{"length":-1}',
    '[null]',
  ],
];

/** Not one of these is a JSON object. A call whose members are all optional takes an empty one. */
const broken: [string, string, Partial<Case>?][] = [
  ['an array', '[]'],
  ['null', 'null'],
  ['a number', '1'],
  ['a string', '"a"'],
  ['cut off', '{"a":'],
  ['bytes after it', '{} {}'],
  ['a NUL after it', '{}\0'],
  ['a byte order mark', '\ufeff{"user":"x"}'],
  ['a comment', '{/**/}'],
  ['single quotes', "{'a':1}"],
  ['a trailing comma', '{"a":1,}'],
  ['NaN', '{"a":NaN}'],
  ['20 000 deep', `${'['.repeat(20_000)}`],
  ['20 000 deep and closed', `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
  ['33 deep', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`],
  ['a member twice', '{"user":"a","user":"b"}'],
  ['__proto__', '{"__proto__":{"x":1}}'],
  ['__proto__ in a member', '{"attributes":{"__proto__":{"x":1}},"behaviour":{"__proto__":1}}'],
  ['constructor.prototype', '{"constructor":{"prototype":{"x":1}}}'],
  ['10 000 members', `{${Array.from({ length: 4000 }, (_, i) => `"m${i}":1`).join(',')}}`],
  ['bytes that are no UTF-8', '{"user":"\xff\xfe"}', { latin1: true }],
  ['overlong UTF-8', '{"user":"\xc0\x80"}', { latin1: true }],
  ['a lone surrogate as bytes', '{"user":"\xed\xa0\x80"}', { latin1: true }],
  ['56 KiB and one', `{"user":"${'a'.repeat(56 * 1024)}"}`],
  ['1 MB', `{"user":"${'a'.repeat(1024 * 1024)}"}`],
];

/** RFC 7591, CIBA Core 4, and members of ours. */
const metadata = [
  ...['client_id', 'client_name', 'grant_types', 'response_types', 'redirect_uris', 'jwks', 'jwks_uri', 'logo_uri'],
  ...['token_endpoint_auth_method', 'token_endpoint_auth_signing_alg', 'sector_identifier_uri', 'subject_type'],
  ...['backchannel_token_delivery_mode', 'backchannel_client_notification_endpoint', 'default_max_age', 'unknown'],
  ...['assent_match', 'assent_introspect', 'authorization_details_types', 'post_logout_redirect_uris'],
];

/** What whoever has the key may well mean. */
const isMeant = (member: string, value: string) => ['immediate', 'revoke'].includes(member) && value === 'true';

const members: Record<string, string[]> = {
  '/management/v1/users': [
    'username',
    'external_ref',
    'email',
    'phone',
    'name',
    'language',
    'attributes',
    'proofing',
    'id',
    'state',
    'unknown',
  ],
  '/management/v1/users/{{scratch_id}}': [
    'username',
    'email',
    'phone',
    'attributes',
    'proofing',
    'state',
    'version',
    'unknown',
  ],
  '/management/v1/users/{{scratch_id}}/attributes': ['a', 'toString', 'a b', ''],
  '/management/v1/users/{{scratch_id}}/enrollment-tickets': ['application', 'ttl_seconds', 'post_context', 'unknown'],
  '/management/v1/users/{{scratch_id}}/enrollment-tickets/{{ticket_id}}/confirm': ['code', 'unknown'],
  '/management/v1/clients': metadata,
  '/management/v1/clients/{{client_id}}': metadata,
  '/management/v1/clients/{{client_id}}/secret': ['overlap_seconds', 'unknown'],
  '/management/v1/keys/rotate': ['use', 'alg', 'immediate', 'revoke', 'unknown'],
  '/management/v1/operations/{{op}}/pin-proof': ['reason', 'unknown'],
  '/oauth/register': [...metadata, 'registration_access_token'],
  '/oauth/register/{{registered_id}}': [...metadata, 'client_secret', 'registration_access_token'],
  '/demo/helpdesk/requests': ['user', 'text'],
  '/demo/tv/requests': ['user', 'text'],
  '/simulator/devices': ['user', 'methods', 'behaviour', 'unknown'],
};

/** Without it, nothing else is looked at. */
const beside: Record<string, string> = { '/oauth/register/{{registered_id}}': '"client_id":"{{registered_id}}",' };

export function jsonBodies(): Case[] {
  const refused = [400, 401, 404, 409, 413, 415];
  return endpoints.flatMap((route) => [
    ...broken.map(([name, body, more]) => json(route, name, body, { only: refused, ...more })),
    // without the key nothing is read
    ...broken
      .slice(0, 6)
      .map(([name, body]) =>
        json(route, `${name}, from nobody`, body, { headers: { 'content-type': mediaTypes.json }, only: refused }),
      ),
    ...members[route.path]!.flatMap((member) =>
      values
        .filter((value) => !isMeant(member, value))
        .map((value) =>
          json(
            route,
            `${member} ${value.slice(0, 30)}`,
            `{${beside[route.path] ?? ''}${JSON.stringify(member)}:${value}}`,
          ),
        ),
    ),
  ]);
}
