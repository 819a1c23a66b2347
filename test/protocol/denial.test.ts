import { randomUUID } from 'node:crypto';
import type { EndReason } from '../../src/domain/operation.ts';
import { decideOf } from '../conformance/scenes.ts';
import { aDecision } from '../support/records.ts';
import { type Alice, aClient, protocolForEach, withAlice } from './scene.ts';

describe('why there are no tokens', () => {
  const scene = protocolForEach({ clients: [aClient('helpdesk')] });
  let alice: Alice;
  beforeEach(async () => void (alice = await withAlice(scene)));
  const asked = async () => (await scene.client('helpdesk').authenticate()).body.auth_req_id as string;
  const told = async (id: string) => {
    const { status, body } = await scene.client('helpdesk').poll(id);
    expect([status, body.error]).toEqual([400, 'access_denied']);
    return body.error_description;
  };
  const deny = async (id: string, reason?: 'not_me' | 'incorrect_data' | 'cancelled') => {
    const operation = (await scene.store.operations.get(scene.operationIdOf(id)))!;
    const user = (await scene.store.users.get(alice.user.id))!;
    const now = scene.clock.now();
    const decision = aDecision(alice.device, { approved: false, decidedAt: now, ...(reason && { reason }) });
    const outcome = await scene.store.operations.decide(
      decideOf({ user, device: alice.device, operation }, { decision, now }),
    );
    expect(outcome.result).toBe('decided');
  };

  test.each([
    [undefined, 'The request was denied.'],
    ['not_me', 'The user did not start this request.'],
    ['incorrect_data', 'The user says that something in the request is not right.'],
    ['cancelled', 'The user changed their mind.'],
  ] as const)('T-06 T-14 the reason of a denial reaches the client, every time: %s', async (reason, text) => {
    const id = await asked();
    await deny(id, reason);
    expect([await told(id), await told(id)]).toEqual([text, text]);
  });

  test('so does that of an end that was nobody’s decision', async () => {
    const superseded = await asked();
    const cancelled = await asked();
    await scene.client('helpdesk').cancel(cancelled);
    const failed = await asked();
    const { device } = alice;
    await scene.store.operations.failAttempt({
      operationId: scene.operationIdOf(failed),
      deviceId: device.id,
      now: scene.clock.now(),
      failOperation: true,
      receipt: { deviceId: device.id, jti: randomUUID(), jwsHash: 'x', outcome: '{}', until: scene.clock.now() + 1 },
      events: [],
      outbox: [],
    });
    const reasons: EndReason[] = [];
    for (const id of [superseded, cancelled, failed])
      reasons.push((await scene.store.operations.get(scene.operationIdOf(id)))!.endReason!);
    expect(reasons).toEqual(['superseded', 'cancelled_by_client', 'attempts']);
    expect([await told(superseded), await told(cancelled), await told(failed)]).toEqual([
      'A newer request took the place of this one.',
      'The client cancelled the request.',
      'The answer could not be verified, and no tries are left.',
    ]);
  });
});
