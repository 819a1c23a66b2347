import type { OpenedPinProof, PinProofs } from '../../domain/pin-proofs.ts';
import { JSON_TYPES, type ManagementRoute } from './call.ts';

/** What docs/device-protocol.md, section 9, says about verifying is about this document. */
export function pinProofRoutes({ pinProofs }: { pinProofs: PinProofs }): ManagementRoute[] {
  return [
    {
      method: 'POST',
      path: '/operations/{id}/pin-proof',
      operationId: 'openPinProof',
      summary: 'Open the PIN proof of an approval, for a dispute',
      description:
        'Only where `device.pin.proofRetention` kept it. Who opened it and why is in the audit trail before it is answered; each call is one event. With a copy of the device it lets every PIN be tried: give it to nobody who could have one.',
      tag: 'operations',
      scope: 'pin-proofs:open',
      body: { schema: 'PinProofReason', types: JSON_TYPES, required: true },
      responses: { 200: { description: 'The proof, and what it is verified with.', schema: 'PinProof' } },
      problems: { 404: 'No PIN proof was kept for such an operation, or it is gone.' },
      async handle({ params, body, by }) {
        const { reason } = body as { reason: string };
        const opened = await pinProofs.open({ operationId: params.id!, reason }, by);
        return { status: 200, body: pinProofDocument(opened) };
      },
    },
  ];
}

function pinProofDocument({ operationId, evidence, decision, proof, key }: OpenedPinProof) {
  return { operation_id: operationId, evidence, decision, pin_proof: proof, pin_key: key };
}
