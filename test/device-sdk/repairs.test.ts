import { decodeProtectedHeader } from 'jose';
import {
  beginEnrollment,
  DeviceError,
  keyHealth,
  memoryStorage,
  openDevice,
  parseTicket,
  resumeEnrollment,
} from '../../src/device-sdk/index.ts';
import { type ServerKeyPair, signedKeySets } from '../../src/domain/device-messages/index.ts';
import { enrolled, PIN, worldOf } from './enrolled.ts';
import { base, createTestServer, issuer, type TestServer } from './harness.ts';

const paths = (server: TestServer) => server.seen.map(({ path }) => path);

/** The answer to the next call to `path` is lost after the server has acted. */
function loseAnswerTo(server: TestServer, path: string): void {
  const fetch = server.fetch;
  let lost = false;
  server.fetch = async (url, init) => {
    const response = await fetch(url, init);
    if (lost || !String(url).endsWith(`/${path}`)) return response;
    lost = true;
    throw new TypeError('fetch failed');
  };
}

describe('what may go wrong on the way is put right', () => {
  test('a rotated box key: the keys are fetched, and the message goes up again', async () => {
    const { server, device } = await enrolled();
    server.rotate('box');
    server.box.pop();
    await device.inbox();
    expect(paths(server).slice(-4)).toEqual(['session', 'keys', 'session', 'inbox']);
  });

  test('a rotated seal key is believed because a held one signed the set', async () => {
    const { server, device, storage } = await enrolled();
    const op = server.start();
    server.rotate('seal');
    expect(await device.present(op)).toMatchObject({ op });
    server.seal.pop(); // the key of the enrollment is gone; the device has moved on
    server.rotate('seal');
    const again = (await openDevice(storage, worldOf(server)))!;
    expect(await again.present(op)).toMatchObject({ op });
  });

  test('a set that no held seal key signed is refused, and so is a challenge by its keys', async () => {
    const { server, device } = await enrolled();
    const op = server.start();
    server.rotate('seal');
    server.seal.pop();
    await expect(device.present(op)).rejects.toMatchObject({ code: 'keys_untrusted' });
  });

  test('an older set is not used although a held key signed it, and is no reason to give up', async () => {
    const { server, device } = await enrolled();
    const old = server.keySets();
    server.clock.advance(60);
    server.rotate('box');
    server.box.pop();
    await device.inbox();
    server.rotate('box');
    const former = server.box.pop()!;
    const { keySets } = server;
    server.keySets = () => old;
    server.clock.advance(3600);
    await expect(device.inbox()).rejects.toMatchObject({ code: 'unknown_key' });
    // the keys that it holds are in use again, or the server has read the newer ones
    server.box.push(former);
    await device.inbox();
    server.box.pop();
    server.keySets = keySets;
    server.clock.advance(3600);
    await device.inbox();
  });

  test.each([-3600, 3600])('a clock that is off by %i s follows the server’s', async (seconds) => {
    const { server, storage } = await enrolled();
    const device = (await openDevice(storage, { ...worldOf(server), now: () => server.clock.now() + seconds * 1000 }))!;
    const view = await device.present(server.start());
    expect(view.expiresAt - view.issuedAt).toBe(295);
    expect(await device.decide(view, { decision: 'approve', pin: PIN })).toMatchObject({ state: 'approved' });
  });

  test('a session that ended is replaced', async () => {
    const { server, device } = await enrolled();
    await device.inbox();
    server.clock.advance(3590);
    await device.inbox();
    expect(paths(server).filter((path) => path === 'session')).toHaveLength(2);
  });

  test('calls at the same time share one session', async () => {
    const { server, device } = await enrolled();
    await Promise.all([device.inbox(), device.inbox(), device.status()]);
    expect(paths(server).filter((path) => path === 'session')).toHaveLength(1);
  });

  test('a lost answer: the same message goes up again and counts once', async () => {
    const { server, storage } = await enrolled();
    loseAnswerTo(server, 'decide');
    const device = (await openDevice(storage, worldOf(server)))!;
    const view = await device.present(server.start());
    await expect(device.decide(view, { decision: 'approve', pin: '493816' })).rejects.toMatchObject({
      attemptsLeft: 2,
    });
    expect(paths(server).filter((path) => path === 'decide')).toHaveLength(2);
    expect([...server.devices.values()][0]?.failures).toBe(1);
  });

  test('a server that cannot be reached is `network`, after three attempts', async () => {
    const { server, storage } = await enrolled();
    let attempts = 0;
    const unreachable = async () => {
      attempts += 1;
      throw new TypeError('fetch failed');
    };
    const away = (await openDevice(storage, { ...worldOf(server), fetch: unreachable }))!;
    await expect(away.inbox()).rejects.toMatchObject({ code: 'network' });
    expect(attempts).toBe(3);
  });

  test('a plain answer by somebody on the way is never taken for the server’s', async () => {
    const { server, storage } = await enrolled();
    for (const code of ['device_refused', 'attempt_failed', 'ticket_invalid']) {
      const fetch = async () => Response.json({ code }, { status: 401 });
      const device = (await openDevice(storage, { ...worldOf(server), fetch }))!;
      await expect(device.inbox()).rejects.toMatchObject({ code: 'server_unexpected', status: 401 });
    }
  });

  test('an answer to another message does not open', async () => {
    const { server, storage } = await enrolled();
    const old = server.seen.at(-1)!;
    const fetch = async () => new Response(old.down, { headers: { 'content-type': 'application/jose' } });
    const device = (await openDevice(storage, { ...worldOf(server), fetch }))!;
    await expect(device.inbox()).rejects.toMatchObject({ code: 'server_unexpected' });
  });
});

describe('enrollment', () => {
  test('goes on only if the server shows the box key of the link', async () => {
    const server = createTestServer();
    const { uri } = server.newTicket();
    const other = createTestServer();
    await expect(beginEnrollment(memoryStorage(), uri, worldOf(other))).rejects.toMatchObject({
      code: 'keys_untrusted',
    });
    expect(paths(other)).toEqual(['keys']);
  });

  test('does not end with seal keys that somebody added at first contact', async () => {
    const server = createTestServer();
    const liar = createTestServer();
    const { uri } = server.newTicket();
    // the right box key, the right seal key, and one more, in a set that only the liar signed
    server.keySets = () => {
      const box = server.box.map(({ jwk, kid }) => ({ ...jwk, kid }));
      const seal = [liar.seal[0]!, { ...server.seal[0]!, privateKey: liar.seal[0]!.privateKey }];
      return signedKeySets({ issuer, changedAt: server.clock.now(), seal, box });
    };
    const enrollment = await beginEnrollment(memoryStorage(), uri, worldOf(server));
    await expect(enrollment.finish({ device: {}, pin: PIN })).rejects.toMatchObject({ code: 'keys_untrusted' });
  });

  test('does not write to another box key than that of the link, whatever somebody in between answers', async () => {
    const server = createTestServer();
    const liar = createTestServer();
    const { uri } = server.newTicket();
    const seal = [liar.seal[0]!, { ...server.seal[0]!, privateKey: liar.seal[0]!.privateKey }];
    const setWith = (box: ServerKeyPair) =>
      signedKeySets({ issuer, changedAt: server.clock.now(), seal, box: [{ ...box.jwk, kid: box.kid }] });
    const written: string[] = [];
    let contacts = 0;
    const fetch: typeof globalThis.fetch = async (url, init) => {
      if (String(url).endsWith('/keys'))
        return Response.json(setWith(++contacts === 1 ? server.box[0]! : liar.box[0]!));
      written.push(String(init?.body));
      return Response.json({ code: 'unknown_key' }, { status: 400 });
    };
    const begun = beginEnrollment(memoryStorage(), uri, { ...worldOf(server), fetch });
    await expect(begun).rejects.toMatchObject({ code: 'keys_untrusted' });
    expect(contacts).toBe(2);
    for (const message of written) expect(decodeProtectedHeader(message).kid).toBe(server.box[0]!.kid);
  });

  test('the same link opened again goes on with the same key; on another device it is refused', async () => {
    const server = createTestServer();
    const { uri } = server.newTicket();
    const storage = memoryStorage();
    const first = await beginEnrollment(storage, uri, worldOf(server));
    const again = await beginEnrollment(storage, uri, worldOf(server));
    expect(again.deviceId).toBe(first.deviceId);
    await expect(beginEnrollment(memoryStorage(), uri, worldOf(server))).rejects.toMatchObject({
      code: 'ticket_bound',
    });
  });

  test('shows for whom and under which policy before anything is final', async () => {
    const server = createTestServer();
    const storage = memoryStorage();
    const enrollment = await beginEnrollment(storage, server.newTicket().uri, worldOf(server));
    expect(enrollment).toMatchObject({
      display: { issuer: 'Example', application: 'Assent', masked_user: 'a***e' },
      policy: { pin_length: 6 },
    });
    await expect(enrollment.finish({ device: {}, pin: '123456' })).rejects.toMatchObject({ code: 'pin_weak' });
    await expect(enrollment.finish({ device: {}, pin: '4938' })).rejects.toMatchObject({ code: 'pin_too_short' });
    expect(await openDevice(storage, worldOf(server))).toBeUndefined();
    expect((await enrollment.finish({ device: {}, pin: PIN })).hasPin).toBe(true);
  });

  test.each(['enroll', 'status'])(
    'an answer to `%s` that is lost for good: finish again, or resume without the PIN',
    async (path) => {
      for (const way of ['finish', 'resume']) {
        const server = createTestServer();
        const storage = memoryStorage();
        let cut = true;
        const fetch: typeof globalThis.fetch = async (url, init) => {
          const response = await server.fetch(url, init);
          if (cut && String(url).endsWith(path)) throw new TypeError('fetch failed');
          return response;
        };
        const world = { ...worldOf(server), fetch };
        const enrollment = await beginEnrollment(storage, server.newTicket().uri, world);
        await expect(enrollment.finish({ device: {}, pin: PIN })).rejects.toMatchObject({ code: 'network' });
        cut = false;
        const device =
          way === 'finish' ? await enrollment.finish({ device: {}, pin: PIN }) : await resumeEnrollment(storage, world);
        expect(
          await device.decide(await device.present(server.start()), { decision: 'approve', pin: PIN }),
        ).toMatchObject({ state: 'approved' });
      }
    },
  );

  test('a device keeps working until the one that replaces it is active', async () => {
    const { server, device, storage } = await enrolled();
    const next = await beginEnrollment(storage, server.newTicket().uri, worldOf(server));
    expect((await openDevice(storage, worldOf(server)))?.deviceId).toBe(device.deviceId);
    await next.finish({ device: {}, pin: PIN });
    expect((await openDevice(storage, worldOf(server)))?.deviceId).toBe(next.deviceId);
  });

  test.each(['', 'hello', 'javascript:alert(1)#t=a&k=b', `${base}/`, `${base}/#t=abc`, `${base}/#k=abc`])(
    '%j is no enrollment link',
    (uri) => {
      expect(() => parseTicket(uri)).toThrow(DeviceError);
    },
  );

  test('with a typed code first contact rests on TLS, and a wrong code is refused', async () => {
    const server = createTestServer();
    const source = { authenticatorUrl: `${base}/`, user: 'alice', activationCode: 'AAAA-AAAA-A' };
    await expect(beginEnrollment(memoryStorage(), source, worldOf(server))).rejects.toMatchObject({
      code: 'ticket_invalid',
    });
  });
});

describe('lost keys are noticed and said plainly', () => {
  test('a record without its keys, as a restored backup has it', async () => {
    const { server, device, storage } = await enrolled();
    const record = (await storage.load('device'))!;
    await storage.save('device', { ...record, sig: { ...record.sig, privateKey: {} as never } });
    expect(await keyHealth(storage)).toMatchObject({
      state: 'lost',
      missing: 'keys',
      trace: { deviceId: device.deviceId },
    });
    await expect(openDevice(storage, worldOf(server))).rejects.toMatchObject({ code: 'keys_lost' });
  });

  test('keys of another record', async () => {
    const { storage } = await enrolled();
    const { storage: other } = await enrolled();
    const record = (await storage.load('device'))!;
    await storage.save('device', {
      ...record,
      enc: { ...record.enc, privateKey: (await other.load('device'))!.enc.privateKey },
    });
    expect(await keyHealth(storage)).toMatchObject({ state: 'lost', missing: 'keys' });
  });

  test('no record, but a trace elsewhere, as a cleared browser has it', async () => {
    const { server, storage } = await enrolled();
    await storage.erase('device');
    expect(await keyHealth(storage)).toMatchObject({
      state: 'lost',
      missing: 'record',
      trace: { display: { issuer: 'Example' } },
    });
    await expect(openDevice(storage, worldOf(server))).rejects.toMatchObject({
      code: 'keys_lost',
      message: expect.stringContaining('enrolled again'),
    });
  });

  test('nothing at all is no loss', async () => {
    expect(await keyHealth(memoryStorage())).toEqual({ state: 'none' });
    expect(await openDevice(memoryStorage())).toBeUndefined();
  });
});
