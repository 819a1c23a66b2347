import type { Case } from '../case.ts';
import { nameOf, type Route, routes } from '../routes.ts';
import { credentials, mediaTypes } from './http.ts';

const endpoints = [...routes.values()].filter(({ body }) => body === 'form');

/** What each endpoint needs beside its client, so that the hostile part is all that is wrong. */
const needs: Record<string, string> = {
  'POST /bc-authorize': 'scope=openid&login_hint=nobody-at-all',
  'DELETE /bc-authorize': 'auth_req_id={{consumed}}',
  'POST /oauth/token': 'grant_type=urn:openid:params:grant-type:ciba&auth_req_id={{consumed}}',
  'POST /oauth/introspect': 'token=unknown',
  'POST /oauth/revoke': 'token=unknown',
  'POST /userinfo': '',
  'POST /bc-authorize/deliveries': 'auth_req_id={{consumed}}',
  'POST /oauth/par': 'response_type=code&scope=openid&redirect_uri=https://web.example/back',
  'POST /logout/confirm': 'xsrf=unknown&logout=yes',
  'POST /sign-in/{{sign_in}}': 'do=ask&who=nobody-at-all',
  'POST /sign-in/nothing': 'do=ask&who=nobody-at-all',
};
const needsOf = ({ method, path }: Route) => needs[`${method} ${path}`]!;

const form = (route: Route, name: string, body: string, more: Partial<Case> = {}): Case => ({
  family: 'form',
  name: `${name}: ${route.method} ${route.path}`,
  route: nameOf(route),
  listener: route.listener,
  method: route.method,
  path: route.path,
  headers: { 'content-type': mediaTypes.form, ...credentials(route) },
  body,
  ...more,
});

const polluting = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  'a[]',
  'a[b]',
  'a[__proto__][x]',
  'constructor.prototype',
];

/** Bodies that are hardly forms. */
export function forms(): Case[] {
  const bodies: [string, string, Partial<Case>?][] = [
    ['nothing', ''],
    ['ampersands only', '&'.repeat(5000)],
    ['101 parameters', Array.from({ length: 101 }, (_, i) => `p${i}=1`).join('&'), { only: [400] }],
    ['101 times the same', `token=a${'&x='.repeat(100)}`, { only: [400] }],
    ['5 000 parameters', Array.from({ length: 5000 }, (_, i) => `p${i}=1`).join('&'), { only: [400] }],
    ['a lone percent', 'scope=%&login_hint=%zz'],
    ['overlong UTF-8', 'scope=%c0%80&login_hint=%e0%80%af'],
    ['a lone surrogate', 'login_hint=%ed%a0%80&binding_message=%ed%b0%80'],
    ['a NUL', 'scope=open%00id&login_hint=a%00b&grant_type=%00&token=%00'],
    ['bytes that are no UTF-8', 'login_hint=\xff\xfe&scope=\x80', { latin1: true }],
    ['line breaks', 'scope=openid%0d%0aSet-Cookie:%20a=b&login_hint=%0a'],
    ['JSON', '{"scope":"openid"}'],
    ['56 KiB', `token=${'a'.repeat(56 * 1024 - 6)}`],
    ['56 KiB and one', `token=${'a'.repeat(56 * 1024 - 5)}`, { only: [400, 413] }],
    ['1 MB', `token=${'a'.repeat(1024 * 1024)}`, { only: [413] }],
    ['an unknown grant', 'grant_type=password&username=a&password=b'],
    ['the grant of a prototype', 'grant_type=__proto__'],
    ['a list as the grant', 'grant_type[]=urn:openid:params:grant-type:ciba'],
    ['a client of a prototype', 'client_id=__proto__&client_secret=x&token=x'],
    ['another client beside the header', 'client_id=other&token=x', { only: [400, 401] }],
    ['a secret beside the header', 'client_id=fuzzed&client_secret={{fuzzed_secret}}&token=x', { only: [400, 401] }],
    ['an assertion beside the header', 'client_assertion=a.b.c&client_assertion_type=x&token=x', { only: [400, 401] }],
  ];
  return endpoints
    .flatMap((route) => [
      ...bodies.map(([name, body, more]) =>
        // what they say of credentials is said of clients'
        form(route, name, body, route.auth === 'client' ? more : { ...more, only: undefined as never }),
      ),
      ...polluting.map((name) => form(route, name, `${needsOf(route)}&${encodeURIComponent(name)}=x&${name}[x]=y`)),
      ...[false, true].flatMap((known) =>
        ['', 'Basic x', 'Bearer {{access_token}}', 'Basic ZnV6emVkOndyb25n'].map((authorization) =>
          form(route, `${known ? 'complete' : 'empty'}, as “${authorization}”`, known ? needsOf(route) : '', {
            headers: { 'content-type': mediaTypes.form, ...(authorization && { authorization }) },
          }),
        ),
      ),
    ])
    .map(withoutUndefined);
}

/** what must not come twice. */
export function duplicates(): Case[] {
  const names = [
    'scope',
    'login_hint',
    'id_token_hint',
    'binding_message',
    'requested_expiry',
    'acr_values',
    'client_id',
    'client_secret',
  ];
  const more = [
    'client_assertion',
    'client_assertion_type',
    'grant_type',
    'auth_req_id',
    'token',
    'request',
    'user_code',
    'resource',
  ];
  return endpoints.flatMap((route) =>
    [...names, ...more].map((name) => form(route, `${name} twice`, `${needsOf(route)}&${name}=a&${name}=b`)),
  );
}

function withoutUndefined(each: Case): Case {
  return JSON.parse(JSON.stringify(each));
}

const [bcAuthorize] = endpoints as [Route];

/** A request for authentication of which one parameter is hostile. */
export function ask(name: string, parameters: Record<string, string>, more: Partial<Case> = {}): Case {
  const body = Object.entries({ scope: 'openid', login_hint: 'nobody-at-all', ...parameters })
    .map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll(/%7B%7B(\w+)%7D%7D/g, '{{$1}}')}`)
    .join('&');
  return form(bcAuthorize, name, body, { family: 'hints', ...more });
}
