import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { beginEnrollment, memoryStorage, openDevice } from '../../src/device-sdk/index.ts';
import { readDocument } from '../../src/domain/document.ts';
import { openEvidence } from '../../src/domain/evidence.ts';
import { sha256Base64url } from '../../src/support/bytes.ts';
import { type EcPublicJwk, parseJws } from '../../src/support/jose/index.ts';
import { deviceServerForEach, startDeviceServer } from './device-server.ts';
import { enrollRaw, post, postBytes } from './raw-device.ts';

const pin = '483920';

test('a decision is under way until its answer has left, refused or not, so that a ping can go after it', async () => {
  const steps: string[] = [];
  const begin = () => {
    steps.push('begun');
    return () => void steps.push('answered');
  };
  const server = await startDeviceServer({ deciding: { begin, ended: async () => {} } });
  const { operations } = server.scene.store;
  const decide = operations.decide.bind(operations);
  operations.decide = async (decision) => {
    const outcome = await decide(decision);
    steps.push('decided');
    return outcome;
  };
  try {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation } = await server.ask(user);
    const view = await device.present(operation.id);
    expect(steps).toEqual([]);
    await expect(device.decide(view, { decision: 'approve', pin: '000000' })).rejects.toMatchObject({
      code: 'attempt_failed',
    });
    await device.decide(await device.present(operation.id), { decision: 'approve', pin });
    while (steps.length < 5) await new Promise(setImmediate);
    expect(steps).toEqual(['begun', 'answered', 'begun', 'decided', 'answered']);
  } finally {
    await server.close();
  }
});

describe('from a ticket to a decision, by the SDK over HTTP', () => {
  const server = deviceServerForEach();

  test('F014 a ticket makes a new device of a person: shown for whom, then active', async () => {
    const user = await server.alice();
    const { uri, operationId } = await server.ticket(user);
    const enrollment = await beginEnrollment(memoryStorage(), uri, server.sdk);
    expect(enrollment.display).toEqual({
      issuer: server.issuer,
      application: 'Web authenticator',
      masked_user: 'A••• E•••',
    });
    expect(enrollment.policy).toMatchObject({ methods: ['device', 'pin'], pin_length: 6 });
    const [pending] = await server.scene.devices.ofUser(user.id);
    expect(pending).toMatchObject({ state: 'pending' });

    const device = await enrollment.finish({ device: { name: 'Phone', os: 'Test 1' }, pin });
    expect(await server.scene.devices.get(device.deviceId)).toMatchObject({
      state: 'active',
      userId: user.id,
      methods: ['device', 'pin'],
      info: { name: 'Phone', os: 'Test 1' },
    });
    expect(await server.scene.operations.get(operationId)).toMatchObject({ state: 'approved' });
    const types = (await server.scene.store.events.ofUser(user.id, 20)).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['device.redeemed', 'device.enrolled', 'device.activated']));
  });

  test('F041 a device that has not proved its keys is not asked, and may not answer', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user, { pending: true });
    await expect(server.ask(user)).rejects.toMatchObject({ code: 'no_usable_device' });
    expect(await raw.call('inbox')).toMatchObject({ status: 409, code: 'state_conflict' });
    await raw.activate();
    await server.ask(user);
    expect((await raw.call('inbox')).body.operations).toHaveLength(1);
  });

  test('an activation code typed with the user name enrolls as a link does', async () => {
    const user = await server.alice();
    const { activationCode } = await server.ticket(user);
    const source = { authenticatorUrl: server.base, user: 'alice', activationCode };
    const device = await (await beginEnrollment(memoryStorage(), source, server.sdk)).finish({ device: {}, pin });
    expect(await server.scene.devices.get(device.deviceId)).toMatchObject({ state: 'active', userId: user.id });
  });

  test('F051 F057 a person sees who asks for what before approving with a PIN', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation } = await server.ask(user, {
      shown: {
        client: { id: 'demo-helpdesk', name: 'Demo help desk' },
        purpose: 'authentication',
        bindingMessage: 'W4SCT',
        context: { title: 'Call 17', text: 'Verify the caller' },
      },
    });
    expect((await device.inbox()).operations.map(({ op }) => op)).toEqual([operation.id]);
    const view = await device.present(operation.id);
    expect(view).toMatchObject({ client: { name: 'Demo help desk' }, bindingMessage: 'W4SCT' });
    expect(view.context).toEqual({ title: 'Call 17', text: 'Verify the caller' });
    expect(await device.decide(view, { decision: 'approve', pin })).toMatchObject({ state: 'approved' });
    expect((await device.inbox()).operations).toEqual([]);
  });

  test('F047 a level of two factors needs both keys: amr names what was proved, acr follows', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation } = await server.ask(user);
    await device.decide(await device.present(operation.id), { decision: 'approve', pin });
    expect((await server.scene.operations.get(operation.id)).decision).toMatchObject({
      approved: true,
      method: 'pin',
      acr: 'urn:assent:acr:two-factor',
      amr: ['swk', 'pin', 'mfa'],
      deviceId: device.deviceId,
    });

    const low = await server.ask(user, { possessionOnly: true });
    await device.decide(await device.present(low.operation.id), { decision: 'approve' });
    expect((await server.scene.operations.get(low.operation.id)).decision).toMatchObject({
      method: 'device',
      acr: 'urn:assent:acr:possession',
      amr: ['swk'],
    });
  });

  test('F047 neither key alone is enough where two factors are asked', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const { operation } = await server.ask(user);
    const answer = await raw.answerTo(operation.id);
    const byDeviceAlone = { claims: { ...answer, decision: 'approve', method: 'device' } };
    expect(await raw.call('decide', byDeviceAlone)).toMatchObject({ status: 409, code: 'challenge_stale' });
    const byPinAlone = { ...raw.approval(answer), key: raw.pin };
    expect(await raw.call('decide', byPinAlone)).toMatchObject({ status: 401, code: 'device_refused' });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'pending', tries: { used: 0 } });
  });

  test('a denial needs neither PIN nor number and carries its reason', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation } = await server.ask(user, { match: 'choose' });
    const view = await device.present(operation.id);
    expect(await device.decide(view, { decision: 'deny', reason: 'not_me' })).toMatchObject({ state: 'denied' });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({
      state: 'denied',
      endReason: 'not_me',
      decision: { approved: false, reason: 'not_me', amr: ['swk'] },
    });
    expect(await server.scene.devices.get(device.deviceId)).toMatchObject({ failures: { pin: 0, number: 0 } });
  });

  test('S-02 `not_me` is in the audit trail, and that the client is kept from this person for a while', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const events = async () =>
      (await server.scene.store.events.ofUser(user.id, 9)).filter(({ type }) => /denied|blocked/.test(type));
    for (const reason of ['cancelled', 'not_me'] as const) {
      const { operation } = await server.ask(user);
      await device.decide(await device.present(operation.id), { decision: 'deny', reason });
    }
    const until = server.scene.clock.now() + 3_600_000;
    expect(await events()).toMatchObject([
      { type: 'user.client_blocked', clientId: 'demo-helpdesk', data: { until } },
      { type: 'operation.denied', data: { reason: 'not_me' } },
      { type: 'operation.denied', data: { reason: 'cancelled' } },
    ]);
  });

  test('the number of the other screen is chosen on the device', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation, matchCode } = await server.ask(user, { match: 'choose' });
    const view = await device.present(operation.id);
    expect(view.match).toMatchObject({ mode: 'choose' });
    await device.decide(view, { decision: 'approve', pin, match: matchCode! });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'approved' });
  });

  test('a decision leaves evidence that the published keys verify, with what was shown and without the PIN’s proof', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation } = await server.ask(user);
    await device.decide(await device.present(operation.id), { decision: 'approve', pin });
    const sealed = (await server.scene.store.operations.evidence(operation.id))!;
    const evidence = parseJws(openEvidence(server.scene.secrets, operation.id, sealed));
    const { keys } = (await (await fetch(`${server.base}/device/v1/jwks.json`)).json()) as { keys: { kid: string }[] };
    expect(keys.map(({ kid }) => kid)).toContain(evidence.header.kid);
    const claims = JSON.parse(evidence.payload.toString());
    expect(evidence.header.typ).toBe('assent-evidence+jwt');
    expect(claims).toMatchObject({ iss: server.issuer, op: operation.id, sub: user.id, context: 'included' });
    expect(claims).not.toHaveProperty('proofs');
    expect(JSON.parse(parseJws(claims.decision, { allow: ['proofs_sha256'] }).payload.toString())).toMatchObject({
      decision: 'approve',
      challenge_sha256: sha256Base64url(parseJws(claims.challenge).payload),
      ctx_hash: operation.context!.hash,
    });
  });

  test('a document comes to the devices that may answer, so long as they may, and evidence names it whatever the answer', async () => {
    const user = await server.alice();
    const [device, other] = [await server.enroll(user, { pin }), await server.enroll(user)];
    const limits = { maxBytes: 100_000 };
    const content = randomBytes(30_000);
    const given = { title: 'Contract', mime: 'application/pdf' };
    const document = readDocument({ ...given, content: content.toString('base64url') }, limits);
    const external = readDocument({ ...given, content_sha256: document.shown.sha256 }, limits);
    const documentOf = async (op: string) => {
      const sealed = (await server.scene.store.operations.evidence(op))!;
      return JSON.parse(parseJws(openEvidence(server.scene.secrets, op, sealed)).payload.toString()).document;
    };

    const { operation } = await server.ask(user, { document });
    const view = await device.present(operation.id);
    expect(Buffer.from(await device.document(view)).equals(content)).toBe(true);
    // it has no PIN, which the request asks for
    await expect(other.document(view)).rejects.toMatchObject({ code: 'operation_not_found' });
    expect(await device.decide(view, { decision: 'approve', pin })).toMatchObject({ state: 'approved' });
    expect(await documentOf(operation.id)).toEqual(document.shown);
    await expect(device.document(view)).rejects.toMatchObject({ code: 'operation_decided' });

    const { operation: bare } = await server.ask(user, { document: external });
    const bareView = await device.present(bare.id);
    const claimed = { ...bareView, document: { ...document.shown, size: 30_000 } };
    await expect(device.document(claimed)).rejects.toMatchObject({ code: 'document_not_found' });
    await device.decide(bareView, { decision: 'deny' });
    expect(await documentOf(bare.id)).toEqual({ ...given, sha256: document.shown.sha256, display: 'external' });
  });

  test('B12 what an approval granted stands in its evidence; a denial grants nothing', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const details = [{ type: 'payment_initiation', creditorName: 'Flower shop', amount: '12.50' }];
    const decided = async (decision: 'approve' | 'deny') => {
      const { operation } = await server.ask(user, {
        kind: 'authorization',
        shown: {
          client: { id: 'demo-agent', name: 'Demo agent' },
          purpose: 'authorization',
          transaction: { texts: ['Pay 12.50 EUR to Flower shop'], authorization_details: JSON.stringify(details) },
        },
      });
      const view = await device.present(operation.id);
      expect(view.transaction).toMatchObject({ texts: ['Pay 12.50 EUR to Flower shop'] });
      await device.decide(view, decision === 'approve' ? { decision, pin } : { decision });
      const sealed = (await server.scene.store.operations.evidence(operation.id))!;
      return JSON.parse(parseJws(openEvidence(server.scene.secrets, operation.id, sealed)).payload.toString());
    };
    expect(await decided('approve')).toMatchObject({ authorization_details: details });
    expect(await decided('deny')).not.toHaveProperty('authorization_details');
  });

  test('an operation that was presented twice is the same challenge, and presenting writes nothing', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const { operation } = await server.ask(user);
    const before = await server.scene.store.operations.get(operation.id);
    const events = (await server.scene.store.events.ofOperation(operation.id)).length;
    const first = await raw.answerTo(operation.id);
    server.scene.clock.advance(7);
    expect(await raw.answerTo(operation.id)).toEqual(first);
    expect(await server.scene.store.operations.get(operation.id)).toEqual(before);
    expect(await server.scene.store.events.ofOperation(operation.id)).toHaveLength(events);
  });

  test('a device that was taken away by its owner is gone, for good, and the same message says so again', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const message = raw.make('unenroll');
    expect(await raw.post('unenroll', message)).toMatchObject({ status: 200, body: { state: 'deactivated' } });
    expect(await raw.post('unenroll', message)).toMatchObject({ status: 200, body: { state: 'deactivated' } });
    expect(await raw.call('unenroll')).toMatchObject({ status: 403, code: 'device_deactivated' });
    expect(await raw.call('inbox')).toMatchObject({ status: 403, code: 'device_deactivated' });
  });

  test('a device opened again from its storage goes on where it was', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const again = (await openDevice(server.storageOf(device), server.sdk))!;
    expect(await again.status()).toMatchObject({
      device: { id: device.deviceId, state: 'active', methods: ['device', 'pin'] },
    });
  });
});

describe('messages in either form', () => {
  const server = deviceServerForEach();

  test('F030 a proxy that ends TLS sees no text, name, PIN, number or identifier of a person', async () => {
    const user = await server.alice({ email: 'alice@example.test', phone: '+31612345678' });
    const device = await server.enroll(user, { pin, device: { name: 'Telephone of Alice' } });
    const { operation, matchCode } = await server.ask(user, {
      match: 'type6',
      shown: {
        client: { id: 'demo-helpdesk', name: 'Demo help desk' },
        purpose: 'authentication',
        bindingMessage: 'Order 66',
        transaction: { amount: '1250.00', to: 'NL91ABNA0417164300' },
        context: { text: 'Move the money' },
      },
    });
    await device.inbox();
    const view = await device.present(operation.id);
    await expect(
      device.decide(view, { decision: 'approve', pin, match: '000000' === matchCode ? '1' : '000000' }),
    ).rejects.toMatchObject({
      code: 'attempt_failed',
    });
    await device.decide(view, { decision: 'approve', pin, match: matchCode! });
    await device.unenroll();

    const secrets = [
      'alice',
      'Alice',
      'Telephone',
      '+31612345678',
      pin,
      matchCode!,
      'Demo help desk',
      'demo-helpdesk',
      'Order 66',
      '1250.00',
      'NL91ABNA',
      'Move the money',
      operation.id,
      user.id,
      device.deviceId,
      'approve',
      'attempt_failed',
      'attempts_left',
    ];
    const calls = server.exchanges.filter(({ method }) => method === 'POST');
    expect(new Set(calls.map(({ path }) => path.split('/').at(-1)))).toEqual(
      new Set(['redeem', 'enroll', 'status', 'session', 'inbox', 'present', 'decide', 'unenroll']),
    );
    for (const { up, down, headers, path } of calls) {
      const seen = [headers, path, up, down, ...decoded(up), ...decoded(down)].join('\n');
      for (const secret of secrets) expect(seen).not.toContain(secret);
    }
  });

  test('a refusal travels sealed; outside is only its status', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const refused = await raw.call('present', { claims: { op: user.id } });
    expect(refused).toMatchObject({ status: 404, type: 'application/jose', code: 'operation_not_found' });
    expect(refused.body.now).toBe(Math.floor(server.scene.clock.now() / 1000));
  });

  test('a session carries reads and nothing else, as long as it and its device live', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const { body: session } = await raw.call('session');
    expect(session.exp).toBe(Math.floor(server.scene.clock.now() / 1000) + 3600);
    const inSession = (act: string, members = {}) => {
      const iat = Math.floor(server.scene.clock.now() / 1000);
      const request = { iss: raw.id, aud: server.issuer, iat, jti: 'A'.repeat(21) + 'A', act, ...members };
      return post(server, act, { request }, { session });
    };
    expect(await inSession('inbox')).toMatchObject({ status: 200, body: { operations: [] } });
    expect(await inSession('status')).toMatchObject({ status: 200 });
    for (const act of ['session', 'unenroll', 'decide', 'enroll', 'methods', 'rotate', 'tickets']) {
      expect(await inSession(act)).toMatchObject({ status: 400, code: 'message_invalid' });
    }
    expect(await inSession('inbox', { iss: user.id })).toMatchObject({ status: 400, code: 'message_invalid' });
    await server.scene.devices.lock(raw.id, { actor: 'management:test' });
    expect(await inSession('inbox')).toMatchObject({ status: 403, code: 'device_locked' });
    await server.scene.devices.unlock(raw.id, { actor: 'management:test' });
    server.scene.clock.advance(3600);
    expect(await inSession('inbox')).toMatchObject({
      status: 400,
      code: 'unknown_key',
      type: expect.stringContaining('problem+json'),
    });
  });

  test('clocks may differ by two minutes; beyond, the answer tells the time to trust', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const now = Math.floor(server.scene.clock.now() / 1000);
    for (const iat of [now - 120, now + 120])
      expect(await raw.call('inbox', { claims: { iat } })).toMatchObject({ status: 200 });
    for (const iat of [now - 121, now + 121]) {
      const refused = await raw.call('inbox', { claims: { iat } });
      expect(refused).toMatchObject({ status: 400, code: 'clock_skew', body: { now } });
    }
  });

  test('how far a clock may be off is a setting', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const strict = await server.another({ skewSeconds: 10 });
    const iat = Math.floor(server.scene.clock.now() / 1000) - 11;
    expect(await raw.call('inbox', { claims: { iat } })).toMatchObject({ status: 200 });
    expect(await raw.call('inbox', { claims: { iat } }, strict)).toMatchObject({ code: 'clock_skew' });
    strict.server.closeAllConnections();
    strict.server.close();
  });

  test('an SDK whose clock is an hour off asks, enrolls and answers all the same', async () => {
    const user = await server.alice();
    const { uri } = await server.ticket(user);
    const off = { ...server.sdk, now: () => server.scene.clock.now() - 3_600_000 };
    const device = await (await beginEnrollment(memoryStorage(), uri, off)).finish({ device: {}, pin });
    const { operation } = await server.ask(user);
    const view = await device.present(operation.id);
    expect(await device.decide(view, { decision: 'approve', pin })).toMatchObject({ state: 'approved' });
  });

  test('messages to the former box key open until its private half is destroyed; then the SDK fetches the keys', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const device = await server.enroll(user, { pin });
    const { kid, publicJwk } = server.scene.serverKeys.current('box');
    const former = { ...(publicJwk as unknown as EcPublicJwk), kid };
    const days = (count: number) => server.scene.clock.advance(count * 86_400);
    days(7.1);
    await server.scene.serverKeys.maintain();
    expect(server.scene.serverKeys.current('box').kid).not.toBe(kid);
    expect(await raw.call('inbox', {}, { box: former })).toMatchObject({ status: 200 });
    days(2.1);
    await server.scene.serverKeys.maintain();
    expect(await raw.call('inbox', {}, { box: former })).toMatchObject({ status: 400, code: 'unknown_key' });
    expect(await device.inbox()).toMatchObject({ operations: [] });
  });
});

describe('what HTTP itself refuses', () => {
  const server = deviceServerForEach();

  test('an unknown path is 404, a wrong method 405 with Allow, another media type 415', async () => {
    const at = (path: string, init?: RequestInit) => fetch(`${server.base}/device/v1/${path}`, init);
    expect((await at('push', { method: 'POST' })).status).toBe(404);
    expect((await at('nothing')).status).toBe(404);
    const wrong = await at('decide');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await postBytes(server, 'keys', '')).toMatchObject({ status: 405 });
    const json = await postBytes(server, 'inbox', '{}', { type: 'application/json' });
    expect(json).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  test('what cannot be opened is one plain problem, whatever is wrong with it', async () => {
    for (const body of ['', 'x', 'a.b.c.d.e', '{"rk":1}', `${'A'.repeat(80)}....`]) {
      const refused = await postBytes(server, 'inbox', body);
      expect(refused).toMatchObject({
        status: 400,
        code: 'unreadable',
        type: expect.stringContaining('application/problem+json'),
      });
    }
  });

  test('more than 56 KiB is refused with 413, also where no length was announced', async () => {
    expect(await postBytes(server, 'inbox', 'A'.repeat(56 * 1024 + 1))).toMatchObject({ status: 413 });
    expect(await chunked(`${server.base}/device/v1/inbox`, 57 * 1024)).toBe(413);
  });

  test('nothing may be cached, and no other origin gets in', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    for (const path of ['keys', 'jwks.json']) {
      const response = await fetch(`${server.base}/device/v1/${path}`, { headers: { origin: 'https://evil.example' } });
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toContain('no-store');
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
    }
    await raw.call('inbox');
    const preflight = await fetch(`${server.base}/device/v1/inbox`, { method: 'OPTIONS' });
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('enrollment mode `single`', () => {
  const server = deviceServerForEach({ applications: [application('single')] });

  test('F078 F080 by default a second device of the application is refused and the old one keeps working', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    await expect(server.enroll(user, { pin })).rejects.toMatchObject({ code: 'enrollment_conflict', status: 409 });
    const { operation } = await server.ask(user);
    await first.decide(await first.present(operation.id), { decision: 'approve', pin });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'approved' });
  });

  test('F080 of two enrollments under way at once only one becomes a device', async () => {
    const user = await server.alice();
    const [one, two] = await Promise.all([1, 2].map(() => enrollRaw(server, user, { pending: true })));
    const answers = await Promise.all([one!.activate(), two!.activate()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 409)).toMatchObject({ code: 'enrollment_conflict' });
  });

  test('F079 once the current device is deleted, by its owner or by an operator, the next one enrolls', async () => {
    const user = await server.alice();
    await (await server.enroll(user, { pin })).unenroll();
    const second = await server.enroll(user, { pin });
    await server.scene.devices.deactivate(second.deviceId, { actor: 'management:test' });
    const third = await server.enroll(user, { pin });
    expect(await server.scene.devices.get(third.deviceId)).toMatchObject({ state: 'active' });
  });
});

describe('enrollment mode `override`', () => {
  const server = deviceServerForEach({ applications: [application('override')] });

  test('F081 with override the new device replaces the old one, whose operations are closed', async () => {
    const user = await server.alice();
    const old = await enrollRaw(server, user);
    const { operation } = await server.ask(user, { deviceId: old.id });
    await server.enroll(user, { pin });
    expect(await old.call('inbox')).toMatchObject({ status: 403, code: 'device_deactivated' });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'cancelled' });
    const types = (await server.scene.store.events.ofUser(user.id, 30)).map(({ type }) => type);
    expect(types).toContain('device.replaced');
  });
});

describe('enrollment mode `multiple`', () => {
  const server = deviceServerForEach();

  test('F082 with multiple both devices answer, and a start may name one', async () => {
    const user = await server.alice();
    const [one, two] = [await enrollRaw(server, user), await enrollRaw(server, user)];
    const any = await server.ask(user);
    expect((await one.call('inbox')).body.operations).toHaveLength(1);
    expect((await two.call('inbox')).body.operations).toHaveLength(1);
    await two.approve(any.operation.id);
    const named = await server.ask(user, { deviceId: one.id });
    expect((await two.call('inbox')).body.operations).toHaveLength(0);
    expect(await two.call('present', { claims: { op: named.operation.id } })).toMatchObject({ status: 404 });
    expect(await one.approve(named.operation.id)).toMatchObject({ status: 200 });
  });
});

function application(enrollmentMode: 'single' | 'override') {
  return {
    id: 'assent-web',
    name: 'Web authenticator',
    active: true,
    methods: ['device' as const, 'pin' as const],
    enrollmentMode,
    pin: { length: 6, maxFailures: 3, lifetimeFailures: 100 },
  };
}

/** Every part of a compact message that is base64url, decoded. */
function decoded(message: string): string[] {
  return message.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'));
}

function chunked(url: string, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = request(url, { method: 'POST', headers: { 'content-type': 'application/jose' } }, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    });
    req.on('error', reject);
    for (let sent = 0; sent < bytes; sent += 1024) req.write('A'.repeat(1024));
    req.end();
  });
}
