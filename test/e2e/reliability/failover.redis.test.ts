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
  test('TH-10 a client assertion is accepted once in all, before and after', async () => {
    await using sentinel = await startRedisWithSentinel();
    const key = await newClientKey('kiosk');
    await using deployment = await deploy('redis', { store: sentinel.url, moreClients: [key.metadata] });
    const { servers } = deployment;
    const present = async (assertion: string, { issuer }: TestServer) => {
      const body = new URLSearchParams({ client_assertion_type, client_assertion: assertion, token: 'none' });
      return (await fetch(`${issuer}/oauth/introspect`, { method: 'POST', body })).status;
    };
    /** At both servers, twice at each, at the same moment. */
    const everywhere = (assertion: string) =>
      Promise.all([...servers, ...servers].map((server) => present(assertion, server)));
    const discovery = await fetch(`${servers[0]!.issuer}/.well-known/openid-configuration`);
    const { issuer } = (await discovery.json()) as { issuer: string };
    const newAssertion = () => key.assertion(issuer, randomUUID());

    const assertions = await Promise.all(Array.from({ length: ASSERTIONS }, newAssertion));
    for (const assertion of assertions) expect((await everywhere(assertion)).sort()).toEqual([200, 401, 401, 401]);
    await sentinel.replicated();
    await sentinel.failover();
    for (const server of servers) while ((await present(await newAssertion(), server)) !== 200) await sleep(20);
    for (const assertion of assertions) expect(await everywhere(assertion)).toEqual([401, 401, 401, 401]);
    expect((await everywhere(await newAssertion())).sort()).toEqual([200, 401, 401, 401]);
  }, 90_000);
});
