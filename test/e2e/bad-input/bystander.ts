import { setTimeout as sleep } from 'node:timers/promises';
import { beginEnrollment, memoryStorage } from '../../../src/device-sdk/index.ts';
import { ciba, type Life, possession } from './life.ts';

export interface Flows {
  done: number;
  errors: string[];
}

/** A good client and a good phone, who sign in again and again while others misbehave. */
export async function goodClient({ api, oauth, phone: options }: Life): Promise<{ stop(): Promise<Flows> }> {
  const user = (await api('POST', '/users', { username: 'bystander' })).body;
  const ticket = (await api('POST', `/users/${user['id']}/enrollment-tickets`)).body;
  const enrollment = await beginEnrollment(memoryStorage(), ticket['ticket_uri'], options);
  const phone = await enrollment.finish({ device: { name: 'Bystander' }, pin: '582916' });
  const flows: Flows = { done: 0, errors: [] };
  let isOver = false;

  async function signIn(): Promise<void> {
    const asked = await oauth(
      '/bc-authorize',
      { scope: 'openid', login_hint: 'bystander', acr_values: possession },
      'other',
    );
    if (asked.status !== 200) throw new Error(`start: ${asked.status} ${asked.body['error']}`);
    const { operations } = await phone.inbox();
    for (const { op } of operations) await phone.decide(await phone.present(op), { decision: 'approve' });
    const poll = { grant_type: ciba, auth_req_id: asked.body['auth_req_id'] };
    const answer = await oauth('/oauth/token', poll, 'other');
    if (answer.status !== 200) throw new Error(`redeem: ${answer.status} ${answer.body['error']}`);
    flows.done += 1;
  }

  const working = (async () => {
    while (!isOver) {
      await signIn().catch((error: unknown) => flows.errors.push(String(error)));
      await sleep(50);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await working;
      return flows;
    },
  };
}
