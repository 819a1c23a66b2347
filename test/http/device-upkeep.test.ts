import type { KeyObject } from 'node:crypto';
import { randomBytes } from 'node:crypto';
import { beginEnrollment, type Device, memoryStorage, openDevice } from '../../src/device-sdk/index.ts';
import type { Tally } from '../../src/domain/ports/operations.ts';
import type { User } from '../../src/domain/user.ts';
import { jwkThumbprint, newEcKey, publicJwkOf } from '../../src/support/jose/index.ts';
import { anApplication, by } from '../domain/scene.ts';
import { deviceServerForEach } from './device-server.ts';
import { enrollRaw, openSealed, proofBy, type RawDevice } from './raw-device.ts';

const pin = '483920';
const newPin = '591736';

describe('what a device changes about itself, by the SDK over HTTP', () => {
  const server = deviceServerForEach();

  async function approve(device: Device, user: User, by: string) {
    const { operation } = await server.ask(user);
    return device.decide(await device.present(operation.id), { decision: 'approve', pin: by });
  }
  const eventsOf = async (user: User) =>
    (await server.scene.store.events.ofUser(user.id, 50)).filter(({ deviceId }) => deviceId).map(({ type }) => type);

  test('the PIN is changed: the new one approves, the old one no longer', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    await expect(device.changePin({ pin: newPin, newPin: '771204' })).rejects.toMatchObject({
      code: 'attempt_failed',
      attemptsLeft: 2,
    });
    expect(await server.scene.devices.get(device.deviceId)).toMatchObject({ failures: { pin: 1, pinLifetime: 1 } });
    await device.changePin({ pin, newPin });
    expect(await server.scene.devices.get(device.deviceId)).toMatchObject({ failures: { pin: 0, pinLifetime: 0 } });
    expect(await approve(device, user, newPin)).toMatchObject({ state: 'approved' });
    await expect(approve(device, user, pin)).rejects.toMatchObject({ code: 'attempt_failed', attemptsLeft: 2 });
    expect(await eventsOf(user)).toEqual(expect.arrayContaining(['device.pin_changed', 'device.attempt_failed']));
  });

  test('keys are rotated: the device goes on, its old signature and session are worth nothing', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const storage = memoryStorage();
    await storage.save('device', (await server.storageOf(device).load('device'))!);
    const copy = (await openDevice(storage, server.sdk))!;
    await copy.inbox();
    await device.rotate({ pin });
    expect(await approve(device, user, pin)).toMatchObject({ state: 'approved' });
    const again = (await openDevice(server.storageOf(device), server.sdk))!;
    expect(await again.inbox()).toMatchObject({ operations: [] });
    // under the session that it had, and with the key that it has
    await expect(copy.inbox()).rejects.toMatchObject({ code: 'device_refused', status: 401 });
    expect(await eventsOf(user)).toContain('device.keys_rotated');
  });

  test('TH-13 a rotation that was interrupted for longer than keys wait: the old ones go on, and it is begun anew', async () => {
    const user = await server.alice();
    const enrolled = await server.enroll(user, { pin });
    const storage = server.storageOf(enrolled);
    const cut = (async (url, init) => {
      if (String(url).endsWith('/status')) throw new TypeError('fetch failed');
      return fetch(url, init);
    }) as typeof fetch;
    const device = (await openDevice(storage, { ...server.sdk, fetch: cut, sleep: async () => undefined }))!;
    await expect(device.rotate({ pin })).rejects.toMatchObject({ code: 'network' });
    expect((await storage.load('device'))!.rotating).toBeDefined();
    server.scene.clock.advance(24 * 3600);
    const later = (await openDevice(storage, server.sdk))!;
    expect(await later.inbox()).toMatchObject({ operations: [] });
    expect((await storage.load('device'))!.rotating).toBeUndefined();
    expect(await eventsOf(user)).not.toContain('device.keys_rotated');
    await later.rotate({ pin });
    expect(await eventsOf(user)).toContain('device.keys_rotated');
    expect(await approve(later, user, pin)).toMatchObject({ state: 'approved' });
  });

  test('an answer while another one is being checked is sent again until it is', async () => {
    const user = await server.alice();
    const enrolled = await server.enroll(user, { pin });
    let waited = 0;
    const { reserveAttempt } = server.scene.store.operations;
    const underway = async (attempt: Parameters<typeof reserveAttempt>[0]) => {
      const { result: _, ...tally } = (await reserveAttempt(attempt)) as { result: 'reserved' } & Tally;
      Object.assign(server.scene.store.operations, { reserveAttempt });
      return { result: 'exhausted', which: 'pin', ...tally, underWay: { operation: 0, pin: 1, number: 0 } };
    };
    const sleep = async () => {
      waited += 1;
    };
    const device = (await openDevice(server.storageOf(enrolled), { ...server.sdk, sleep }))!;
    Object.assign(server.scene.store.operations, { reserveAttempt: underway });
    expect(await approve(device, user, pin)).toMatchObject({ state: 'approved' });
    expect(waited).toBe(1);
  });

  test('a stream that was opened with keys which are replaced ends, and the device hears on with the new ones', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const over = new AbortController();
    const heard: string[] = [];
    let wake = () => {};
    const until = (count: number) =>
      new Promise<void>((resolve) => {
        wake = () => heard.length >= count && resolve();
        wake();
      });
    const onEvent = ({ event }: { event: string }) => {
      heard.push(event);
      wake();
    };
    const following = device.events(onEvent, { signal: over.signal });
    await until(1);
    await device.rotate({ pin });
    await until(2);
    await server.ask(user);
    await until(3);
    over.abort();
    await following;
    expect(heard).toEqual(['inbox', 'inbox', 'operation']);
  });

  test('an enrolled device adds another one of the same person', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const { uri, activationCode, expiresAt, operationId } = await first.createTicket({ pin });
    expect(activationCode).toMatch(/^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]$/);
    expect(Date.parse(expiresAt)).toBe(server.scene.clock.now() + 300_000);
    expect(await server.scene.operations.get(operationId)).toMatchObject({ clientId: `device:${first.deviceId}` });
    expect(await eventsOf(user)).toContain('ticket.created');
    const link = uri.replace(/^[^#]*/, `${server.base}/`);
    const second = await (await beginEnrollment(memoryStorage(), link, server.sdk)).finish({ device: {}, pin: newPin });
    expect(await approve(second, user, newPin)).toMatchObject({ state: 'approved' });
  });

  test('without a PIN, a fresh ticket stands in for it, and is used up', async () => {
    const user = await server.alice();
    const device = await server.enroll(user);
    expect(device.hasPin).toBe(false);
    expect((await device.status()).policy).toEqual({ methods: ['device', 'pin'], pin_length: 6 });
    await expect(device.rotate({})).rejects.toMatchObject({ code: 'proof_required', status: 403 });
    await expect(device.createTicket({ pin })).rejects.toMatchObject({ code: 'method_unavailable' });
    const { uri } = await server.ticket(user);
    await device.addPin({ newPin: pin, ticket: uri });
    expect(device.hasPin).toBe(true);
    expect(await approve(device, user, pin)).toMatchObject({ state: 'approved' });
    await expect(beginEnrollment(memoryStorage(), uri, server.sdk)).rejects.toMatchObject({ code: 'ticket_invalid' });

    await device.removePin({ pin });
    expect(await server.scene.devices.get(device.deviceId)).toMatchObject({ methods: ['device'] });
    await expect(device.rotate({ ticket: uri })).rejects.toMatchObject({ code: 'ticket_invalid' });
    await device.rotate({ ticket: (await server.ticket(user)).uri });
    expect(await eventsOf(user)).toEqual(
      expect.arrayContaining(['device.method_added', 'device.method_removed', 'device.keys_rotated']),
    );
  });
});

describe('what is refused', () => {
  const server = deviceServerForEach({
    applications: [
      anApplication(),
      anApplication({ id: 'off', active: false }),
      anApplication({ id: 'no-pin', methods: ['device'] }),
    ],
  });
  const stored = (raw: RawDevice) => server.scene.devices.get(raw.id);
  const suspicionsOf = async (user: User) =>
    (await server.scene.store.events.ofUser(user.id, 50)).filter(({ type }) => type === 'device.clone_suspected')
      .length;

  interface Changing {
    /** signs for the PIN that the device has */
    old?: KeyObject;
    key?: KeyObject;
    kid?: string;
    claims?: object;
  }

  /** A message that replaces the PIN, right but for what is said. */
  function changing(raw: RawDevice, { old = raw.pin, key = newEcKey(), kid = 'next', claims }: Changing = {}) {
    return raw.make('methods', {
      claims: { action: 'change', method: 'pin', key: { kid }, ...claims },
      proofs: (hash) => [proofBy(old, raw.pinKid, hash), proofBy(key, kid, hash, { jwk: publicJwkOf(key) })],
    });
  }

  function rotating(
    raw: RawDevice,
    options: { sig?: KeyObject; enc?: KeyObject; old?: KeyObject; by?: KeyObject } = {},
  ) {
    const { sig = newEcKey(), enc = newEcKey(), old = raw.pin } = options;
    const by = options.by ?? sig;
    const keys = { sig: publicJwkOf(sig), enc: publicJwkOf(enc) };
    const message = raw.make('rotate', {
      claims: { keys },
      proofs: (hash) => [proofBy(by, jwkThumbprint(keys.sig), hash), proofBy(old, raw.pinKid, hash)],
    });
    return { sig, enc, message };
  }

  test('the same message counts once, right or wrong, and another one under its id is refused', async () => {
    const raw = await enrollRaw(server, await server.alice());
    const wrong = changing(raw, { old: newEcKey() });
    for (let i = 0; i < 3; i++) {
      expect(await raw.post('methods', wrong)).toMatchObject({ status: 403, body: { problem: { attempts_left: 2 } } });
    }
    expect((await stored(raw)).failures).toMatchObject({ pin: 1 });
    const jti = randomBytes(16).toString('base64url');
    const right = changing(raw, { claims: { jti } });
    const answers = await Promise.all(Array.from({ length: 5 }, () => raw.post('methods', right)));
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: { methods: ['device', 'pin'] } });
    const { version } = await stored(raw);
    expect(await raw.post('methods', right)).toMatchObject({ status: 200 });
    expect(await raw.post('methods', changing(raw, { claims: { jti } }))).toMatchObject({
      status: 409,
      code: 'message_reused',
    });
    expect(await stored(raw)).toMatchObject({ version });
  });

  test('wrong PINs lock the device, in whichever call they were tried', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const guess = (act: string, claims: object) =>
      raw.call(act, { claims, proofs: (hash) => [proofBy(newEcKey(), raw.pinKid, hash)] });
    expect(await raw.post('methods', changing(raw, { old: newEcKey() }))).toMatchObject({ status: 403 });
    expect(await guess('tickets', {})).toMatchObject({
      status: 403,
      body: { problem: { attempts_left: 1, lock_imminent: true } },
    });
    const remove = { action: 'remove', method: 'pin' };
    expect(await guess('methods', remove)).toMatchObject({ status: 403, body: { problem: { attempts_left: 0 } } });
    const locked = await stored(raw);
    expect(locked).toMatchObject({ state: 'locked', lockReason: 'attempts', methods: ['device'] });
    expect(locked.keys.pin).toBeUndefined();
    expect(await raw.post('methods', changing(raw))).toMatchObject({ status: 403, code: 'device_locked' });
    const types = (await server.scene.store.events.ofUser(user.id, 20)).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['device.attempt_failed', 'device.lock.imminent', 'device.locked']));
  });

  test('a guess at the old PIN by the new key costs a try: that the two are one is told only to who knew', async () => {
    const raw = await enrollRaw(server, await server.alice());
    const guessed = newEcKey();
    expect(await raw.post('methods', changing(raw, { old: guessed, key: guessed }))).toMatchObject({
      code: 'attempt_failed',
    });
    expect(await raw.post('methods', changing(raw, { key: raw.pin }))).toMatchObject({ code: 'key_reused' });
    expect((await stored(raw)).failures).toMatchObject({ pin: 2 });
  });

  test('a PIN key that is not new, not proved, or not asked for', async () => {
    const raw = await enrollRaw(server, await server.alice());
    const before = await stored(raw);
    const post = async (message: object) => (await raw.post('methods', message)).code;
    expect(await post(changing(raw, { key: raw.sig }))).toBe('key_reused');
    expect(await post(changing(raw, { key: raw.enc }))).toBe('key_reused');
    expect(await post(changing(raw, { kid: raw.pinKid }))).toBe('message_invalid');
    expect(await post(changing(raw, { claims: { key: { kid: 'other' } } }))).toBe('message_invalid');
    expect(await post(changing(raw, { claims: { method: 'face' } }))).toBe('method_not_available');
    expect(await post(changing(raw, { claims: { action: 'replace' } }))).toBe('message_invalid');
    expect(await post(changing(raw, { claims: { action: 'remove' } }))).toBe('message_invalid');
    expect(await post(changing(raw, { claims: { action: 'activate' } }))).toBe('state_conflict');
    const alone = { claims: { action: 'change', method: 'pin', key: { kid: 'next' } } };
    const fresh = newEcKey();
    const byNew = (hash: string) => [proofBy(fresh, 'next', hash, { jwk: publicJwkOf(fresh) })];
    expect((await raw.call('methods', { ...alone, proofs: byNew })).code).toBe('proof_required');
    expect(await stored(raw)).toEqual(before);
  });

  test('a ticket stands in for a proof only where there is none, for this person and this application', async () => {
    const user = await server.alice();
    const withPin = await enrollRaw(server, user);
    const bare = await enrollRaw(server, user, { withPin: false });
    const ticketOf = async (of: User, application?: string) =>
      new URLSearchParams(new URL((await server.ticket(of, application)).uri).hash.slice(1)).get('t');
    const activating = (raw: RawDevice, ticket: unknown) => {
      const key = newEcKey();
      return raw.call('methods', {
        claims: { action: 'activate', method: 'pin', key: { kid: 'next' }, ticket },
        proofs: (hash) => [proofBy(key, 'next', hash, { jwk: publicJwkOf(key) })],
      });
    };
    const bob = await server.alice({ username: 'bob' });
    expect(await activating(withPin, await ticketOf(user))).toMatchObject({ code: 'state_conflict' });
    for (const ticket of [await ticketOf(bob), await ticketOf(user, 'no-pin'), 'nonsense', `${'0'.repeat(45)}`]) {
      expect(await activating(bare, ticket)).toMatchObject({ status: 400, code: 'ticket_invalid' });
    }
    expect(await activating(bare, undefined)).toMatchObject({ status: 403, code: 'proof_required' });
    const good = await ticketOf(user);
    server.scene.clock.advance(301);
    expect(await activating(bare, good)).toMatchObject({ code: 'ticket_invalid' });
    const keyless = await enrollRaw(server, user, { withPin: false, applicationId: 'no-pin' });
    expect(await activating(keyless, await ticketOf(user, 'no-pin'))).toMatchObject({ code: 'method_not_available' });
  });

  test('keys that were rotated to wait until the device has shown that it holds both', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const { sig, enc, message } = rotating(raw);
    const answered = await raw.post('rotate', message);
    const { confirm } = openSealed(answered.body.confirm, enc).claims;
    // the old ones go on working, the new ones may do nothing but ask and confirm
    expect(await raw.call('inbox')).toMatchObject({ status: 200 });
    expect(await raw.call('inbox', { key: sig })).toMatchObject({ status: 401, code: 'device_refused' });
    expect(await raw.call('status', { key: sig, claims: { confirm: 'wrong' } })).toMatchObject({
      code: 'confirm_invalid',
    });
    expect(await raw.call('status', { claims: { confirm } })).toMatchObject({ status: 200 });
    expect((await stored(raw)).keys.sig).toEqual(publicJwkOf(raw.sig));
    // the same message, and the new key, get the confirmation again
    const again = await raw.call('status', { key: sig });
    for (const sealed of [(await raw.post('rotate', message)).body.confirm, again.body.confirm]) {
      expect(openSealed(sealed, enc).claims.confirm).toBe(confirm);
    }
    const confirmations = Array.from({ length: 4 }, () => raw.call('status', { key: sig, claims: { confirm } }));
    for (const answer of await Promise.all(confirmations)) expect(answer).toMatchObject({ status: 200 });
    const rotated = await stored(raw);
    expect(rotated).toMatchObject({ keys: { sig: publicJwkOf(sig), enc: publicJwkOf(enc) }, generation: 1 });
    expect(rotated.rotation).toBeUndefined();
    expect(await raw.call('inbox')).toMatchObject({ status: 401, code: 'device_refused' });
    expect(await raw.call('inbox', { key: sig })).toMatchObject({ status: 200 });
    const events = await server.scene.store.events.ofUser(user.id, 20);
    expect(events.filter(({ type }) => type === 'device.keys_rotated')).toHaveLength(1);
  });

  test('TH-13 keys that were laid in store wait ten minutes, and are gone with a new PIN, a lock or an unlock', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const laid = async () => {
      const { sig, enc, message } = rotating(raw);
      const { confirm } = openSealed((await raw.post('rotate', message)).body.confirm, enc).claims;
      expect(await raw.call('status', { key: sig })).toMatchObject({ status: 200 });
      return { take: () => raw.call('status', { key: sig, claims: { confirm } }) };
    };
    const tooLate = await laid();
    server.scene.clock.advance(600);
    expect(await tooLate.take()).toMatchObject({ status: 401, code: 'device_refused' });

    const beforeLock = await laid();
    await server.scene.devices.lock(raw.id, by);
    await server.scene.devices.unlock(raw.id, by);
    expect(await beforeLock.take()).toMatchObject({ status: 401, code: 'device_refused' });

    const beforeChange = await laid();
    expect(await raw.post('methods', changing(raw))).toMatchObject({ status: 200 });
    expect(await beforeChange.take()).toMatchObject({ status: 401, code: 'device_refused' });
    const events = (await server.scene.store.events.ofUser(user.id, 50)).map(({ type }) => type);
    expect(events.filter((type) => type === 'device.keys_waiting')).toHaveLength(3);
    expect(events).not.toContain('device.keys_rotated');
  });

  test('TH-13 a rotation to keys that are known, not proved, or without a PIN', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const other = await enrollRaw(server, user);
    const code = async (options: Parameters<typeof rotating>[1]) =>
      (await raw.post('rotate', rotating(raw, options).message)).code;
    expect(await code({ sig: other.sig })).toBe('key_reused');
    expect(await code({ enc: other.enc })).toBe('key_reused');
    const refused = await server.scene.store.events.ofUser(user.id, 20);
    expect(refused.filter(({ type }) => type === 'device.key_refused')).toHaveLength(2);
    // the one whose private half was shown is told to the device that it belongs to
    const notices: { type: string }[] = (await other.call('inbox')).body.notices;
    const told = notices.filter(({ type }) => type === 'device.key_refused');
    expect(told).toMatchObject([{ device: { id: raw.id } }]);
    const one = newEcKey();
    for (const same of [{ sig: one, enc: one }, { sig: raw.sig }, { enc: raw.enc }]) {
      expect(await code(same)).toBe('key_reused');
    }
    expect(await code({ by: newEcKey() })).toBe('message_invalid');
    expect(await code({ old: newEcKey() })).toBe('attempt_failed');
    expect((await stored(raw)).rotation).toBeUndefined();
  });

  test('a ticket by a device: of which application and for how long is checked as ever', async () => {
    const raw = await enrollRaw(server, await server.alice());
    const jti = randomBytes(16).toString('base64url');
    const asking = (claims: object) => raw.make('tickets', { claims, proofs: raw.byPin(raw.pin) });
    const code = async (claims: object) => (await raw.post('tickets', asking(claims))).code;
    expect(await code({ application: 'nowhere' })).toBe('application_not_found');
    expect(await code({ application: 'off' })).toBe('state_conflict');
    expect(await code({ ttl_seconds: 601 })).toBe('invalid_request');
    // nothing was guessed at
    expect((await stored(raw)).failures).toMatchObject({ pin: 0 });
    const message = asking({ ttl_seconds: 60, application: 'no-pin', jti });
    const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => raw.post('tickets', message)));
    expect(first).toMatchObject({ status: 200, body: { ticket_uri: expect.stringMatching(/#t=.*&k=/) } });
    for (const { body } of [...others, await raw.post('tickets', message)]) {
      expect(body.ticket_uri).toBe(first!.body.ticket_uri);
    }
    const receipt = await server.scene.store.devices.withUser(raw.id, { jti, now: server.scene.clock.now() });
    expect(receipt!.receipt!.outcome).not.toContain(first!.body.activation_code);
    expect(await raw.call('tickets')).toMatchObject({ status: 403, code: 'proof_required' });
  });

  test('a counter is noted from the enrollment on, and with the message that makes the device active', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user, { pending: true, withPin: false });
    const keys = { enc: publicJwkOf(raw.enc) };
    const enrolling = { nonce: raw.redeemed.body.nonce, keys, device: {}, ctr: 3 };
    expect(await raw.call('enroll', { claims: enrolling })).toMatchObject({ status: 200 });
    expect((await stored(raw)).ctr).toBe(3);
    const { confirm } = openSealed(raw.enrolled.body.confirm, raw.enc).claims;
    const active = await raw.call('status', { claims: { confirm, ctr: 3 } });
    expect(active).toMatchObject({ status: 200, body: { device: { state: 'active' } } });
    expect(await suspicionsOf(user)).toBe(1);
  });

  test('a counter that goes back is told of, and refused nothing', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const decided = async (ctr: number) => {
      const { operation } = await server.ask(user);
      const message = raw.make('decide', raw.denial({ ...(await raw.answerTo(operation.id)), ctr }));
      return { message, answer: await raw.post('decide', message) };
    };
    const { message } = await decided(5);
    expect(await raw.post('decide', message)).toMatchObject({ status: 200 });
    expect(await raw.post('methods', changing(raw, { old: newEcKey(), claims: { ctr: 6 } }))).toMatchObject({
      status: 403,
    });
    expect(await suspicionsOf(user)).toBe(0);
    expect((await decided(6)).answer).toMatchObject({ status: 200, body: { state: 'denied' } });
    expect(await raw.post('methods', changing(raw, { claims: { ctr: 2 } }))).toMatchObject({ status: 200 });
    expect(await suspicionsOf(user)).toBe(2);
    server.scene.clock.advance(1);
    const newer = await enrollRaw(server, user);
    const revoked = await raw.call('unenroll', { claims: { device: newer.id, ctr: 7 } });
    expect(revoked).toMatchObject({ status: 200, body: { device: newer.id } });
    expect((await stored(raw)).ctr).toBe(7);
    expect((await stored(newer)).ctr).toBeUndefined();
    expect(await raw.call('unenroll', { claims: { ctr: 6 } })).toMatchObject({ status: 200 });
    expect(await suspicionsOf(user)).toBe(3);
    expect(await raw.call('unenroll', { claims: { ctr: -1 } })).toMatchObject({ code: 'message_invalid' });
  });
});
