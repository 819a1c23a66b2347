/** `assent key rotate`: the keys of ID tokens, over the management API. */
import { createManagementClient } from '../support/management-client.ts';
import type { ManagementOptions } from './people-commands.ts';
import type { Run } from './run.ts';
import { managementOf } from './settings.ts';
import { table } from './text.ts';

export interface RotateOptions extends ManagementOptions {
  alg?: string;
  immediate?: boolean;
  revoke?: boolean;
}

interface ManagementKey {
  kid: string;
  alg: string;
  state: string;
  activates_at: string | null;
}

export async function rotateKeysCommand(run: Run, options: RotateOptions): Promise<void> {
  const management = createManagementClient(await managementOf(options, run.terminal.env));
  const { alg, immediate, revoke } = options;
  const body = { ...(alg && { alg }), ...(immediate && { immediate }), ...(revoke && { revoke }) };
  const { items } = await management.call<{ items: ManagementKey[] }>('/keys/rotate', { body });
  const rows = items
    .filter(({ state }) => state !== 'destroyed')
    .map(({ kid, alg, state, activates_at }) => ({ kid, alg, state, signs_from: activates_at ?? '' }));
  run.result({ items }, table(rows));
}
