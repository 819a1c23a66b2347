import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { exchange } from '../../support/http.ts';
import { startBalancer } from '../../support/reliability/balancer.ts';
import { checkHistory } from '../../support/reliability/checker.ts';
import { createVirtualClient } from '../../support/reliability/clients.ts';
import { deploy } from '../../support/reliability/deployment.ts';
import { createHistory } from '../../support/reliability/history.ts';
import { settle, startLoad } from '../../support/reliability/load.ts';
import { createPhones } from '../../support/reliability/phones.ts';
import { seededRandom } from '../../support/reliability/random.ts';
import { requireSystem } from '../../support/system.ts';

const ROUNDS = 2;
const PAIRS = 4;

requireSystem('redis-server')('two servers on one Redis behind a balancer', () => {
  test(`RL-20 each is restarted in turn, ${ROUNDS} times, while people sign in: with one retry nobody meets an error, and nothing is lost, also when the next version has expanded the store`, async () => {
    const random = seededRandom();
    const history = createHistory();
    await using deployment = await deploy('redis', { history });
    await using balancer = await startBalancer(deployment.servers.map(({ issuer }) => issuer));
    const front = { ...deployment, next: () => ({ ...deployment.servers[0]!, issuer: balancer.url }) };
    let retries = 0;
    /** As a good client sends: a start has a key, and what ended without an answer is sent once more, the same again. */
    const send: typeof exchange = async (url, asked) => {
      const key = { 'idempotency-key': randomUUID() };
      const call = url.endsWith('/bc-authorize') ? { ...asked, headers: { ...asked.headers, ...key } } : asked;
      return exchange(url, call).catch(() => {
        retries += 1;
        return exchange(url, { ...call, isNewConnection: true });
      });
    };
    const fetchOfPhones: typeof fetch = async (input, init) => {
      const { pathname } = new URL(String(input));
      const headers = Object.fromEntries(new Headers(init?.headers));
      const body = String(init?.body ?? '');
      const answer = await send(`${balancer.url}${pathname}`, { method: init?.method ?? 'GET', headers, body });
      const type = { 'content-type': answer.headers.get('content-type') ?? '' };
      return new Response(await answer.text(), { status: answer.status, headers: type });
    };
    const names = Array.from({ length: PAIRS }, (_, i) => `person-${i}`);
    const phones = await createPhones(front, history, names, { fetch: fetchOfPhones });
    const client = createVirtualClient(front, history, 'shop', { send });
    const stranger = createVirtualClient(front, history, 'bank', { send });
    const pairs = phones.map((phone) => ({ phone, client, stranger }));

    const marker = (...value: string[]) =>
      deployment.redis!.command(value.length > 0 ? 'set' : 'get', 'assent:{00}:schema', ...value);
    const version = Number.parseInt(await marker(), 10);
    /** As the next version says that this one may go on, and start. */
    const expanded = `${version + 1} readable by ${version}`;
    const load = startLoad(pairs, random);
    const perRestart: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      if (round === ROUNDS - 1) await marker(expanded);
      for (const server of deployment.servers) {
        const before = load.started.length;
        await sleep(random.below(200));
        expect(await server.stop()).toBe(0);
        // the other one has them all for a while
        const alone = load.started.length;
        while (load.started.length < alone + PAIRS) await sleep(10);
        await server.restart();
        perRestart.push(load.started.length - before);
      }
    }
    await load.stop();
    await settle(load, pairs);

    expect(await marker()).toBe(expanded);
    const { events } = history;
    const errors = events.filter((event) => event.kind === 'call' && (event.lost || (event.status ?? 0) >= 500));
    const unanswered = events.filter((event) => event.kind === 'decided' && event.outcome === 'unknown');
    console.log(`seed ${random.seed}: ${load.started.length} requests (${perRestart.join(', ')}), ${retries} retries`);
    expect({ errors, unanswered, violations: checkHistory(events) }).toEqual({
      errors: [],
      unanswered: [],
      violations: [],
    });
  }, 180_000);
});
