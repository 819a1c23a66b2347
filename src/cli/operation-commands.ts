/** `assent operation …`: what was asked of people, over the management API. */
import { createManagementClient } from '../support/management-client.ts';
import type { ManagementOptions } from './people-commands.ts';
import type { Run } from './run.ts';
import { managementOf } from './settings.ts';
import { fields } from './text.ts';

interface PinProof {
  operation_id: string;
  evidence: string;
  decision: string;
  pin_proof: string;
  pin_key: Record<string, string>;
}

interface Operation {
  operation_id: string;
  kind: string;
  state: string;
  client_id: string;
  user: { id: string };
  device: { id: string } | null;
  method_used: string | null;
  acr: string | null;
  amr: string[] | null;
  deny_reason: string | null;
  end_reason: string | null;
  created_at: string;
  finished_at: string | null;
}

export async function showOperationCommand(run: Run, id: string, options: ManagementOptions): Promise<void> {
  const management = createManagementClient(await managementOf(options, run.terminal.env));
  const operation = await management.call<Operation>(`/operations/${encodeURIComponent(id)}`);
  const { operation_id, user, device, client_id, method_used, acr, amr, deny_reason, end_reason, ...rest } = operation;
  run.result(
    operation,
    fields({
      operation: operation_id,
      kind: rest.kind,
      state: rest.state,
      'asked by': client_id,
      user: user.id,
      device: device?.id,
      method: method_used,
      acr,
      amr: amr?.join(' '),
      because: deny_reason ?? end_reason,
      started: rest.created_at,
      ended: rest.finished_at,
    }),
  );
}

export async function pinProofCommand(
  run: Run,
  id: string,
  { reason, ...options }: ManagementOptions & { reason: string },
): Promise<void> {
  const management = createManagementClient(await managementOf(options, run.terminal.env));
  const path = `/operations/${encodeURIComponent(id)}/pin-proof`;
  const opened = await management.call<PinProof>(path, { body: { reason } });
  const { operation_id, evidence, decision, pin_proof, pin_key } = opened;
  run.result(opened, [
    'Whoever has this and a copy of the device can try every PIN. That you opened it is in the audit trail.',
    ...fields({ operation: operation_id, evidence, decision, 'PIN proof': pin_proof, 'PIN key': pin_key }),
    'How to verify it: docs/device-protocol.md, section 9.',
  ]);
}
