import { managementScopes } from '../management-api/auth.ts';
import type { ManagementRoute } from '../management-api/call.ts';
import { managementSchemas } from '../management-api/schemas.ts';
import type { RouteSpec } from '../route.ts';
import { openapiDocument } from './document.ts';

const scopes = Object.entries(managementScopes)
  .map(([name, text]) => `\`${name}\`: ${text}`)
  .join(' ');

export function managementOpenapi(routes: readonly ManagementRoute[]): Record<string, unknown> {
  return openapiDocument({
    info: {
      title: 'Assent management API',
      version: '1',
      description: `Users, their devices, the tickets that enroll devices, OAuth clients, the keys of ID tokens, and what proves an approval. On the management listener only. Scopes of a key: ${scopes}`,
    },
    server: { url: '/management/v1', description: 'The management listener, on loopback by default.' },
    tags: [
      { name: 'users', description: 'People in the identity store.' },
      { name: 'enrollment-tickets', description: 'Single-use tickets that enroll a device.' },
      { name: 'keys', description: 'Keys that ID tokens are signed with.' },
      { name: 'clients', description: 'OAuth clients: those of the configuration to read, registered ones to change.' },
      { name: 'devices', description: 'Enrolled devices. None of these calls needs the device itself.' },
      { name: 'operations', description: 'What was asked of people, and what they answered.' },
    ],
    securitySchemes: {
      apiKey: { type: 'http', scheme: 'bearer', description: 'An API key from the configuration.' },
    },
    schemas: managementSchemas,
    commonProblems: {
      400: 'The request is not valid; `invalid_params` says where.',
      401: 'No API key, or one that is not known.',
      403: 'The key lacks the scope.',
      415: 'Another kind of body than documented.',
      413: 'The body is larger than 56 KiB.',
      503: 'The store does not answer; see `Retry-After`.',
    },
    routes: routes.map(withHeaders),
    extend: (route) => ({ security: [{ apiKey: [(route as ManagementRoute).scope] }] }),
  });
}

function withHeaders(route: ManagementRoute): ManagementRoute & RouteSpec {
  const headers = {
    ...route.headers,
    ...(route.creates && {
      'Idempotency-Key':
        'Any text of your choice, unique to this request: repeated with it within a day, the request gets the same answer and creates nothing more.',
    }),
    ...(route.conditional && {
      'If-Match': 'The ETag that the change is based on; 412 where the record has changed since.',
    }),
  };
  const problems = {
    ...route.problems,
    ...(route.creates && { 422: 'The Idempotency-Key was used for another request.' }),
    ...(route.creates && {
      409: [route.problems?.[409], 'A request with this Idempotency-Key is still running.'].filter(Boolean).join(' '),
    }),
    ...(route.conditional && { 412: 'The record has changed since.' }),
  };
  return { ...route, headers, problems };
}
