/** `assent key …`: keys of the server and its master keys, over the management API. */
import { createManagementClient } from '../support/management-client.ts';
import type { ManagementOptions } from './people-commands.ts';
import type { Run } from './run.ts';
import { managementOf } from './settings.ts';
import { table } from './text.ts';

export interface RotateOptions extends ManagementOptions {
  use?: string;
  alg?: string;
  immediate?: boolean;
  revoke?: boolean;
}

interface ManagementKey {
  kid: string;
  use: string;
  alg: string;
  state: string;
  activates_at: string | null;
}

export async function rotateKeysCommand(run: Run, options: RotateOptions): Promise<void> {
  const management = createManagementClient(await managementOf(options, run.terminal.env));
  const { use, alg, immediate, revoke } = options;
  const body = { ...(use && { use }), ...(alg && { alg }), ...(immediate && { immediate }), ...(revoke && { revoke }) };
  const { items } = await management.call<{ items: ManagementKey[] }>('/keys/rotate', { body });
  const rows = items
    .filter(({ state }) => state !== 'destroyed')
    .map(({ kid, use, alg, state, activates_at }) => ({ kid, use, alg, state, signs_from: activates_at ?? '' }));
  run.result({ items }, table(rows));
}

interface MasterKeys {
  in_use: string;
  slots: { id: string; created_at: string }[];
  generations: { id: string; created_at: string; seals_from: string }[];
}

export async function showMasterKeysCommand(run: Run, options: ManagementOptions): Promise<void> {
  const management = createManagementClient(await managementOf(options, run.terminal.env));
  show(run, await management.call<MasterKeys>('/keys/master'));
}

export async function rotateMasterKeyCommand(run: Run, options: ManagementOptions): Promise<void> {
  const management = createManagementClient(await managementOf(options, run.terminal.env));
  show(run, await management.call<MasterKeys>('/keys/master/rotate', { method: 'POST' }));
}

export async function forgetMasterKeyCommand(run: Run, id: string, options: ManagementOptions): Promise<void> {
  const management = createManagementClient(await managementOf(options, run.terminal.env));
  show(run, await management.call<MasterKeys>(`/keys/master/slots/${encodeURIComponent(id)}`, { method: 'DELETE' }));
}

function show(run: Run, keys: MasterKeys): void {
  const slots = keys.slots.map(({ id, created_at }) => ({
    master_key: id,
    since: created_at,
    is: id === keys.in_use ? 'in use' : 'former, or to come',
  }));
  const generations = keys.generations.map(({ id, seals_from }) => ({ root: id, seals_from }));
  run.result(keys, [...table(slots), '', ...table(generations)]);
}
