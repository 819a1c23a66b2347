import { randomBytes } from 'node:crypto';
import type { EvaluatedProof } from '../../src/domain/device-messages/index.ts';
import { sealPinKey } from '../../src/domain/pin-keys.ts';
import { createPinProofs, sealPinProof } from '../../src/domain/pin-proofs.ts';
import { newId } from '../../src/support/ids.ts';
import { newEcKey, publicJwkOf } from '../../src/support/jose/index.ts';
import { createRootedSecrets } from '../../src/support/secrets.ts';
import { aDecision, aReceipt } from '../support/records.ts';
import { asked, by, codeOf, sceneForEach } from './scene.ts';

const jwk = publicJwkOf(newEcKey());
const right: EvaluatedProof = { method: 'pin', verified: true, proof: 'the.right.proof' };

describe('the proof of a PIN', () => {
  const scene = sceneForEach();
  const holder = (id: string) => ({
    id,
    keys: { sig: jwk, pin: sealPinKey(scene.secrets, id, { kid: 'the-pin', jwk }) },
  });
  const seal = (operationId: string, proofs: EvaluatedProof[] = [right]) =>
    sealPinProof(scene.secrets, operationId, holder(newId('7f')), proofs);

  /** An approval with this in the place of its proof. */
  async function approvedWith(pinProof: (operationId: string) => string | undefined) {
    const { operation, device } = await asked(scene);
    const now = scene.clock.now();
    const decision = aDecision(device, { decidedAt: now });
    await scene.store.operations.decide({
      ...{ operationId: operation.id, deviceId: device.id, userId: operation.userId, decision, now },
      ...{ clear: [], events: [], outbox: [], receipt: aReceipt(device, { jwsHash: decision.jwsHash }) },
      evidence: { sealed: 'unread', retainUntil: now + 1000, pinProof: pinProof(operation.id) },
    });
    const proofs = createPinProofs({ store: scene.store, secrets: scene.secrets, clock: scene.clock.now });
    const open = () => proofs.open({ operationId: operation.id, reason: 'why' }, by);
    return { operation, open };
  }

  test('is kept only of a right one, with the key that it was verified with', () => {
    const wrong: EvaluatedProof = { ...right, verified: false };
    const others: EvaluatedProof[] = [
      { method: 'biometric', verified: true, proof: 'of a finger' },
      { method: undefined, verified: false, proof: 'of nobody' },
    ];
    for (const proofs of [[], [wrong], others]) expect(seal('7f.operation', proofs)).toBeUndefined();
    const sealed = seal('7f.operation', [...others, right])!;
    const text = scene.secrets.open('pin-proof', sealed, 'pin-proof:7f.operation').toString();
    expect(JSON.parse(text)).toEqual({ proof: right.proof, key: { ...jwk, kid: 'the-pin' } });
  });

  test('does not open for another operation, nor for another purpose, and then nobody is said to have read it', async () => {
    const { operation, open } = await approvedWith(() => seal('7f.another operation'));
    await expect(open()).rejects.toThrow('authenticate');
    const kept = (await scene.store.operations.pinProof(operation.id))!;
    expect(() => scene.secrets.open('evidence', kept, 'pin-proof:7f.another operation')).toThrow();
    const types = (await scene.store.events.ofOperation(operation.id)).map(({ type }) => type);
    expect(types).not.toContain('operation.pin_proof_opened');
  });

  test('is not there where none was kept', async () => {
    const { open } = await approvedWith(() => undefined);
    expect(await codeOf(open())).toBe('pin_proof_not_found');
  });

  test('opens after the root has another generation', () => {
    const roots = [randomBytes(32), randomBytes(32)].map((key, sealsFrom) => ({ key, sealsFrom }));
    const before = createRootedSecrets(roots.slice(0, 1), () => 9);
    const device = { id: '7f', keys: { sig: jwk, pin: sealPinKey(before, '7f', { kid: 'the-pin', jwk }) } };
    const sealed = sealPinProof(before, '7f.operation', device, [right])!;
    const after = createRootedSecrets(roots, () => 9);
    expect(after.open('pin-proof', sealed, 'pin-proof:7f.operation').toString()).toContain(right.proof);
    expect(sealPinProof(after, '7f.operation', device, [right])!.split('.')[0]).not.toBe(sealed.split('.')[0]);
  });
});
