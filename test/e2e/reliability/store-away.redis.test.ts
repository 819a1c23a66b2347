import { setTimeout as sleep } from 'node:timers/promises';
import { checkHistory } from '../../support/reliability/checker.ts';
import { createVirtualClient, type VirtualClient } from '../../support/reliability/clients.ts';
import { type Deployment, deploy } from '../../support/reliability/deployment.ts';
import { createHistory, type History, now } from '../../support/reliability/history.ts';
import { createPhone, type VirtualPhone } from '../../support/reliability/phones.ts';
import { requireSystem } from '../../support/system.ts';

requireSystem('redis-server')('Redis is away', () => {
  let history: History;
  let deployment: Deployment;
  let client: VirtualClient;
  let phone: VirtualPhone;

  beforeAll(async () => {
    history = createHistory();
    deployment = await deploy('redis', { history, config: { redis: { commandTimeoutMs: 500 } } });
    client = createVirtualClient(deployment, history, 'shop');
    phone = await createPhone(deployment, history, 'patient');
  }, 60_000);
  afterAll(async () => deployment?.[Symbol.asyncDispose]());

  const faults = {
    'killed (connections refused)': {
      begin: () => deployment.redis!.kill(),
      end: () => deployment.redis!.restart(),
    },
    'stopped (connections hang)': {
      begin: async () => void process.kill(deployment.redis!.pid(), 'SIGSTOP'),
      end: async () => void process.kill(deployment.redis!.pid(), 'SIGCONT'),
    },
  };

  test.each(Object.entries(faults))(
    'T-19 %s: 503 with Retry-After, keys and liveness go on, and all is well when it is back',
    async (_, { begin, end }) => {
      const before = (await client.start(phone.user))!;
      const view = await phone.view(before.name);
      const decided = (await client.start(phone.user))!;
      expect(await phone.decide(decided.name, 'approve')).toEqual({ outcome: 'acknowledged' });

      const from = now();
      await begin();
      try {
        const [started, polled, decision] = await Promise.all([
          client.call('/bc-authorize', { scope: 'openid', login_hint: phone.user }),
          client.poll(decided),
          phone.decide(before.name, 'deny', view),
        ]);
        for (const { status, headers } of [started, polled])
          expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
        expect(decision).toMatchObject({ outcome: 'unknown' });
        for (const { issuer } of deployment.servers) {
          expect((await fetch(`${issuer}/health/live`)).status).toBe(200);
          expect((await fetch(`${issuer}/health/ready`)).status).toBe(503);
          expect((await fetch(`${issuer}/.well-known/jwks.json`)).status).toBe(200);
        }
      } finally {
        await end();
      }
      for (const { issuer } of deployment.servers) while (!(await fetch(`${issuer}/health/ready`)).ok) await sleep(20);
      history.append({ kind: 'outage', from, until: now() });

      expect((await client.poll(decided)).status).toBe(200);
      expect(await phone.decide(before.name, 'deny', view)).toEqual({ outcome: 'acknowledged' });
      expect((await client.poll(before)).body['error']).toBe('access_denied');
      const afterwards = (await client.start(phone.user))!;
      expect(await phone.decide(afterwards.name, 'approve')).toEqual({ outcome: 'acknowledged' });
      expect((await client.poll(afterwards)).status).toBe(200);
    },
    60_000,
  );

  test('IV-10 through all of that nothing hung, and nothing was answered with another 5xx than 503', () => {
    expect(checkHistory(history.events).filter(({ what }) => !what.startsWith('nobody looked'))).toEqual([]);
  });
});
