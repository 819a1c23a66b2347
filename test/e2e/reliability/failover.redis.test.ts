import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedisWithSentinel } from '../../support/redis.ts';
import { newClientKey } from '../../support/reliability/clients.ts';
import { deploy } from '../../support/reliability/deployment.ts';
import type { TestServer } from '../../support/server.ts';
import { requireSystem } from '../../support/system.ts';

const ASSERTIONS = 20;
const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

requireSystem('redis-server')('two servers, when their Redis is replaced by its replica', () => {
  test('TH-10 a client assertion is accepted once in all, before, during and after', async () => {
    await using sentinel = await startRedisWithSentinel();
    const key = await newClientKey('kiosk');
    // what was acknowledged is on the replica
    const config = { redis: { waitReplicas: 1, commandTimeoutMs: 500 } };
    await using deployment = await deploy('redis', { store: sentinel.url, config, moreClients: [key.metadata] });
    const { servers } = deployment;
    const discovery = await fetch(`${servers[0]!.issuer}/.well-known/openid-configuration`);
    const { issuer } = (await discovery.json()) as { issuer: string };
    const newAssertion = () => key.assertion(issuer, randomUUID());
    const accepted = new Map<string, number>();
    async function present(assertion: string, at: TestServer): Promise<number> {
      const body = new URLSearchParams({ client_assertion_type, client_assertion: assertion, token: 'none' });
      const { status } = await fetch(`${at.issuer}/oauth/introspect`, { method: 'POST', body });
      accepted.set(assertion, (accepted.get(assertion) ?? 0) + (status === 200 ? 1 : 0));
      return status;
    }
    /** At both servers, twice at each, at the same moment. */
    const everywhere = async (assertion: string) =>
      (await Promise.all([...servers, ...servers].map((server) => present(assertion, server)))).sort();

    for (let i = 0; i < ASSERTIONS; i++) {
      expect(await everywhere(await newAssertion())).toEqual([200, 401, 401, 401]);
    }
    let isOver = false;
    const meanwhile = (async () => {
      while (!isOver) {
        for (const status of await everywhere(await newAssertion())) expect([200, 401, 503]).toContain(status);
      }
    })();
    // as soon as there is a new master it has a replica again; Sentinel and Redis would take their time
    await sentinel.replica.command('config', 'set', 'repl-diskless-sync-delay', '0');
    await sentinel.failover();
    await sentinel.master.command('replicaof', '127.0.0.1', String(sentinel.replica.port));
    for (const server of servers) while ((await present(await newAssertion(), server)) !== 200) await sleep(20);
    isOver = true;
    await meanwhile;
    for (const assertion of [...accepted.keys()]) await everywhere(assertion);
    const times = [...accepted.values()];
    console.log(`${times.length} assertions, ${times.length - ASSERTIONS} of them from the failover on`);
    expect(times.filter((count) => count > 1)).toEqual([]);
    expect(times.slice(0, ASSERTIONS)).toEqual(Array.from({ length: ASSERTIONS }, () => 1));
  }, 90_000);
});
