import { deviceRoutes } from '../device-api/routes.ts';
import type { Schema } from '../route.ts';
import { openapiDocument } from './document.ts';

const schemas: Record<string, Schema> = {
  Message: {
    type: 'string',
    description:
      'A compact JWE; the device protocol (section 2) tells what is inside. Up: `typ` `assent-up`, to the current `box` key or under a session key, of `{rk, jws, proofs?}` or `{rk, request}`; at most 56 KiB. Down: `typ` `assent-down`, `dir` under the `rk` of that very request, of `{now, …}`; a refusal is `{now, problem}`.',
    examples: ['eyJ0eXAiOiJhc3NlbnQtdXAiLCJjdHkiOiJqc29uIiwiYWxnIjoiRUNESC1FUyIsImVuYyI6IkEyNTZHQ00ifQ..…'],
  },
  EventStream: {
    type: 'string',
    description:
      'Server-sent events. The data of each is a message down with `seq` from 1 without gaps, the first one the whole inbox. A comment is a heartbeat.',
  },
  KeySets: {
    type: 'object',
    description: 'The current keys of the server, once for each live `seal` key that vouches for them.',
    required: ['sets'],
    properties: {
      sets: {
        type: 'array',
        description: 'JWS compact, `typ` `assent-keys+jwt`.',
        items: { type: 'string', description: 'One set, signed.' },
      },
    },
  },
  JwkSet: {
    type: 'object',
    description: 'All `seal` keys, retired ones included, as verifiers of evidence need them (RFC 7517 §5).',
    required: ['keys'],
    properties: {
      keys: { type: 'array', description: 'Public keys.', items: { type: 'object', description: 'A public JWK.' } },
    },
  },
};

export function deviceOpenapi({ issuer }: { issuer: string }): Record<string, unknown> {
  return openapiDocument({
    info: {
      title: 'Assent device API',
      version: '1',
      description:
        'Between an authenticator and the server. Everything that matters is inside encrypted messages; this document tells their envelopes, the device protocol tells the rest.',
    },
    server: {
      url: `${issuer}/device/v1`,
      description: 'The public listener; the authenticator origin serves the same.',
    },
    tags: [
      { name: 'Calls', description: 'Encrypted messages, each authenticated by what is inside.' },
      { name: 'Keys', description: 'Public keys of the server.' },
    ],
    securitySchemes: {},
    schemas,
    commonProblems: {
      400: 'The message cannot be read, or was made for a key that is not in use (`unreadable`, `unknown_key`).',
      413: 'The message is larger than 56 KiB.',
      415: 'Not `application/jose`.',
      429: 'Too many requests; see `Retry-After`.',
      503: 'The store does not answer; see `Retry-After`.',
    },
    routes: deviceRoutes,
    extend: () => ({ security: [] }),
  });
}
