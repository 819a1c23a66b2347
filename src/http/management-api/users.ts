import type { Devices } from '../../domain/devices.ts';
import type { Operations } from '../../domain/operations.ts';
import { IDENTIFIER_KINDS, type IdentifierKind, type User } from '../../domain/user.ts';
import type { Users } from '../../domain/users.ts';
import type { Clock } from '../../support/clock.ts';
import type { Answer } from '../idempotency.ts';
import { invalidRequest } from '../problem.ts';
import { etagOf, JSON_TYPES, type ManagementRoute, PATCH_TYPES } from './call.ts';
import { deviceDocument, newUserOf, userDocument, userPatchOf } from './documents.ts';
import { type Paging, pageQuery } from './paging.ts';

export interface UserRoutesDeps {
  users: Users;
  devices: Pick<Devices, 'ofUser'>;
  operations: Pick<Operations, 'liftLimits'>;
  paging: Paging;
  clock: Clock;
}

const tag = 'users';
const etag = { etag: 'The version, for `If-Match`.' };
const aUser = { description: 'The user.', schema: 'User', headers: etag };
const noUser = { 404: 'No such user.' };

const found = (user: User): Answer => ({ status: 200, headers: { etag: etagOf(user) }, body: userDocument(user) });

export function userRoutes({ users, devices, operations, paging, clock }: UserRoutesDeps): ManagementRoute[] {
  return [
    {
      method: 'POST',
      path: '/users',
      operationId: 'createUser',
      summary: 'Create a user',
      tag,
      scope: 'users:write',
      creates: true,
      body: { schema: 'NewUser', types: JSON_TYPES, required: false },
      responses: { 201: { ...aUser, headers: { ...etag, location: 'Where the user is found.' } } },
      problems: { 409: 'Another user has one of these identifiers; `invalid_params` names it.' },
      async handle({ body, by }) {
        const user = await users.create(newUserOf(body, clock()), by);
        return {
          ...found(user),
          status: 201,
          headers: { etag: etagOf(user), location: `/management/v1/users/${user.id}` },
        };
      },
    },
    {
      method: 'GET',
      path: '/users',
      operationId: 'listUsers',
      summary: 'List users, or find one by an identifier',
      description: 'With one of the identifiers as a parameter: the user who has it, or an empty list.',
      tag,
      scope: 'users:read',
      query: { ...pageQuery, ...identifierQuery() },
      responses: { 200: { description: 'A page of users.', schema: 'UserList' } },
      async handle({ query }) {
        const identifier = identifierOf(query);
        if (!identifier)
          return {
            status: 200,
            body: paging.listDocument('users', await users.list(paging.pageOf('users', query)), userDocument),
          };
        const user = await users.find(...identifier);
        return { status: 200, body: paging.listDocument('users', { items: user ? [user] : [] }, userDocument) };
      },
    },
    {
      method: 'GET',
      path: '/users/{id}',
      operationId: 'getUser',
      summary: 'Get a user with all attributes',
      tag,
      scope: 'users:read',
      responses: { 200: aUser },
      problems: noUser,
      handle: async ({ params }) => found(await users.get(params.id!)),
    },
    {
      method: 'PATCH',
      path: '/users/{id}',
      operationId: 'updateUser',
      summary: 'Change a user',
      description: 'A JSON merge patch (RFC 7396): null removes, what is not named stays.',
      tag,
      scope: 'users:write',
      conditional: true,
      body: { schema: 'UserPatch', types: PATCH_TYPES, required: false },
      responses: { 200: aUser },
      problems: { ...noUser, 409: 'Another user has one of these identifiers.' },
      handle: async ({ params, body, by, expectedVersion }) =>
        found(await users.update(params.id!, userPatchOf(body, clock()), by, expectedVersion)),
    },
    {
      method: 'GET',
      path: '/users/{id}/attributes',
      operationId: 'getUserAttributes',
      summary: "Get a user's attributes",
      tag,
      scope: 'users:read',
      responses: { 200: { description: 'All attributes.', schema: 'Attributes', headers: etag } },
      problems: noUser,
      handle: async ({ params }) => attributesOf(await users.get(params.id!)),
    },
    {
      method: 'PATCH',
      path: '/users/{id}/attributes',
      operationId: 'updateUserAttributes',
      summary: "Add, change and remove a user's attributes",
      description: 'Null removes an attribute; those not named stay.',
      tag,
      scope: 'users:write',
      conditional: true,
      body: { schema: 'AttributesPatch', types: PATCH_TYPES, required: false },
      responses: { 200: { description: 'All attributes after the change.', schema: 'Attributes', headers: etag } },
      problems: noUser,
      handle: async ({ params, body, by, expectedVersion }) =>
        attributesOf(await users.update(params.id!, userPatchOf({ attributes: body }, clock()), by, expectedVersion)),
    },
    ...stateRoutes(users),
    {
      method: 'DELETE',
      path: '/users/{id}/limits',
      operationId: 'liftUserLimits',
      summary: 'Let clients ask a user again',
      description:
        'Forgets what keeps clients from asking: the block after `not_me`, the waiting time after requests that were denied or not answered, and how often they have asked. Repeating it changes nothing.',
      tag,
      scope: 'users:write',
      query: {
        client_id: { type: 'string', minLength: 1, maxLength: 256, description: 'Only of this client.' },
      },
      responses: { 204: { description: 'Nothing keeps them, or this client, from it.' } },
      problems: noUser,
      async handle({ params, query, by }) {
        const { id: userId } = await users.get(params.id!);
        const clientId = query['client_id'] as string | undefined;
        await operations.liftLimits({ userId, ...(clientId !== undefined && { clientId }), by });
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: '/users/{id}/devices',
      operationId: 'listUserDevices',
      summary: "List a user's devices",
      tag,
      scope: 'devices:read',
      responses: { 200: { description: 'All devices, oldest first; a single page.', schema: 'DeviceList' } },
      problems: noUser,
      async handle({ params }) {
        const { id } = await users.get(params.id!);
        return {
          status: 200,
          body: paging.listDocument('devices', { items: await devices.ofUser(id) }, deviceDocument),
        };
      },
    },
  ];
}

const stateChanges = [
  ['lock', 'lockUser', 'Lock a user', 'Nothing can be started, approved or redeemed until it is unlocked.'],
  ['unlock', 'unlockUser', 'Unlock a user', 'Devices and their PINs work as before.'],
  ['deactivate', 'deactivateUser', 'Deactivate a user', 'Final. Pending operations are cancelled.'],
] as const;

function stateRoutes(users: Users): ManagementRoute[] {
  return stateChanges.map(
    ([verb, operationId, summary, description]): ManagementRoute => ({
      method: 'POST',
      path: `/users/{id}/${verb}`,
      operationId,
      summary,
      description: `${description} Repeating it changes nothing.`,
      tag,
      scope: 'users:write',
      responses: { 200: aUser },
      problems: verb === 'deactivate' ? noUser : { ...noUser, 409: 'The user is deactivated.' },
      handle: async ({ params, by }) => found(await users[verb](params.id!, by)),
    }),
  );
}

function attributesOf(user: User): Answer {
  return { status: 200, headers: { etag: etagOf(user) }, body: user.attributes };
}

function identifierQuery(): NonNullable<ManagementRoute['query']> {
  const parameter = (kind: IdentifierKind) => ({
    type: 'string',
    minLength: 1,
    maxLength: 256,
    description: `Only the user with this ${kind}.`,
  });
  return Object.fromEntries(IDENTIFIER_KINDS.map((kind) => [kind, parameter(kind)]));
}

/** @throws DomainError invalid_request: two identifiers could be two people */
function identifierOf(query: Record<string, unknown>): [IdentifierKind, string] | undefined {
  const [first, second] = IDENTIFIER_KINDS.filter((kind) => query[kind] !== undefined);
  if (second) throw invalidRequest([{ name: second, reason: `cannot stand beside ${first}` }]);
  return first && [first, query[first] as string];
}
