import { parseActivationCode } from '../../src/domain/activation-code.ts';
import { createTickets } from '../../src/domain/tickets.ts';
import { newHandle } from '../../src/support/ids.ts';
import { jwkThumbprint } from '../../src/support/jose/index.ts';
import { anApplication, by, codeOf, newUser, openScene, sceneForEach, watched } from './scene.ts';

const application = 'assent-web';
/** A look-up that finds somebody has read an entry and a record, one that finds nobody the entry alone. */
function workIn(calls: string[], isFound: boolean) {
  const reads = calls.filter((call) => /\.(findByIdentifier|get|ticketsOf)$/.test(call));
  return { reads: reads.length + (isFound ? 1 : 0), writes: calls.length - reads.length };
}

const wrongFor = (code: string) => (code === '0000-0000-0' ? '1000-0000-M' : '0000-0000-0');

describe('tickets', () => {
  const scene = sceneForEach();

  test('a ticket is a link with the ticket and the thumbprint of the key to encrypt to, in the fragment', async () => {
    const user = await newUser(scene);
    const ticket = await scene.tickets.create({ userId: user.id, applicationId: application }, by);
    const { origin, pathname, search, hash } = new URL(ticket.uri);
    const fragment = new URLSearchParams(hash.slice(1));
    expect([origin, pathname, search]).toEqual(['http://localhost:3002', '/', '']);
    expect(scene.tickets.operationIdOf(fragment.get('t')!)).toBe(ticket.operationId);
    expect(fragment.get('k')).toBe(jwkThumbprint(scene.serverKeys.current('box').publicJwk as never));
    expect(ticket.expiresAt).toBe(scene.clock.now() + 300_000);
  });

  test('neither ticket nor code is stored', async () => {
    const user = await newUser(scene);
    const ticket = await scene.tickets.create({ userId: user.id, applicationId: application }, by);
    const stored = JSON.stringify(await scene.store.operations.get(ticket.operationId));
    expect(stored).not.toContain(new URLSearchParams(new URL(ticket.uri).hash.slice(1)).get('t'));
    expect(stored).not.toContain(parseActivationCode(ticket.activationCode));
    expect(stored).toContain('registration');
  });

  test('F013 there is no ticket before there is the user', async () => {
    const unknown = newHandle('00').slice(0, 24);
    for (const userId of [unknown, 'nobody', '']) {
      expect(await codeOf(scene.tickets.create({ userId, applicationId: application }, by))).toBe('user_not_found');
    }
  });

  test('there is none for a locked or deactivated user, an unknown application, or a time out of range', async () => {
    const user = await newUser(scene);
    const create = (change: object) =>
      codeOf(scene.tickets.create({ userId: user.id, applicationId: application, ...change }, by));
    expect(await create({ applicationId: 'unknown' })).toBe('application_not_found');
    for (const ttlSeconds of [29, 601, 0, -1, 60.5, Number.NaN]) {
      expect(await create({ ttlSeconds })).toBe('invalid_request');
    }
    expect(await create({ ttlSeconds: 600 })).toBe('resolved');
    await scene.users.lock(user.id, by);
    expect(await create({})).toBe('state_conflict');
    await scene.users.deactivate(user.id, by);
    expect(await create({})).toBe('state_conflict');
  });

  test('an application that is switched off enrolls nothing', async () => {
    const off = await openScene({ applications: [anApplication({ active: false })] });
    const user = await newUser(off);
    expect(await codeOf(off.tickets.create({ userId: user.id, applicationId: application }, by))).toBe(
      'state_conflict',
    );
    await off.close();
  });

  test('a text that is no ticket of ours is nobody’s', () => {
    for (const text of [
      '',
      'abc',
      `zz${newHandle('00').slice(2)}`,
      newHandle('00').slice(1),
      '{}:*\0',
      'x'.repeat(100_000),
    ]) {
      expect(scene.tickets.operationIdOf(text)).toBeUndefined();
    }
  });
});

describe('activation codes that are typed', () => {
  const scene = sceneForEach();

  const ticketOf = async (username: string) => {
    const user = await newUser(scene, { username, email: `${username}@example.test` });
    return scene.tickets.create({ userId: user.id, applicationId: application }, by);
  };
  const type = (user: string, code: string, address = '192.0.2.1') =>
    scene.tickets.byActivationCode(user, code, address);

  test('user and code open the ticket, however they are spelled', async () => {
    const { operationId, activationCode } = await ticketOf('alice');
    expect(await type('alice', activationCode)).toBe(operationId);
    expect(await type(' ALICE@example.test ', activationCode.toLowerCase().replaceAll('-', ' '))).toBe(operationId);
  });

  test('a code opens the ticket of its own user only, also where the user has several', async () => {
    const first = await ticketOf('alice');
    const user = (await scene.users.find('username', 'alice'))!;
    const second = await scene.tickets.create({ userId: user.id, applicationId: application }, by);
    await ticketOf('bob');
    expect(await type('alice', first.activationCode)).toBe(first.operationId);
    expect(await type('alice', second.activationCode)).toBe(second.operationId);
    expect(await codeOf(type('bob', first.activationCode))).toBe('ticket_invalid');
  });

  test('unknown user, user without a ticket, locked user and wrong code are one answer', async () => {
    const { activationCode } = await ticketOf('alice');
    await newUser(scene, { username: 'bob' });
    await newUser(scene, { username: 'carol' });
    const carol = (await scene.users.find('username', 'carol'))!;
    const ticket = await scene.tickets.create({ userId: carol.id, applicationId: application }, by);
    await scene.users.lock(carol.id, by);
    const answers = await Promise.all(
      [
        type('nobody', activationCode),
        type('bob', activationCode),
        type('carol', ticket.activationCode),
        type('alice', wrongFor(activationCode)),
        type('', activationCode),
        type('{"format":"opaque"}', activationCode),
      ].map((call) => call.catch((error) => ({ code: error.code, message: error.message, members: error.members }))),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ code: 'ticket_invalid' });
  });

  test('TH-26 the same reads and writes, whether there is a user, how many tickets they have, and at the last try', async () => {
    const { activationCode } = await ticketOf('alice');
    const bob = await newUser(scene, { username: 'bob' });
    const wrong = wrongFor(activationCode);
    const workFor = async (user: string) => {
      const { secrets, serverKeys, applications } = scene;
      const { store, calls } = watched(scene.store);
      const tickets = createTickets({
        secrets,
        serverKeys,
        applications,
        store,
        clock: scene.clock.now,
        options: { authenticatorOrigin: 'http://localhost', defaultSeconds: 300, maxSeconds: 600, retentionMs: 0 },
      });
      expect(await codeOf(tickets.byActivationCode(user, wrong, '192.0.2.2'))).toBe('ticket_invalid');
      return workIn(calls, user !== 'nobody');
    };
    const nobody = await workFor('nobody');
    expect(nobody).toEqual({ reads: 3, writes: 8 });
    const carol = await newUser(scene, { username: 'carol' });
    await scene.users.lock(carol.id, by);
    expect(await workFor('carol')).toEqual(nobody);
    for (let tickets = 0; tickets <= 4; tickets++) {
      expect(await workFor('bob')).toEqual(nobody);
      await scene.tickets.create({ userId: bob.id, applicationId: application }, by);
    }
    // the fifth ends the ticket, the sixth finds none
    for (let tries = 1; tries <= 6; tries++) expect(await workFor('alice')).toEqual(nobody);
  });

  test('one network of IPv6 is one address', async () => {
    const { activationCode } = await ticketOf('alice');
    const from = (address: string) => codeOf(type('nobody', activationCode, address));
    for (let i = 0; i < 20; i++) expect(await from(`2001:db8:1:1::${i.toString(16)}`)).toBe('ticket_invalid');
    expect(await from('2001:db8:1:1:ffff::1')).toBe('rate_limited');
    expect(await from('2001:db8:1:2::1')).toBe('ticket_invalid');
  });

  test('five wrong codes end the ticket; the right one and the link come too late', async () => {
    const { operationId, activationCode } = await ticketOf('alice');
    const wrong = wrongFor(activationCode);
    for (let i = 0; i < 4; i++) expect(await codeOf(type('alice', wrong))).toBe('ticket_invalid');
    expect((await scene.operations.get(operationId)).state).toBe('pending');
    expect(await codeOf(type('alice', wrong))).toBe('ticket_invalid');
    expect((await scene.operations.get(operationId)).state).toBe('failed');
    expect(await codeOf(type('alice', activationCode))).toBe('ticket_invalid');
  });

  test('the fifth try is still evaluated', async () => {
    const { operationId, activationCode } = await ticketOf('alice');
    for (let i = 0; i < 4; i++) await codeOf(type('alice', wrongFor(activationCode)));
    expect(await type('alice', activationCode)).toBe(operationId);
  });

  test('a hundred guesses at once are five', async () => {
    const { operationId, activationCode } = await ticketOf('alice');
    const guesses = Array.from({ length: 100 }, (_, i) => type('alice', wrongFor(activationCode), `192.0.2.${i}`));
    expect(new Set(await Promise.all(guesses.map(codeOf)))).toEqual(new Set(['ticket_invalid']));
    expect((await scene.operations.get(operationId)).ticket?.wrongCodes).toBe(5);
    expect((await scene.operations.get(operationId)).state).toBe('failed');
  });

  test('a code that cannot be one costs the ticket nothing', async () => {
    const { operationId } = await ticketOf('alice');
    for (let i = 0; i < 10; i++) expect(await codeOf(type('alice', `0000-000${i}-X`))).toBe('ticket_invalid');
    expect((await scene.operations.get(operationId)).ticket?.wrongCodes).toBe(0);
  });

  test('one address gets twenty tries an hour, right or wrong, whoever the user is', async () => {
    const { activationCode } = await ticketOf('alice');
    for (let i = 0; i < 20; i++) expect(await codeOf(type(`nobody${i}`, activationCode))).toBe('ticket_invalid');
    await expect(type('alice', activationCode)).rejects.toMatchObject({
      code: 'rate_limited',
      members: { retry_after: expect.any(Number) },
    });
    expect(await codeOf(type('nobody', activationCode, '192.0.2.9'))).toBe('ticket_invalid');
    scene.clock.advance(3601);
    expect(await codeOf(type('nobody', activationCode))).toBe('ticket_invalid');
  });

  test('a ticket that has expired does not open', async () => {
    const { activationCode } = await ticketOf('alice');
    scene.clock.advance(300);
    expect(await codeOf(type('alice', activationCode))).toBe('ticket_invalid');
  });
});
