import type { Case } from '../case.ts';
import { ask } from './forms.ts';

const zeroWidth = '\u200b\u200c\u200d\u2060\ufeff';
const names = [
  ...[
    't\u0430rget',
    '\uff54arget',
    'TARGET\u0130',
    'target\u0000',
    'target\u200d',
    '\u202etegrat',
    `tar${zeroWidth}get`,
    't arget',
    't\\target',
  ],
  ...[
    'target%00',
    'sub:',
    'sub:{{target_id}}x',
    'sub:../{{target_id}}',
    'sub:__proto__',
    'SUB:{{locked_id}}',
    'sub:sub:{{target_id}}',
  ],
  ...['tel:', 'tel:+', 'tel:+31', 'tel:+999999999999999999999999', 'tel:+3161234567\u0bee', 'tel:00', 'tel:+1;ext=1'],
  ...[
    'email:',
    'email:@',
    'email:a@',
    '@',
    'a@b@c',
    'alice@ex\u0430mple.test',
    '"a b"@c',
    'email:<script>@x',
    `${'a'.repeat(300)}@b.c`,
    'a@[127.0.0.1]',
  ],
  ...[
    'device:',
    'device:{{device_id}}x',
    'opaque:x',
    '{"format":"iss_sub","iss":"{{issuer}}","sub":"{{target_id}}x"}',
    '{"format":"__proto__"}',
    '{',
  ],
  ...['[]', 'null', '0', '-1', 'NaN', 'undefined', 'true', '__proto__', 'constructor', 'toString', 'hasOwnProperty'],
  ...[
    "' OR 1=1 --",
    "'; DROP TABLE users; --",
    'a\r\nSET x y\r\n',
    '*',
    'user:*',
    '{x}',
    '%s%s%n',
    '$' + '{7*7}',
    '{{7*7}}',
    '$(id)',
    '`id`',
    '../../etc/passwd',
  ],
  ...[
    '<script>alert(1)</script>',
    'KEYS[1]',
    'return redis.call("FLUSHALL")',
    '\\u0000',
    '\u{1f469}\u200d\u{1f4bb}',
    '\u0627\u0644\u0639',
    '\ud7ff',
  ],
  ...[
    'a'.repeat(319),
    'a'.repeat(321),
    'a'.repeat(10_000),
    '\u{1f600}'.repeat(3000),
    'locked',
    'sub:{{locked_id}}',
    '',
  ],
];

/** Whoever is nobody, however it is spelled; a locked person is nobody too. */
export function hints(): Case[] {
  return [
    ...names.map((hint, i) => ask(`login_hint ${i} “${hint.slice(0, 40)}”`, { login_hint: hint }, { only: [400] })),
    ...messages().map(([name, message]) =>
      ask(`binding_message ${name}`, { login_hint: 'target', binding_message: message }, { only: [400] }),
    ),
    ...expiries.map((expiry) =>
      ask(
        `requested_expiry ${expiry.slice(0, 30)}`,
        { login_hint: 'target', requested_expiry: expiry },
        { only: [400] },
      ),
    ),
    ...scopes.map((scope) =>
      ask(`scope ${scope.slice(0, 30)}`, { login_hint: 'nobody-at-all', scope }, { only: [400] }),
    ),
    ...documents.map((document) =>
      ask(`document ${document.slice(0, 60)}`, { login_hint: 'target', document }, { only: [400] }),
    ),
    ...others.map(([name, value]) =>
      ask(`${name} ${value.slice(0, 30)}`, { login_hint: 'nobody-at-all', [name]: value }, { only: [400] }),
    ),
  ];
}

/** TH-03: every kind of character that is no text, and too much of what is. */
function messages(): [string, string][] {
  const controls = [
    ...Array.from({ length: 32 }, (_, i) => i),
    0x7f,
    ...Array.from({ length: 32 }, (_, i) => 0x80 + i),
  ];
  const formats = [
    0xad, 0x61c, 0x180e, 0x200b, 0x200d, 0x200e, 0x202a, 0x202e, 0x2028, 0x2029, 0x2060, 0x2066, 0x2069, 0xfeff, 0xfff9,
    0xe000, 0xf8ff, 0xe0001, 0xe0020, 0xf0000, 0x10fffd,
  ];
  return [
    ...[...controls, ...formats].map((point): [string, string] => [
      `U+${point.toString(16)}`,
      `pay${String.fromCodePoint(point)}me`,
    ]),
    ['161 code points', 'a'.repeat(161)],
    ['641 bytes', '\u{1f600}'.repeat(161)],
    ['20 kB', 'a'.repeat(20_000)],
  ];
}

const expiries = [
  ...[
    '0',
    '-1',
    '+1',
    '1.5',
    '1e3',
    '0x10',
    '010',
    ' 10',
    '10 ',
    'NaN',
    'Infinity',
    'ten',
    '10,0',
    '1_0',
    '\u0661\u0660',
    '10;',
    '[]',
    '{}',
    'null',
    'true',
    '\uff11\uff10',
  ],
];
const scopes = [
  '',
  ' ',
  'profile',
  'OPENID',
  'openid\0',
  'openid\n',
  'openid evil',
  'openid "',
  'open id',
  'a'.repeat(9000),
  '\u{1f600}',
  '__proto__',
  'openid,profile',
  '%6fpenid',
];

const documents = [
  '{',
  '{"title":"x","mime":"text/html","content":"<script>"}',
  '{"__proto__":{"title":"x"},"mime":"text/plain","content":"x"}',
  `{"title":"x","mime":"image/png","content":"${'A'.repeat(55_000)}"}`,
  '{"title":"\\u202e","mime":"text/plain","content":"\\ud800"}',
];

const others: [string, string][] = [
  ['acr_values', 'urn:unknown'],
  ['acr_values', 'x'.repeat(9000)],
  ['acr_values', '__proto__'],
  ['request', 'a.b.c'],
  ['request', '{{id_token}}'],
  ['request', 'a.b.c.d.e'],
  ['request_uri', 'http://169.254.169.254/'],
  ['request_uri', 'urn:ietf:params:oauth:request_uri:x'],
  ['registration', '{}'],
  ['login_hint_token', 'a.b.c'],
  ['id_token_hint', '{{id_token}}'],
  ['resource', 'http://127.0.0.1/'],
  ['resource', 'not a url'],
  ['authorization_details', '[{"type":"x"}]'],
  ['claims', '{"id_token":{"__proto__":{"x":1}}}'],
  ['claims', '{'],
  ['user_code', 'x'.repeat(9000)],
  ['client_notification_token', 'x'.repeat(9000)],
  ['response_type', 'code'],
  ['redirect_uri', 'javascript:alert(1)'],
];
