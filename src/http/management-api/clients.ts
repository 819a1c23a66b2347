import type { Clients, Metadata, Shown } from '../../domain/clients.ts';
import type { NotificationLog } from '../../domain/notification-log.ts';
import { notificationKeysOf, notificationSecret } from '../../domain/notification-secrets.ts';
import type { Secrets } from '../../support/secrets.ts';
import type { Answer } from '../idempotency.ts';
import { etagOf, JSON_TYPES, type ManagementRoute, PATCH_TYPES } from './call.ts';
import { deliveryDocument } from './documents.ts';
import { type Paging, pageQuery } from './paging.ts';

export interface ClientRoutesDeps {
  clients: Clients;
  deliveries: Pick<NotificationLog, 'ofClient'>;
  paging: Paging;
  secrets: Pick<Secrets, 'hmac'>;
}

const tag = 'clients';
const etag = { etag: 'The version, for `If-Match`.' };
const aClient = { description: 'The client, with its defaults filled in.', schema: 'Client', headers: etag };
const noClient = { 404: 'No such client.' };
const notOurs = { ...noClient, 409: 'The client belongs to the configuration.' };

export function clientRoutes({ clients, deliveries, paging, secrets }: ClientRoutesDeps): ManagementRoute[] {
  return [
    {
      method: 'POST',
      path: '/clients',
      operationId: 'createClient',
      summary: 'Register a client',
      description:
        'RFC 7591 metadata and members of ours. A secret is made where the client needs one, and shown this once.',
      tag,
      scope: 'clients:write',
      creates: true,
      body: { schema: 'ClientMetadata', types: JSON_TYPES, required: true },
      responses: { 201: { ...aClient, headers: { ...etag, location: 'Where the client is found.' } } },
      problems: { 409: 'Another client has, or had, this client_id.' },
      async handle({ body, by }) {
        const shown = await clients.create(body as Metadata, by);
        const location = `/management/v1/clients/${encodeURIComponent(shown.client.id)}`;
        return { status: 201, headers: { etag: etagOf(shown.client), location }, body: clientDocument(shown) };
      },
    },
    {
      method: 'GET',
      path: '/clients',
      operationId: 'listClients',
      summary: 'List clients',
      description: 'Those of the configuration first.',
      tag,
      scope: 'clients:read',
      query: pageQuery,
      responses: { 200: { description: 'A page of clients.', schema: 'ClientList' } },
      async handle({ query }) {
        const page = await clients.list(paging.pageOf('clients', query));
        return { status: 200, body: paging.listDocument('clients', page, (client) => clientDocument({ client })) };
      },
    },
    {
      method: 'GET',
      path: '/clients/{id}',
      operationId: 'getClient',
      summary: 'Get a client',
      tag,
      scope: 'clients:read',
      responses: { 200: aClient },
      problems: noClient,
      handle: async ({ params }) => found({ client: await clients.get(params.id!) }),
    },
    {
      method: 'GET',
      path: '/clients/{id}/deliveries',
      operationId: 'listClientDeliveries',
      summary: 'List what a client was told',
      description: 'Every attempt to ping or push, newest first, as long as `retention` of the configuration says.',
      tag,
      scope: 'clients:read',
      query: pageQuery,
      responses: { 200: { description: 'A page of attempts.', schema: 'DeliveryList' } },
      problems: noClient,
      async handle({ params, query }) {
        const { id } = await clients.get(params.id!);
        const list = `deliveries of ${id}`;
        const page = await deliveries.ofClient(id, paging.pageOf(list, query));
        return { status: 200, body: paging.listDocument(list, page, deliveryDocument) };
      },
    },
    {
      method: 'PUT',
      path: '/clients/{id}',
      operationId: 'replaceClient',
      summary: 'Replace all metadata of a client',
      description: 'What is left out gets its default. Secrets stay; one is made where it is needed now and was not.',
      tag,
      scope: 'clients:write',
      conditional: true,
      body: { schema: 'ClientMetadata', types: JSON_TYPES, required: true },
      responses: { 200: aClient },
      problems: notOurs,
      handle: async ({ params, body, by, expectedVersion }) =>
        found(await clients.replace(params.id!, body as Metadata, by, expectedVersion)),
    },
    {
      method: 'PATCH',
      path: '/clients/{id}',
      operationId: 'updateClient',
      summary: 'Change a client',
      description: 'A JSON merge patch (RFC 7396) of its first level: null removes, what is not named stays.',
      tag,
      scope: 'clients:write',
      conditional: true,
      body: { schema: 'ClientPatch', types: PATCH_TYPES, required: false },
      responses: { 200: aClient },
      problems: notOurs,
      handle: async ({ params, body, by, expectedVersion }) =>
        found(await clients.patch(params.id!, body as Metadata, by, expectedVersion)),
    },
    {
      method: 'POST',
      path: '/clients/{id}/secret',
      operationId: 'rotateClientSecret',
      summary: 'Make a new secret',
      description:
        'Shown this once. The former one is accepted for `overlap_seconds` more, so that nothing fails meanwhile.',
      tag,
      scope: 'clients:write',
      body: { schema: 'SecretRotation', types: JSON_TYPES, required: false },
      responses: { 200: aClient },
      problems: { ...noClient, 409: 'The client has no secret, or belongs to the configuration.' },
      async handle({ params, body, by }) {
        const { overlap_seconds: overlapSeconds = 0 } = body as { overlap_seconds?: number };
        return found(await clients.rotateSecret(params.id!, { overlapSeconds }, by));
      },
    },
    {
      method: 'GET',
      path: '/clients/{id}/notification-secrets',
      operationId: 'getNotificationSecrets',
      summary: 'Get the secrets that sign pings and pushes to a client',
      description:
        'For its receiver (Standard Webhooks). One for each name in `assent_notification_keys`; another name is another secret.',
      tag,
      // whoever may make secrets may see them
      scope: 'clients:write',
      responses: { 200: { description: 'The secrets, newest first.', schema: 'NotificationSecretList' } },
      problems: noClient,
      async handle({ params }) {
        const { id, metadata } = await clients.get(params.id!);
        const items = notificationKeysOf(metadata).map((name) => ({
          name,
          secret: notificationSecret(secrets, id, name),
        }));
        return { status: 200, body: { items, next_cursor: null } };
      },
    },
    ...(['activate', 'deactivate'] as const).map(
      (verb): ManagementRoute => ({
        method: 'POST',
        path: `/clients/{id}/${verb}`,
        operationId: `${verb}Client`,
        summary: verb === 'activate' ? 'Switch a client on' : 'Switch a client off',
        description:
          verb === 'activate'
            ? 'It can do again what it could before; what has expired meanwhile stays so.'
            : 'Within a second it gets nothing anymore, also of what it has started, and its tokens count for nothing.',
        tag,
        scope: 'clients:write',
        responses: { 200: aClient },
        problems: notOurs,
        handle: async ({ params, by }) =>
          found({ client: await clients.setActive(params.id!, verb === 'activate', by) }),
      }),
    ),
    {
      method: 'DELETE',
      path: '/clients/{id}',
      operationId: 'removeClient',
      summary: 'Remove a client',
      description: 'Final. Its client_id is never given to another.',
      tag,
      scope: 'clients:write',
      responses: { 204: { description: 'It is gone.' } },
      problems: notOurs,
      async handle({ params, by }) {
        await clients.remove(params.id!, by);
        return { status: 204 };
      },
    },
  ];
}

function found(shown: Shown): Answer {
  return { status: 200, headers: { etag: etagOf(shown.client) }, body: clientDocument(shown) };
}

/** RFC 7591 section 3.2.1, and what only this API tells. */
function clientDocument({ client, secret }: Shown) {
  const { id, metadata, source, secrets, createdAt, updatedAt } = client;
  return {
    ...metadata,
    client_id: id,
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
    ...(createdAt !== undefined && { client_id_issued_at: Math.floor(createdAt / 1000) }),
    assent_source: source,
    assent_secrets: secrets.map(({ createdAt: made, until }) => ({
      created_at: new Date(made).toISOString(),
      expires_at: until === undefined ? null : new Date(until).toISOString(),
    })),
    assent_updated_at: updatedAt === undefined ? null : new Date(updatedAt).toISOString(),
  };
}
