/** What a person is told only after success: the post-context of an operation, and of an enrollment. */
import { readFileSync } from 'node:fs';
import { beginEnrollment, memoryStorage, type PostContext, resumeEnrollment } from '../../src/device-sdk/index.ts';
import type { User } from '../../src/domain/user.ts';
import { by, codeOf } from '../domain/scene.ts';
import { deviceServerForEach } from './device-server.ts';
import { type Answer, enrollRaw, jti, openSealed } from './raw-device.ts';

const pin = '483920';
const after: PostContext = { title: 'Order 4711', text: 'Ready at the counter.\nBring your card.', mime: 'text/plain' };
const postContext = { ...after, mime: 'text/plain' as const };

describe('after an approval', () => {
  const server = deviceServerForEach();
  const ask = (user: User) => server.ask(user, { postContext });
  const has = ({ body }: Answer) => 'post_context' in body;

  test('F058 it is in the answer to the approval, and in nothing that comes before', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation } = await ask(user);
    expect(JSON.stringify(await device.inbox())).not.toContain('post_context');
    const view = await device.present(operation.id);
    expect(JSON.stringify(view)).not.toMatch(/4711|counter/);
    const wrong = device.decide(view, { decision: 'approve', pin: '111111' });
    await expect(wrong).rejects.not.toHaveProperty('members.post_context');
    expect(JSON.stringify(await device.status(operation.id))).not.toContain('post_context');
    const answered = await device.decide(view, { decision: 'approve', pin });
    expect(answered).toEqual({ op: operation.id, state: 'approved', postContext: after });
  });

  test('F058 a denial, an expired, a cancelled and a failed operation never give it', async () => {
    const user = await server.alice();
    const device = await enrollRaw(server, user);
    const outcomes: Record<string, () => Promise<Answer[]>> = {
      async denied() {
        const { operation } = await ask(user);
        const answer = await device.answerTo(operation.id);
        const denial = device.make('decide', device.denial(answer));
        const first = await device.post('decide', denial);
        return [first, await device.post('decide', denial), await device.call('decide', device.approval(answer))];
      },
      async cancelled() {
        const { operation } = await ask(user);
        const answer = await device.answerTo(operation.id);
        await server.scene.operations.cancel({ operationId: operation.id, clientId: operation.clientId, by });
        return [await device.call('decide', device.approval(answer))];
      },
      async expired() {
        const { operation } = await ask(user);
        const answer = await device.answerTo(operation.id);
        server.scene.clock.advance(301);
        return [await device.call('decide', device.approval(answer))];
      },
      async failed() {
        const { operation } = await server.ask(user, { postContext, match: 'choose' });
        const answer = { ...(await device.answerTo(operation.id)), match: 'no' };
        const wrong = await device.call('decide', device.approval(answer));
        return [wrong, await device.call('decide', device.approval(answer))];
      },
    };
    const codes: Record<string, (string | number | undefined)[]> = {};
    for (const [name, play] of Object.entries(outcomes)) {
      const answers = await play();
      expect(answers.filter(has)).toEqual([]);
      codes[name] = answers.map(({ code, status }) => code ?? status);
    }
    expect(codes).toEqual({
      denied: [200, 200, 'operation_decided'],
      cancelled: ['operation_cancelled'],
      expired: ['operation_expired'],
      failed: ['attempt_failed', 'operation_failed'],
    });
  });

  test('F058 the device that approved gets it again, by the same message or a new one; no other device does', async () => {
    const user = await server.alice();
    const [device, other] = [await enrollRaw(server, user), await enrollRaw(server, user)];
    const { operation } = await ask(user);
    const answers = { own: await device.answerTo(operation.id), others: await other.answerTo(operation.id) };
    const message = device.make('decide', device.approval(answers.own));
    const given = [
      await device.post('decide', message),
      await device.post('decide', message),
      await device.call('decide', device.approval(answers.own)),
    ];
    for (const { status, body } of given) {
      expect(status).toBe(200);
      expect(openSealed(body.post_context, device.enc).claims).toMatchObject({
        iss: server.issuer,
        aud: device.id,
        op: operation.id,
        ...after,
      });
    }
    const late = await other.call('decide', other.approval(answers.others));
    expect(late).toMatchObject({ status: 409, code: 'operation_decided' });
    expect(has(late)).toBe(false);

    await server.scene.devices.lock(device.id, by);
    expect(await device.post('decide', message)).toMatchObject({ status: 200, body: { state: 'approved' } });
    expect(has(await device.post('decide', message))).toBe(false);
  });

  test('an operation without one is answered as ever, and none is left when the record is', async () => {
    const user = await server.alice();
    const device = await enrollRaw(server, user);
    const plain = await server.ask(user);
    expect(has(await device.approve(plain.operation.id))).toBe(false);
    const { operation } = await ask(user);
    const message = device.make('decide', device.approval(await device.answerTo(operation.id)));
    expect(has(await device.post('decide', message))).toBe(true);
    const { get } = server.scene.store.operations;
    const { context: _destroyed, ...rest } = (await get(operation.id))!;
    const { forDevice } = server.scene.store.operations;
    server.scene.store.operations.forDevice = async (...call) => ({ ...(await forDevice(...call)), operation: rest });
    expect(await device.post('decide', message)).toMatchObject({ status: 200, body: { state: 'approved' } });
    expect(has(await device.post('decide', message))).toBe(false);
  });

  test('it lies encrypted, and neither events nor evidence nor receipts know of it', async () => {
    const user = await server.alice();
    const device = await enrollRaw(server, user);
    const { operation } = await ask(user);
    await device.approve(operation.id);
    const { events, operations } = server.scene.store;
    const written = JSON.stringify([
      await operations.get(operation.id),
      await events.ofUser(user.id, 50),
      await operations.evidence(operation.id),
    ]);
    const files = server.scene.files().map((file) => readFileSync(file, 'latin1'));
    for (const place of [written, ...files]) expect(place).not.toMatch(/Order 4711|at the counter/);
  });

  test('what nobody could read as it was meant is refused before anybody is asked', async () => {
    const user = await server.alice();
    await server.enroll(user, { pin });
    for (const wrong of [
      { text: '' },
      { text: ' \n' },
      { text: 'a'.repeat(2001) },
      { text: 'left\u202eright' },
      { text: 'carriage\r\nreturn' },
      { text: 'fine', title: 'two\nlines' },
      { text: 'fine', title: 'a'.repeat(81) },
      { text: 'fine', mime: 'text/html' as 'text/plain' },
    ]) {
      expect(await codeOf(server.ask(user, { postContext: wrong }))).toBe('invalid_request');
    }
    await server.ask(user, { postContext: { title: '🎉'.repeat(80), text: '🎉'.repeat(2000) } });
  });
});

describe('after an enrollment', () => {
  const server = deviceServerForEach();

  const begin = async (user: User) => {
    const made = await server.scene.tickets.create({ userId: user.id, applicationId: 'assent-web', postContext }, by);
    const uri = made.uri.replace('http://localhost:3002', server.base);
    return { ...made, uri, storage: memoryStorage() };
  };

  test('F058 it comes with the answer that makes the device active', async () => {
    const user = await server.alice();
    const { uri, storage, operationId } = await begin(user);
    const enrollment = await beginEnrollment(storage, uri, server.sdk);
    const told: PostContext[] = [];
    const device = await enrollment.finish({ device: {}, pin, onPostContext: (context) => told.push(context) });
    expect(told).toEqual([after]);
    expect(await device.status()).not.toHaveProperty('post_context');
    expect(JSON.stringify(await server.scene.operations.get(operationId))).not.toMatch(/4711|counter/);
  });

  test('F058 the message that quotes the confirmation gets it again; before it is active, and by other keys, nobody does', async () => {
    const user = await server.alice();
    const { uri } = await begin(user);
    const withIt = new Proxy(server, {
      get: (target, name) => (name === 'ticket' ? async () => ({ uri }) : target[name as keyof typeof target]),
    });
    const raw = await enrollRaw(withIt, user, { pending: true });
    expect(raw.enrolled.body).not.toHaveProperty('post_context');
    expect((await raw.call('status')).body).not.toHaveProperty('post_context');
    const { confirm } = openSealed(raw.enrolled.body.confirm, raw.enc).claims;
    const message = raw.make('status', { claims: { confirm, jti: jti() } });
    for (const { body } of [await raw.post('status', message), await raw.post('status', message)]) {
      expect(body.device).toMatchObject({ state: 'active' });
      expect(openSealed(body.post_context, raw.enc).claims).toMatchObject({ aud: raw.id, ...after });
    }
    const other = await enrollRaw(server, user);
    expect((await other.call('status', { claims: { confirm } })).body).not.toHaveProperty('post_context');
    expect((await raw.call('status', { claims: { confirm: 'guessed' } })).body).not.toHaveProperty('post_context');
  });

  test('an enrollment whose last answer was lost shows it when it goes on', async () => {
    const user = await server.alice();
    const { uri, storage } = await begin(user);
    const enrollment = await beginEnrollment(storage, uri, server.sdk);
    const losing: typeof fetch = async (input, init) => {
      const response = await server.sdk.fetch(input, init);
      // the device is active, and does not learn of it
      if (String(input).endsWith('/status')) throw new TypeError('the connection is gone');
      return response;
    };
    const lost = await beginEnrollment(storage, uri, { ...server.sdk, fetch: losing });
    expect(lost.deviceId).toBe(enrollment.deviceId);
    expect(await codeOf(lost.finish({ device: {}, pin }))).toBe('network');
    const told: PostContext[] = [];
    const device = await resumeEnrollment(storage, {
      ...server.sdk,
      onPostContext: (context) => told.push(context),
    });
    expect(told).toEqual([after]);
    expect((await device.status()).device).toMatchObject({ state: 'active' });
  });

  test('a ticket with a text that nobody could read is refused', async () => {
    const user = await server.alice();
    const create = server.scene.tickets.create(
      { userId: user.id, applicationId: 'assent-web', postContext: { text: '\u200b' } },
      by,
    );
    expect(await codeOf(create)).toBe('invalid_request');
  });
});
