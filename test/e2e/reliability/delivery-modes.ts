/** How clients learn the result, through HTTP and over crashes: long polls, pings, pushes. Called once for each store. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Authority, createAuthority } from '../../support/certificates.ts';
import { freePort } from '../../support/ports.ts';
import { type Received, type Receiver, startReceiver } from '../../support/receiver.ts';
import { checkHistory } from '../../support/reliability/checker.ts';
import { createVirtualClient, type Request, recorded, type VirtualClient } from '../../support/reliability/clients.ts';
import { inParallel } from '../../support/reliability/concurrency.ts';
import { type Deployment, deploy, type StoreKind } from '../../support/reliability/deployment.ts';
import { createHistory, type History, now } from '../../support/reliability/history.ts';
import { createPhones, type VirtualPhone } from '../../support/reliability/phones.ts';
import type { TestServer } from '../../support/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/tmp.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';
const HELD = 40;
const HELD_MS = 25_000;
const OWED = 12;
const PHONES = 8;
const token = 'a-notification-token';

interface Asked {
  request: Request;
  phone: VirtualPhone;
}

export function deliveryModes(kind: StoreKind): void {
  let history: History;
  let folder: TemporaryFolder;
  let authority: Authority;
  let port: number;
  let deployment: Deployment;
  let phones: VirtualPhone[];
  const client = (id: string) => createVirtualClient(deployment, history, id);
  /** Where a request waits, and where it is decided: two processes where there are two. */
  const holder = () => deployment.servers[0]!;
  const other = () => deployment.servers.at(-1)!;

  beforeAll(async () => {
    history = createHistory();
    folder = await temporaryFolder('assent-delivery');
    authority = createAuthority();
    const trusted = join(folder.path, 'trusted.pem');
    await writeFile(trusted, authority.cert);
    port = await freePort();
    const notified = (client_id: string, mode: string) => ({
      client_id,
      client_secret: `${client_id}-secret-of-the-delivery-suite-0123456789`,
      client_name: client_id,
      grant_types: [CIBA, 'refresh_token'],
      backchannel_token_delivery_mode: mode,
      backchannel_client_notification_endpoint: `https://localhost:${port}/${mode}`,
    });
    deployment = await deploy(kind, {
      history,
      moreClients: [notified('pinged', 'ping'), notified('pushed', 'push')],
      env: { NODE_EXTRA_CA_CERTS: trusted },
    });
    phones = await createPhones(
      deployment,
      history,
      Array.from({ length: PHONES }, (_, i) => `person-${i}`),
    );
  }, 60_000);
  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
    await folder?.remove();
  });

  /** A token request that is held by this server. */
  const wait = ({ authReqId }: Pick<Request, 'authReqId'>, at: TestServer) =>
    recorded(history, { what: 'long poll', heldMs: HELD_MS }, () =>
      fetch(`${at.issuer}/oauth/token`, {
        method: 'POST',
        headers: {
          prefer: `wait=${HELD_MS / 1000}`,
          authorization: `Basic ${btoa(`shop:${deployment.servers[0]!.secretOf('shop')}`)}`,
        },
        body: new URLSearchParams({ grant_type: CIBA, auth_req_id: authReqId }),
      }),
    );

  const heldAt = async ({ management }: TestServer) =>
    Number(/^assent_holds (\d+)$/m.exec(await (await fetch(`${management}/metrics`)).text())![1]);

  /** To Redis, of everybody; that of who asks is one in each answer. */
  const connections = async () => (await deployment.redis?.command('client', 'list'))?.split('\n').length;

  /** One request of each of the phones' people, as often as it takes. */
  async function requested(virtual: VirtualClient, count: number, params: Record<string, string> = {}) {
    return inParallel(Array.from({ length: count }), PHONES, async (_, lane) => {
      const phone = phones[lane]!;
      const request = await virtual.start(phone.user, params);
      return { request: request!, phone };
    });
  }

  test(`B01 P-07 ${HELD} requests that wait at one server take no connection to the store, and are answered on decisions taken at another, with one set each`, async () => {
    const shop = client('shop');
    const asked = await requested(shop, HELD);
    const before = await connections();
    const replies = asked.map(({ request }) => wait(request, holder()));
    while ((await heldAt(holder())) < HELD) await sleep(20);
    expect(await connections()).toBe(before);
    const approve = asked.map(async ({ request, phone }, i) => {
      const deny = i % 4 === 3;
      expect(await phone.decide(request.name, deny ? 'deny' : 'approve')).toEqual({ outcome: 'acknowledged' });
    });
    await Promise.all(approve);
    const answers = await Promise.all(replies);
    expect(answers.map(({ status, body }) => body['error'] ?? status)).toEqual(
      asked.map((_, i) => (i % 4 === 3 ? 'access_denied' : 200)),
    );
    const sets = answers.flatMap(({ body }) => body['access_token'] ?? []);
    expect(new Set(sets).size).toBe(HELD - HELD / 4);
    // what was given is given once
    const again = await inParallel(asked, 4, ({ request }) => shop.poll(request, other()));
    expect(new Set(again.map(({ body }) => body['error']))).toEqual(new Set(['invalid_grant', 'access_denied']));
  }, 60_000);

  test('P-07 a second poll, at whatever server, is told to slow down while one waits; cancelling ends both', async () => {
    const shop = client('shop');
    const request = (await requested(shop, 1))[0]!.request;
    const reply = wait(request, holder());
    let second = await shop.poll(request, other());
    // it may have been the first one
    while (second.body['error'] !== 'slow_down') second = await shop.poll(request, other());
    const cancelled = await shop.call(
      '/bc-authorize',
      { auth_req_id: request.authReqId },
      { at: other(), method: 'DELETE' },
    );
    expect(cancelled.status).toBe(204);
    const answer = await reply;
    // where the second one came first, the waiting one was told so itself
    expect(['access_denied', 'slow_down']).toContain(answer.body['error']);
    expect((await shop.poll(request, other())).body['error']).toBe('access_denied');
  }, 60_000);

  test('B01 RL-15 a server that stops answers whom it holds; they go on elsewhere and lose nothing', async () => {
    const shop = client('shop');
    const asked = await requested(shop, 8);
    const replies = asked.map(({ request }) => wait(request, holder()));
    // each of them has arrived once another poll of it is too soon
    for (const { request } of asked) {
      let probe = await shop.poll(request, other());
      while (probe.body['error'] !== 'slow_down') probe = await shop.poll(request, other());
    }
    await holder().stop();
    const answers = await Promise.all(replies);
    for (const { status, body } of answers)
      expect([status, ['authorization_pending', 'slow_down'].includes(String(body['error']))]).toEqual([400, true]);
    await holder().restart();
    await Promise.all(asked.map(({ request, phone }) => phone.decide(request.name, 'approve')));
    const tokens = await inParallel(asked, 4, ({ request }) => shop.poll(request, holder()));
    expect(tokens.map(({ status }) => status)).toEqual(asked.map(() => 200));
  }, 90_000);

  describe('an outage of the receiver, in which every server is killed', () => {
    let pings: Asked[];
    let pushes: Asked[];
    let receiver: Receiver;
    /** Answered with 503: before the outage, and after it. */
    let before: Received[];
    const refused: string[] = [];
    const received = (path: string) => receiver.received.filter((each) => each.path === path);
    const expected = (asked: Asked[]) => asked.map((_, i) => (i % 4 === 3 ? 'access_denied' : 200));

    // one for both: a receiver that is down is left alone for half a minute
    beforeAll(async () => {
      pings = await requested(client('pinged'), OWED, { client_notification_token: token });
      pushes = await requested(client('pushed'), OWED, { client_notification_token: token });
      const failing = await startReceiver({ port, authority, answer: 503 });
      await decideAll(pings);
      before = await failing.until(1);
      await failing.close();
      await decideAll(pushes);
      // of each path, the first ones
      const refusals: Record<string, number> = { '/ping': 1, '/push': 2 };
      receiver = await crashAll(() =>
        startReceiver({
          port,
          authority,
          answer: ({ path, body }, res) => {
            const isRefused = refusals[path]!-- > 0;
            if (isRefused) refused.push(body.auth_req_id);
            res.writeHead(isRefused ? 503 : 204).end();
          },
        }),
      );
      await arrived(receiver, 2 * OWED);
    }, 120_000);
    afterAll(() => receiver?.close());

    test(`B06 promise 7 IV-08 ${OWED} pings are delivered once their receiver is up`, async () => {
      const ids = new Set(pings.map(({ request }) => request.authReqId));
      for (const { text, headers } of received('/ping')) {
        expect(headers.authorization).toBe(`Bearer ${token}`);
        expect(Object.keys(JSON.parse(text))).toEqual(['auth_req_id']);
      }
      expect(new Set(received('/ping').map(({ body }) => body.auth_req_id))).toEqual(ids);
      const answers = await inParallel(pings, 4, ({ request }) => client('pinged').poll(request));
      expect(answers.map(({ status, body }) => body['error'] ?? status)).toEqual(expected(pings));
      const names = new Set(pings.map(({ request }) => request.name));
      expect(checkHistory(history.events.filter((event) => !('request' in event) || names.has(event.request)))).toEqual(
        [],
      );
    }, 120_000);

    test(`X-10 promise 3 so are ${OWED} pushes, with one set each, though two are refused once and the servers are killed again`, async () => {
      const pushed = client('pushed');
      await crashAll(async () => undefined);
      const last = new Map(received('/push').map(({ body }) => [body.auth_req_id, body]));
      expect(pushes.map(({ request }) => last.get(request.authReqId)?.error ?? 200)).toEqual(expected(pushes));
      for (const { request } of pushes) {
        const sets = received('/push').filter(({ body }) => body.auth_req_id === request.authReqId && !body.error);
        expect(new Set(sets.map(({ body }) => body.access_token)).size).toBeLessThanOrEqual(1);
        expect((await pushed.poll(request)).body['error']).toBe('unauthorized_client');
      }
      const tokens = [...last.values()].flatMap(({ access_token }) => access_token ?? []);
      const active = await inParallel(tokens, 4, (each) => pushed.call('/oauth/introspect', { token: each }));
      expect(active.map(({ body }) => body['active'])).toEqual(tokens.map(() => true));
    }, 120_000);

    test('B06 promise 7 what comes again has the id that it had, also where the server was killed in between', async () => {
      const idsOf = (authReqId: string) =>
        [...before, ...receiver.received].flatMap(({ body, headers }) =>
          body.auth_req_id === authReqId ? [headers['webhook-id']] : [],
        );
      expect(refused).toHaveLength(3);
      while (refused.some((authReqId) => idsOf(authReqId).length < 2)) {
        await receiver.until(receiver.received.length + 1);
      }
      const ids = [...pings, ...pushes].map(({ request }) => [...new Set(idsOf(request.authReqId))]);
      expect(ids).toEqual(ids.map(() => [expect.stringMatching(/./)]));
      expect(new Set(ids.flat()).size).toBe(2 * OWED);
    }, 120_000);
  });

  /** The fourth, eighth … are denied. */
  async function decideAll(asked: Asked[]): Promise<void> {
    for (const [i, { request, phone }] of asked.entries()) {
      const decision = i % 4 === 3 ? 'deny' : 'approve';
      expect(await phone.decide(request.name, decision)).toEqual({ outcome: 'acknowledged' });
    }
  }

  /** SIGKILL to all; while none of them runs, something; then all of them again. */
  async function crashAll<T>(meanwhile: () => Promise<T>): Promise<T> {
    const from = now();
    await Promise.all(deployment.servers.map((server) => server.kill()));
    const result = await meanwhile();
    await Promise.all(deployment.servers.map((server) => server.restart()));
    history.append({ kind: 'outage', from, until: now() });
    return result;
  }

  /** So many different requests. */
  async function arrived(receiver: Receiver, count: number): Promise<void> {
    const different = () => new Set(receiver.received.map(({ body }) => body.auth_req_id)).size;
    while (different() < count) await receiver.until(receiver.received.length + 1);
  }
}
