/** `assent client …`: OAuth clients from a terminal, over the management API. */
import { createManagementClient, type ManagementClient } from '../support/management-client.ts';
import { usage } from './errors.ts';
import type { ManagementOptions } from './people-commands.ts';
import type { Run } from './run.ts';
import { managementOf } from './settings.ts';
import { fields, table } from './text.ts';

interface ManagementOAuthClient {
  client_id: string;
  client_name?: string;
  client_secret?: string;
  grant_types?: string[];
  token_endpoint_auth_method?: string;
  backchannel_token_delivery_mode?: string;
  assent_active?: boolean;
  assent_source: 'configuration' | 'registered';
}

const ciba = 'urn:openid:params:grant-type:ciba';

async function open({ terminal }: Run, options: ManagementOptions): Promise<ManagementClient> {
  return createManagementClient(await managementOf(options, terminal.env));
}

const pathOf = (id: string) => `/clients/${encodeURIComponent(id)}`;

export async function createClientCommand(
  run: Run,
  name: string,
  { metadata, ...options }: ManagementOptions & { metadata?: string },
): Promise<void> {
  const body = {
    client_name: name,
    grant_types: [ciba, 'refresh_token'],
    backchannel_token_delivery_mode: 'poll',
    ...(metadata !== undefined && parsed(metadata)),
  };
  const client = await (await open(run, options)).call<ManagementOAuthClient>('/clients', { body });
  run.result(client, [...lines(client), ...secretLine(client)]);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // told below
  }
  throw usage('metadata_invalid', 'The metadata are no JSON object.', {
    advice: `Write --metadata '{"assent_match":"choose"}'. Nothing was changed.`,
  });
}

export async function listClientsCommand(run: Run, options: ManagementOptions): Promise<void> {
  const items = await (await open(run, options)).list<ManagementOAuthClient>('/clients');
  const rows = items.map((client) => ({
    client_id: client.client_id,
    name: client.client_name,
    authenticates: client.token_endpoint_auth_method,
    learns_by: client.backchannel_token_delivery_mode,
    active: client.assent_active === false ? 'no' : 'yes',
    from: client.assent_source,
  }));
  run.result({ items }, rows.length === 0 ? ['There are no clients.'] : table(rows));
}

export async function showClientCommand(run: Run, id: string, options: ManagementOptions): Promise<void> {
  const client = await (await open(run, options)).call<ManagementOAuthClient>(pathOf(id));
  run.result(client, [JSON.stringify(client, null, 2)]);
}

export async function rotateSecretCommand(
  run: Run,
  id: string,
  { overlap = 0, ...options }: ManagementOptions & { overlap?: number },
): Promise<void> {
  const body = { overlap_seconds: overlap };
  const client = await (await open(run, options)).call<ManagementOAuthClient>(`${pathOf(id)}/secret`, { body });
  run.result(client, [
    ...secretLine(client),
    overlap > 0 ? `The former one is accepted for ${overlap} s more.` : 'The former one is not accepted anymore.',
  ]);
}

export async function notificationSecretsCommand(run: Run, id: string, options: ManagementOptions): Promise<void> {
  const path = `${pathOf(id)}/notification-secrets`;
  type Answer = { items: { name: string; secret: string }[] };
  const { items } = await (await open(run, options)).call<Answer>(path);
  const none = [
    'Notifications to it are not signed.',
    `  Name a key in its metadata: "assent_notification_keys": ["2026-11"]`,
  ];
  run.result({ items }, items.length === 0 ? none : table(items));
}

export async function switchClientCommand(
  run: Run,
  change: 'activate' | 'deactivate',
  id: string,
  options: ManagementOptions,
): Promise<void> {
  const management = await open(run, options);
  const client = await management.call<ManagementOAuthClient>(`${pathOf(id)}/${change}`, { method: 'POST' });
  run.result(client, [`Client ${id} is switched ${change === 'activate' ? 'on' : 'off'}.`]);
}

function lines({ client_id, client_name, token_endpoint_auth_method }: ManagementOAuthClient): string[] {
  return fields({ client_id, name: client_name, authenticates: token_endpoint_auth_method });
}

function secretLine({ client_secret }: ManagementOAuthClient): string[] {
  return client_secret === undefined ? [] : [`Its secret, shown this once: ${client_secret}`];
}
