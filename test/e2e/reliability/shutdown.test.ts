import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { createVirtualClient, type VirtualClient } from '../../support/reliability/clients.ts';
import { inParallel } from '../../support/reliability/concurrency.ts';
import { type Deployment, deploy } from '../../support/reliability/deployment.ts';
import { createHistory, type History, now } from '../../support/reliability/history.ts';
import { createPhone } from '../../support/reliability/phones.ts';
import { seededRandom } from '../../support/reliability/random.ts';
import type { TestServer } from '../../support/server.ts';

const ROUNDS = 3;
const IN_FLIGHT = 64;

describe('SIGTERM', () => {
  let history: History;
  let deployment: Deployment;
  let server: TestServer;
  let client: VirtualClient;

  beforeAll(async () => {
    history = createHistory();
    deployment = await deploy('embedded', { history });
    server = deployment.servers[0]!;
    client = createVirtualClient(deployment, history, 'shop');
  }, 60_000);
  afterAll(async () => deployment?.[Symbol.asyncDispose]());

  test(`under load, ${ROUNDS} times with ${IN_FLIGHT} requests in flight: none of them fails, status 0, nothing is lost`, async () => {
    const random = seededRandom();
    const phone = await createPhone(deployment, history, 'loaded');
    const acknowledged: string[] = [];
    let counted = 0;
    for (let round = 0; round < ROUNDS; round++) {
      let isOn = true;
      const calls: Sent[] = [];
      const agents = Array.from({ length: IN_FLIGHT }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
      const lanes = agents.map(async (agent) => {
        while (isOn) calls.push(await startOn(agent, server, phone.user));
      });
      // each has its connection then; one that is only being made cannot be told from one that came too late
      await until(() => calls.length > 3 * IN_FLIGHT);
      await sleep(random.below(100));
      const told = now();
      const stopping = server.stop();
      await sleep(50);
      isOn = false;
      await Promise.all(lanes);
      expect(await stopping).toBe(0);
      for (const agent of agents) agent.destroy();

      const inFlight = calls.filter(({ isReused, sentAt, endedAt }) => isReused && sentAt < told && endedAt > told);
      expect(inFlight.filter(({ status }) => status !== 200)).toEqual([]);
      counted += inFlight.length;
      acknowledged.push(...calls.flatMap(({ authReqId }) => authReqId ?? []));
      expect(server.output()).not.toContain('http.drain.cut');
      await server.restart();
    }
    expect(counted).toBeGreaterThan(ROUNDS);
    const answers = await inParallel(acknowledged, 16, (authReqId) => client.poll({ name: authReqId, authReqId }));
    expect(new Set(answers.map(({ body }) => body['error']))).toEqual(new Set(['authorization_pending']));
  }, 120_000);

  test('a request that is half sent is read to its end and answered, with Connection: close', async () => {
    const { port } = new URL(server.issuer);
    const body = 'scope=openid&login_hint=nobody';
    const credentials = Buffer.from(`shop:${server.secretOf('shop')}`).toString('base64');
    const headers = {
      authorization: `Basic ${credentials}`,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': body.length,
    };
    const half = httpRequest({ port, host: 'localhost', method: 'POST', path: '/bc-authorize', headers });
    const answered = once(half, 'response');
    half.write(body.slice(0, 10));
    await until(() => half.socket?.connecting === false);
    await sleep(50);
    const stopping = server.stop();
    await until(() => server.output().includes('"process.stopping"'));
    half.end(body.slice(10));
    const [response] = await answered;
    expect([response.statusCode, response.headers.connection]).toEqual([400, 'close']);
    response.resume();
    expect(await stopping).toBe(0);
    expect(server.output()).not.toContain('http.drain.cut');
    await server.restart();
  }, 60_000);

  test('event streams are told to end, not cut, and phones find the server again', async () => {
    let opened = 0;
    let ended = 0;
    const watching: typeof fetch = async (input, init) => {
      const { pathname } = new URL(String(input));
      const response = await fetch(`${server.issuer}${pathname}`, init);
      if (!pathname.endsWith('/events') || response.status !== 200) return response;
      opened += 1;
      const body = response.body!.pipeThrough(new TransformStream({ flush: () => void (ended += 1) }));
      return new Response(body, { headers: response.headers });
    };
    const phone = await createPhone(deployment, history, 'listener', { fetch: watching });
    const enough = new AbortController();
    const heard: string[] = [];
    const listening = phone.device.events(
      (event) => {
        if (event.event === 'operation') heard.push(event.op);
        if (event.event === 'inbox') heard.push(...event.operations.map(({ op }) => op));
      },
      { signal: enough.signal },
    );
    await until(() => opened === 1);
    expect(await server.stop()).toBe(0);
    expect(ended).toBe(1);
    expect(server.output()).not.toContain('http.drain.cut');
    await server.restart();
    await until(() => opened === 2);
    expect(await client.start(phone.user)).toBeDefined();
    await until(() => heard.length > 0);
    enough.abort();
    await listening;
  }, 60_000);
});

interface Sent {
  /** Handed to the kernel, on a connection that was used before. */
  sentAt: number;
  isReused: boolean;
  endedAt: number;
  status?: number;
  authReqId?: string;
}

/** One start on the agent's own connection. Not with `fetch`: it opens connections when it likes, and does not say so. */
async function startOn(agent: Agent, { issuer, secretOf }: TestServer, user: string): Promise<Sent> {
  const credentials = Buffer.from(`shop:${secretOf('shop')}`).toString('base64');
  const headers = { authorization: `Basic ${credentials}`, 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams({ scope: 'openid', login_hint: user, acr_values: 'urn:assent:acr:possession' });
  const req = httpRequest(`${issuer}/bc-authorize`, { agent, method: 'POST', headers });
  const sent: Sent = { sentAt: Number.POSITIVE_INFINITY, isReused: false, endedAt: 0 };
  req.once('finish', () => {
    sent.sentAt = now();
    sent.isReused = req.reusedSocket;
  });
  try {
    const [response] = (await once(req.end(body.toString()), 'response')) as [IncomingMessage];
    const answer = (await json(response)) as { auth_req_id?: string };
    return {
      ...sent,
      endedAt: now(),
      status: response.statusCode!,
      ...(answer.auth_req_id !== undefined && { authReqId: answer.auth_req_id }),
    };
  } catch {
    await sleep(5);
    return { ...sent, endedAt: now() };
  }
}

/** Longer than this is broken, not slow. */
const patienceMs = 20_000;

async function until(isSo: () => boolean): Promise<void> {
  for (const deadline = now() + patienceMs; !isSo(); await sleep(10))
    if (now() > deadline) throw new Error(`it did not happen: ${isSo}`);
}
