/** Architecture, section 5, through HTTP: one block for each promise that the server keeps by itself. Once for each store. */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, type DeviceError } from '../../../src/device-sdk/index.ts';
import { checkHistory } from '../../support/reliability/checker.ts';
import { createVirtualClient, type Request, type VirtualClient } from '../../support/reliability/clients.ts';
import { inParallel } from '../../support/reliability/concurrency.ts';
import { type Deployment, deploy, type StoreKind } from '../../support/reliability/deployment.ts';
import { createHistory, type History, now } from '../../support/reliability/history.ts';
import { createPhone, createPhones, manage, type VirtualPhone } from '../../support/reliability/phones.ts';
import type { TestServer } from '../../support/server.ts';

/** The default of `device.pin.maxFailures`. */
const MAX_WRONG_PINS = 3;
const pin = '493817';
const acknowledged = { outcome: 'acknowledged' };

export function promises(kind: StoreKind): void {
  let history: History;
  let deployment: Deployment;
  let client: VirtualClient;
  let alice: VirtualPhone;
  let forgotten: Request;

  beforeAll(async () => {
    history = createHistory();
    deployment = await deploy(kind, { history });
    client = createVirtualClient(deployment, history, 'shop');
    alice = await createPhone(deployment, history, 'alice-in-doubt');
    // nobody answers this one: it has run out when the last promise asks for it
    forgotten = (await client.start(alice.user, { requested_expiry: '10' }))!;
  }, 60_000);
  afterAll(async () => deployment?.[Symbol.asyncDispose]());

  const newPhone = (name: string, options = {}) => createPhone(deployment, history, `${name}-${kind}`, options);
  const answerTo = async (request: Request) => {
    const { status, body } = await client.poll(request);
    return status === 200 ? 'tokens' : String(body['error']);
  };
  /** As a client does: again after a moment while the answer may still change, or none arrives. */
  const settledAnswer = async (request: Request) => {
    for (let i = 0; i < 50; i++) {
      const { status, body } = await client.poll(request);
      if (status === 200) return 'tokens';
      if (status === 400 && body['error'] !== 'authorization_pending') return String(body['error']);
      await sleep(100);
    }
    return 'authorization_pending';
  };
  /** A poll that stays out of the history: the checker does not know that what was stopped may go on. */
  const redeem = ({ authReqId }: Request) =>
    client.call('/oauth/token', { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId });
  const crashAll = () => Promise.all(deployment.servers.map((server) => deployment.crash(server)));

  describe('promise 1: an acknowledged request is found by every later poll', () => {
    test('IV-01 also after kill -9 of every server and restart, and it lies in the inbox of the phone', async () => {
      const phones = await createPhones(deployment, history, [`one-${kind}`, `two-${kind}`]);
      const requests = await inParallel(Array.from({ length: 20 }), 8, (_, i) => client.start(phones[i % 2]!.user));
      await crashAll();
      expect(await inParallel(requests, 8, (request) => answerTo(request!))).toEqual(
        requests.map(() => 'authorization_pending'),
      );
      expect((await phones[0]!.list()).length + (await phones[1]!.list()).length).toBe(20);
      expect(await phones[0]!.decide(requests[0]!.name, 'approve')).toEqual(acknowledged);
      expect(await answerTo(requests[0]!)).toBe('tokens');
    });
  });

  describe('promise 2: at most one decision', () => {
    test.each(['approve', 'deny'] as const)(
      '%s stands: again is the same, the opposite comes too late',
      async (first) => {
        const request = (await client.start(alice.user))!;
        const opposite = first === 'approve' ? 'deny' : 'approve';
        expect(await alice.decide(request.name, first)).toEqual(acknowledged);
        expect(await alice.decide(request.name, first)).toEqual(acknowledged);
        expect(await alice.decide(request.name, opposite)).toEqual({ outcome: 'refused', code: 'operation_decided' });
        expect(history.events.filter(({ kind: k }) => k === 'call').at(-1)).toMatchObject({ status: 409 });
        expect(await answerTo(request)).toBe(first === 'approve' ? 'tokens' : 'access_denied');
      },
    );
  });

  describe('promise 3: one token set for an approval', () => {
    test('IV-03 a client that hangs up while it is answered gets the same set later, or hears that it is over', async () => {
      const outcomes = await inParallel(Array.from({ length: 20 }), 1, async () => {
        const request = (await client.start(alice.user))!;
        expect(await alice.decide(request.name, 'approve')).toEqual(acknowledged);
        await hangUpAfterAsking(deployment.next(), history, client, request);
        const outcome = await settledAnswer(request);
        // another server may be asked before the first one has noted that the answer left
        expect(await settledAnswer(request)).toBe('invalid_grant');
        return outcome;
      });
      expect(outcomes).toContain('tokens');
      expect(new Set(outcomes).difference(new Set(['tokens', 'invalid_grant']))).toEqual(new Set());
    });

    test('a repeat after the delivery is invalid_grant, and the tokens in use stay valid', async () => {
      const request = (await client.start(alice.user))!;
      await alice.decide(request.name, 'approve');
      const { body } = await client.poll(request);
      expect(await settledAnswer(request)).toBe('invalid_grant');
      const token = { token: String(body['access_token']) };
      expect((await client.call('/oauth/introspect', token)).body).toMatchObject({ active: true });
    });

    test('IV-07 a token that was revoked is refused by every server, also after kill -9 at once after the answer', async () => {
      const request = (await client.start(alice.user))!;
      await alice.decide(request.name, 'approve');
      const { body } = await client.poll(request);
      const token = { token: String(body['access_token']) };
      expect((await client.call('/oauth/revoke', token)).status).toBe(200);
      const answers = () => inParallel(deployment.servers, 1, () => client.call('/oauth/introspect', token));
      for (const answer of await answers()) expect(answer.body).toEqual({ active: false });
      await crashAll();
      for (const answer of await answers()) expect(answer.body).toEqual({ active: false });
    });
  });

  describe('promise 4: no acknowledged decision is lost', () => {
    const requestsDecided = async () => {
      const phones = await createPhones(
        deployment,
        history,
        Array.from({ length: 4 }, (_, i) => newName(`decider-${i}`)),
      );
      return inParallel(Array.from({ length: 20 }), phones.length, async (_, lane) => {
        const request = (await client.start(phones[lane]!.user))!;
        const decision = Math.random() < 0.5 ? 'approve' : 'deny';
        expect(await phones[lane]!.decide(request.name, decision)).toEqual(acknowledged);
        return { request, expected: decision === 'approve' ? 'tokens' : 'access_denied' };
      });
    };

    test('by kill -9 of the servers at once after the answers', async () => {
      const decided = await requestsDecided();
      await crashAll();
      const answers = await inParallel(decided, 8, ({ request }) => settledAnswer(request));
      expect(answers).toEqual(decided.map(({ expected }) => expected));
    });

    if (kind === 'redis')
      test('by kill -9 of Redis at once after the answers', async () => {
        const decided = await requestsDecided();
        await crashStore(deployment, history);
        const answers = await inParallel(decided, 8, ({ request }) => settledAnswer(request));
        expect(answers).toEqual(decided.map(({ expected }) => expected));
      });
  });

  describe('promise 5: what is locked or switched off stops a request at every step', () => {
    const cases = [
      { what: 'users', verb: 'lock', undo: 'unlock', atStart: 'unknown_user_id', atDecision: 'device_locked' },
      {
        what: 'users',
        verb: 'deactivate',
        undo: undefined,
        atStart: 'unknown_user_id',
        atDecision: 'device_deactivated',
      },
      { what: 'devices', verb: 'lock', undo: 'unlock', atStart: 'access_denied', atDecision: 'device_locked' },
      {
        what: 'devices',
        verb: 'deactivate',
        undo: undefined,
        atStart: 'access_denied',
        atDecision: 'device_deactivated',
      },
    ] as const;

    test.each(cases)('TH-06 $what: $verb', async ({ what, verb, undo, atStart, atDecision }) => {
      const phone = await newPhone(`${what}-${verb}`);
      const id = what === 'users' ? phone.userId : phone.device.deviceId;
      const approved = (await client.start(phone.user))!;
      expect(await phone.decide(approved.name, 'approve')).toEqual(acknowledged);
      const open = (await client.start(phone.user))!;
      const view = await phone.view(open.name);

      await manage(deployment, 'POST', `/${what}/${id}/${verb}`);
      for (const { name } of [approved, open]) history.append({ kind: 'stopped', request: name, at: now() });
      // at every server, whichever took the call
      for (const at of deployment.servers) {
        const refusedStart = await client.call(
          '/bc-authorize',
          { scope: 'openid', login_hint: phone.user, acr_values: 'urn:assent:acr:possession' },
          { at },
        );
        expect(refusedStart.body['error']).toBe(atStart);
        expect((await client.poll(approved, at)).body['error']).toBe('access_denied');
      }
      for (const _ of deployment.servers) {
        // each call goes to the next server
        expect(await phone.decide(open.name, 'approve', view)).toEqual({ outcome: 'refused', code: atDecision });
      }
      // whoever is deactivated has nothing left that waits
      const waits = verb === 'deactivate' && what === 'users' ? 'access_denied' : 'authorization_pending';
      expect(await answerTo(open)).toBe(waits);

      if (undo === undefined) return;
      await manage(deployment, 'POST', `/${what}/${id}/${undo}`);
      // nothing was used up meanwhile
      expect((await redeem(approved)).status).toBe(200);
    });

    test('the client, switched off by the operator while the servers run', async () => {
      const made = await manage(deployment, 'POST', '/clients', {
        client_name: 'Prizes',
        grant_types: ['urn:openid:params:grant-type:ciba'],
        backchannel_token_delivery_mode: 'poll',
      });
      const id = String(made['client_id']);
      const fraud = createVirtualClient(deployment, history, id, { secret: String(made['client_secret']) });
      const phone = await newPhone('defrauded');
      const open = (await fraud.start(phone.user))!;
      const view = await phone.view(open.name);
      expect(view).toBeDefined();

      await manage(deployment, 'POST', `/clients/${id}/deactivate`);
      history.append({ kind: 'stopped', request: open.name, at: now() });
      await sleep(1_100); // within a second, in every process
      for (const at of deployment.servers) {
        expect((await fraud.poll(open, at)).body['error']).toBe('invalid_client');
        // each call goes to the next server
        const { operations } = await phone.device.inbox();
        expect(operations).toEqual([]);
      }
      for (const _ of deployment.servers) {
        const refused = { outcome: 'refused', code: 'operation_cancelled' };
        expect(await phone.decide(open.name, 'approve', view)).toEqual(refused);
      }
      expect(await phone.decide(open.name, 'deny', view)).toEqual(acknowledged);
    });

    test.each<{ what: string; change: Record<string, object>; atDecision: string }>([
      { what: 'client', change: { clients: { assent_active: false } }, atDecision: 'operation_cancelled' },
      { what: 'application', change: { applications: { active: false } }, atDecision: 'device_locked' },
    ])(
      'the $what, switched off in the configuration',
      async ({ what, change, atDecision }) => {
        const phone = await newPhone(`off-${what}`);
        const approved = (await client.start(phone.user))!;
        await phone.decide(approved.name, 'approve');
        const open = (await client.start(phone.user))!;
        const view = await phone.view(open.name);
        for (const { name } of [approved, open]) history.append({ kind: 'stopped', request: name, at: now() });

        const restore = deployment.servers.map((server) => changeMembers(server, change));
        await crashAll();
        try {
          const { body } = await client.call('/bc-authorize', { scope: 'openid', login_hint: phone.user });
          expect(body['error']).toBe(what === 'client' ? 'invalid_client' : 'access_denied');
          expect((await redeem(approved)).body['error']).toBe(what === 'client' ? 'invalid_client' : 'access_denied');
          expect(await phone.decide(open.name, 'approve', view)).toEqual({ outcome: 'refused', code: atDecision });
        } finally {
          for (const back of restore) back();
          await crashAll();
        }
        expect((await redeem(approved)).status).toBe(200);
      },
      60_000,
    );
  });

  describe('promise 6: failed attempts are counted before they are checked', () => {
    test(`kill -9 after each gives none back: ${MAX_WRONG_PINS} wrong PINs lock the device`, async () => {
      const phone = await newPhone('guesser', { pin });
      const outcomes: string[] = [];
      for (let guess = 0; guess < MAX_WRONG_PINS; guess++) {
        // a new request each time: its own tries are not what runs out
        const request = (await client.start(phone.user, { acr_values: 'urn:assent:acr:two-factor' }))!;
        const view = (await phone.view(request.name))!;
        const answer = { decision: 'approve', pin: String(100_019 + guess * 7919) } as const;
        const error = await phone.device.decide(view, answer).catch((reason: unknown) => reason as DeviceError);
        outcomes.push(`${codeOf(error)} ${(error as DeviceError).members['attempts_left']}`);
        await (guess % 2 === 1 && kind === 'redis' ? crashStore(deployment, history) : crashAll());
      }
      expect(outcomes).toEqual(['attempt_failed 2', 'attempt_failed 1', 'attempt_failed 0']);
      const locked = await manage(deployment, 'GET', `/devices/${phone.device.deviceId}`);
      expect(locked).toMatchObject({ state: 'locked', lock_reason: 'attempts' });
    }, 60_000);
  });

  describe('promise 10: what is over stays recognisable', () => {
    test('expired, denied and redeemed requests answer the same again and again, on every server, after a restart too', async () => {
      const denied = (await client.start(alice.user))!;
      await alice.decide(denied.name, 'deny');
      const redeemed = (await client.start(alice.user))!;
      await alice.decide(redeemed.name, 'approve');
      expect(await settledAnswer(redeemed)).toBe('tokens');
      expect(await settledAnswer(redeemed)).toBe('invalid_grant');
      const expiresAt = history.events.find((event) => event.kind === 'started' && event.request === forgotten.name);
      await sleep(Math.max(0, (expiresAt as { expiresAt: number }).expiresAt - now() + 50));

      const expected = ['expired_token', 'access_denied', 'invalid_grant'];
      const ask = async (at: TestServer) =>
        Promise.all(
          [forgotten, denied, redeemed].map(async (request) => (await client.poll(request, at)).body['error']),
        );
      for (const server of [...deployment.servers, ...deployment.servers]) expect(await ask(server)).toEqual(expected);
      await crashAll();
      for (const server of deployment.servers) expect(await ask(server)).toEqual(expected);
      expect((await alice.decide(forgotten.name, 'approve')).outcome).not.toBe('acknowledged');
    });
  });

  test('the history of all that breaks no invariant', () => {
    // every request that was only looked at in passing has not been polled after the last fault
    const found = checkHistory(history.events).filter(
      ({ what }) => what !== 'nobody looked for it after the last fault',
    );
    expect(found).toEqual([]);
  });

  let names = 0;
  function newName(name: string): string {
    return `${name}-${names++}`;
  }
}

/** kill -9 of the store itself; the servers stay, and find it again. */
async function crashStore({ redis, servers }: Deployment, history: History): Promise<void> {
  const from = now();
  await redis!.kill();
  await redis!.restart();
  for (const { issuer } of servers) while (!(await fetch(`${issuer}/health/ready`)).ok) await sleep(50);
  history.append({ kind: 'outage', from, until: now() });
}

/** Sends the poll and resets the connection: the answer can be made, and has nowhere to go. */
async function hangUpAfterAsking(
  { issuer, secretOf }: TestServer,
  history: History,
  client: VirtualClient,
  { name, authReqId }: Request,
): Promise<void> {
  const sentAt = now();
  const body = new URLSearchParams({
    grant_type: 'urn:openid:params:grant-type:ciba',
    auth_req_id: authReqId,
  }).toString();
  const { port } = new URL(issuer);
  const socket = connect(Number(port), 'localhost');
  await new Promise((resolve) => socket.once('connect', resolve));
  const head = [
    'POST /oauth/token HTTP/1.1',
    `Host: localhost:${port}`,
    `Authorization: Basic ${Buffer.from(`${client.id}:${secretOf(client.id)}`).toString('base64')}`,
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
  ].join('\r\n');
  await new Promise((resolve) => socket.write(`${head}\r\n\r\n${body}`, resolve));
  await sleep(Math.random() * 4);
  socket.resetAndDestroy();
  history.append({ kind: 'polled', request: name, client: client.id, sentAt, endedAt: now(), answer: 'lost' });
}

/** Members over those of every entry of a list in the server's configuration file. @returns what takes it back */
function changeMembers({ configFile }: TestServer, change: Record<string, object>): () => void {
  const before = readFileSync(configFile, 'utf8');
  const config = JSON.parse(before) as Record<string, object[]>;
  for (const [list, members] of Object.entries(change))
    config[list] = config[list]!.map((entry) => ({ ...entry, ...members }));
  writeFileSync(configFile, JSON.stringify(config));
  return () => writeFileSync(configFile, before);
}
