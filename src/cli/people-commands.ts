/** `assent user …`, `assent device list|lock|…`, `assent ticket`: the management API from a terminal. */

import {
  createManagementClient,
  type ManagementClient,
  type ManagementDevice,
  type ManagementTicket,
  type ManagementTicketStatus,
  type ManagementUser,
} from '../support/management-client.ts';
import { assent } from './command-name.ts';
import { usage } from './errors.ts';
import type { Run } from './run.ts';
import { managementOf } from './settings.ts';
import { duration, fields, table } from './text.ts';

export interface ManagementOptions {
  managementUrl?: string;
  key?: string;
}

export interface NewUserOptions extends ManagementOptions {
  name?: string;
  email?: string;
  phone?: string;
  externalRef?: string;
  language?: string;
  attribute?: string[];
}

async function open({ terminal }: Run, options: ManagementOptions): Promise<ManagementClient> {
  return createManagementClient(await managementOf(options, terminal.env));
}

export async function createUserCommand(run: Run, username: string, options: NewUserOptions) {
  const management = await open(run, options);
  const { name, email, phone, externalRef: external_ref, language, attribute } = options;
  const attributes = attribute && attributesOf(attribute);
  const body = { username, name, email, phone, external_ref, language, attributes };
  const user = await management.call<ManagementUser>('/users', { body });
  run.result(user, [...userLines(user), `Enroll a device of theirs: ${assent} ticket ${user.username}`]);
}

function attributesOf(pairs: string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
      throw usage('attribute_invalid', `"${pair}" is no attribute.`, {
        advice: 'Write --attribute name=value. Nothing was changed.',
      });
    }),
  );
}

export async function showUserCommand(run: Run, named: string, options: ManagementOptions) {
  const management = await open(run, options);
  const user = await find(management, named);
  const devices = await devicesOf(management, user);
  const lines = devices.length === 0 ? ['No device.'] : ['', ...table(devices.map(deviceRow))];
  run.result({ ...user, devices }, [...userLines(user), ...lines]);
}

export async function listUsersCommand(run: Run, options: ManagementOptions) {
  const items = await (await open(run, options)).list<ManagementUser>('/users');
  const rows = items.map(({ id, state, username, name, email, phone }) => ({
    id,
    state,
    username,
    name,
    email,
    phone,
  }));
  run.result(
    { items },
    rows.length === 0 ? [`There are no users. Create one: ${assent} user create <name>`] : table(rows),
  );
}

export type StateChange = 'lock' | 'unlock' | 'deactivate';

const done: Record<StateChange, string> = { lock: 'locked', unlock: 'unlocked', deactivate: 'deactivated' };

export async function changeUserCommand(
  run: Run,
  change: StateChange,
  named: string,
  options: ManagementOptions & { yes?: boolean },
) {
  const management = await open(run, options);
  const user = await find(management, named);
  const called = user.username ?? user.id;
  if (change === 'deactivate') await confirm(run, `user ${called}`, called, options);
  const changed = await management.call<ManagementUser>(`/users/${user.id}/${change}`, { method: 'POST' });
  run.result(changed, [`User ${called} is ${done[change]}.`]);
}

export async function liftLimitsCommand(run: Run, named: string, options: ManagementOptions & { client?: string }) {
  const management = await open(run, options);
  const user = await find(management, named);
  const { client } = options;
  const query = client === undefined ? '' : `?client_id=${encodeURIComponent(client)}`;
  await management.call(`/users/${user.id}/limits${query}`, { method: 'DELETE' });
  const whoever = client === undefined ? 'Clients' : `Client ${client}`;
  run.result({ id: user.id, client_id: client ?? null }, [`${whoever} may ask ${user.username ?? user.id} again.`]);
}

export async function listDevicesCommand(run: Run, named: string | undefined, options: ManagementOptions) {
  const management = await open(run, options);
  const items =
    named === undefined
      ? await management.list<ManagementDevice>('/devices')
      : await devicesOf(management, await find(management, named));
  run.result({ items }, items.length === 0 ? ['There are no devices.'] : table(items.map(deviceRow)));
}

export async function changeDeviceCommand(
  run: Run,
  change: StateChange,
  id: string,
  options: ManagementOptions & { yes?: boolean },
) {
  const management = await open(run, options);
  if (change === 'deactivate') await confirm(run, `device ${id}`, id, options);
  const path = `/devices/${encodeURIComponent(id)}/${change}`;
  const changed = await management.call<ManagementDevice>(path, { method: 'POST' });
  run.result(changed, [`Device ${changed.id} is ${done[change]}.`]);
}

export async function ticketCommand(
  run: Run,
  named: string,
  options: ManagementOptions & { application?: string; ttl?: number; after?: string },
) {
  const management = await open(run, options);
  const user = await find(management, named);
  const { application, ttl: ttl_seconds, after } = options;
  const post_context = after === undefined ? undefined : { text: after.replaceAll('\r\n', '\n') };
  const body = { application, ttl_seconds, post_context };
  const ticket = await management.call<ManagementTicket>(`/users/${user.id}/enrollment-tickets`, { body });
  const { operation_id, ticket_uri, activation_code, expires_at, confirm: confirms } = ticket;
  const document = { operation_id, user_id: user.id, ticket_uri, activation_code, expires_at, confirm: confirms };
  const digits = `It will show six digits. Type them here: ${assent} ticket confirm ${user.username ?? user.id} ${operation_id} <digits>`;
  run.result(document, [
    `Whoever opens this can approve as ${user.username ?? user.id}. Give it to nobody else.`,
    ...(run.terminal.showsPictures && !run.json ? await qrLines(ticket_uri) : []),
    ...fields({
      link: ticket_uri,
      'or code': `${activation_code}  (typed, with the user name)`,
      'valid for': duration((Date.parse(expires_at) - Date.now()) / 1000),
    }),
    `On this computer: ${assent} device enroll '${ticket_uri}'`,
    ...(confirms === 'code' ? [digits] : []),
  ]);
}

/** The digits that a new device shows; whoever made its ticket types them. */
export async function confirmTicketCommand(
  run: Run,
  named: string,
  operationId: string,
  typed: string,
  options: ManagementOptions,
) {
  const code = typed.replace(/[\s-]/g, '');
  if (!/^\d{6}$/.test(code)) {
    throw usage('digits_invalid', `"${typed}" is not six digits.`, { advice: 'No try was spent.' });
  }
  const management = await open(run, options);
  const user = await find(management, named);
  const path = `/users/${user.id}/enrollment-tickets/${encodeURIComponent(operationId)}/confirm`;
  const ticket = await management.call<ManagementTicketStatus>(path, { body: { code } });
  run.result(ticket, ['The digits are right. The device will be active in a moment.']);
}

/** A single page, however many they are. */
async function devicesOf(management: ManagementClient, { id }: ManagementUser): Promise<ManagementDevice[]> {
  return (await management.call<{ items: ManagementDevice[] }>(`/users/${id}/devices`)).items;
}

export async function qrLines(text: string): Promise<string[]> {
  const { default: QRCode } = await import('qrcode');
  return ['', ...(await QRCode.toString(text, { type: 'terminal', small: true })).split('\n')];
}

async function find(management: ManagementClient, named: string): Promise<ManagementUser> {
  const user = await management.findUser(named);
  if (user) return user;
  throw usage('user_not_found', `There is no user ${named}.`, {
    advice: `An id, user name, e-mail address, phone number or external reference finds one; see: ${assent} user list`,
  });
}

/** What cannot be undone is asked for by its name. */
async function confirm({ terminal }: Run, what: string, name: string, { yes }: { yes?: boolean }): Promise<void> {
  if (yes) return;
  const kept = 'Nothing was changed.';
  if (!terminal.interactive) {
    throw usage('not_confirmed', `Deactivating ${what} cannot be undone.`, { advice: `Add --yes to do it. ${kept}` });
  }
  terminal.say(`Deactivating ${what} cannot be undone, and cancels what waits for an answer.`);
  if ((await terminal.ask(`Type ${name} to do it: `)) !== name) throw usage('not_confirmed', `Not done. ${kept}`);
}

function userLines(user: ManagementUser): string[] {
  const { attributes, ...members } = user;
  const shown = Object.fromEntries(Object.entries(members).filter(([name]) => name !== 'proofing'));
  return fields({ ...shown, ...(Object.keys(attributes).length > 0 && { attributes }) }, '');
}

function deviceRow({ id, user_id, application, state, lock_reason, methods, name, last_used_at }: ManagementDevice) {
  const locked = lock_reason === null ? state : `${state} (${lock_reason})`;
  return { id, user_id, application, state: locked, methods: methods.join(','), name, last_used_at };
}
