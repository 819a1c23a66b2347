import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { connect, type SecureVersion } from 'node:tls';
import { drain } from '../../src/http/listeners.ts';
import { createTls } from '../../src/http/tls.ts';
import { selfSigned } from '../support/certificates.ts';
import { createClock } from '../support/clock.ts';
import { watchedLog } from '../support/log.ts';
import { createTimers } from '../support/timers.ts';
import { healthy, publicApp } from './support/server.ts';
import { defaults, startTls, type TlsFolder, tlsFolder } from './support/tls.ts';

const TLS_1_2 = { minVersion: 'TLSv1.2' as SecureVersion, maxVersion: 'TLSv1.2' as SecureVersion };
const ANCIENT = { minVersion: 'TLSv1' as SecureVersion, ciphers: 'ALL@SECLEVEL=0' };

/** What clients of TLS 1.2 offer and FAPI forbids: no forward secrecy, CBC, SHA-1, ChaCha20, finite-field Diffie-Hellman. */
const FORBIDDEN = [
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA256',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-CCM',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-SHA256',
];

describe('S-10 versions and ciphers', () => {
  describe.each(['rsa', 'ec'] as const)('S-10 with a certificate on %s keys', (keys) => {
    const name = keys === 'rsa' ? 'RSA' : 'ECDSA';
    let folder: TlsFolder;
    let server: Awaited<ReturnType<typeof startTls>>;
    beforeAll(async () => {
      folder = await tlsFolder({ keys });
      server = await startTls({ folder });
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });

    test.each(FORBIDDEN)('S-10 TLS 1.2 with %s is refused', async (cipher) => {
      const { error } = await server.handshake({ ...TLS_1_2, ciphers: `${cipher}@SECLEVEL=0` });
      expect(error).toBe('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE');
    });

    test.each(['TLSv1', 'TLSv1.1'] as const)('S-10 %s is refused', async (version) => {
      const { error } = await server.handshake({ ...ANCIENT, maxVersion: version });
      expect(error).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    });

    test.each([`ECDHE-${name}-AES128-GCM-SHA256`, `ECDHE-${name}-AES256-GCM-SHA384`])(
      'S-10 TLS 1.2 with %s is spoken',
      async (cipher) => {
        expect(await server.handshake({ ...TLS_1_2, ciphers: cipher })).toMatchObject({ protocol: 'TLSv1.2', cipher });
      },
    );

    test('S-10 TLS 1.3 is spoken, and preferred', async () => {
      expect(await server.handshake()).toMatchObject({ protocol: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' });
    });
  });

  test('S-10 the configuration defaults to these', () => {
    const { ciphers, minVersion, reloadSeconds } = JSON.parse(readFileSync('config/schema.json', 'utf8')).properties.tls
      .properties;
    const inSchema = { reloadSeconds: reloadSeconds.default, minVersion: minVersion.default, ciphers: ciphers.default };
    expect(inSchema).toEqual(defaults);
  });

  test('the operator can ask for TLS 1.3 alone, or for other ciphers of 1.2', async () => {
    await using folder = await tlsFolder({ keys: 'rsa' });
    await using newest = await startTls({ folder, settings: { minVersion: 'TLSv1.3' } });
    expect(await newest.handshake(TLS_1_2)).toMatchObject({ error: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    expect(await newest.handshake()).toMatchObject({ protocol: 'TLSv1.3' });
    await using other = await startTls({ folder, settings: { ciphers: ['ECDHE-RSA-CHACHA20-POLY1305'] } });
    expect(await other.handshake(TLS_1_2)).toMatchObject({ cipher: 'ECDHE-RSA-CHACHA20-POLY1305' });
  });

  test('a client that asks for new keys on an open connection loses it', async () => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder });
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...TLS_1_2 });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.renegotiate({ rejectUnauthorized: false }, () => {});
    socket.resume().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await closed;
  });
});

describe('certificates that change', () => {
  test('renewed files are taken into use at the next look, for new connections, without a restart', async () => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder });
    const before = await server.handshake();
    folder.renew();
    expect((await server.handshake()).serial).toBe(before.serial);
    server.timers.advance(60);
    const after = await server.handshake();
    expect(after.serial).toMatch(/^[0-9A-F]{32}$/);
    expect(after.serial).not.toBe(before.serial);
    // and once more, by hand
    folder.renew();
    expect(server.tls.reload()).toBe(true);
    expect((await server.handshake()).serial).not.toBe(after.serial);
    expect(server.tls.reload()).toBe(false);
    expect(server.events()).toEqual(['tls.reloaded', 'tls.reloaded']);
  });

  test('a connection that is open lives on', async () => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder });
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    folder.renew();
    server.tls.reload();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  test.each<[string, (folder: TlsFolder) => void]>([
    ['a certificate without its new key', ({ write }) => write('cert.pem', selfSigned({ name: 'login.example' }).cert)],
    ['half a file', ({ write }) => write('cert.pem', '-----BEGIN CERTIFICATE-----\nMIIB')],
    [
      'a certificate that is none',
      ({ write }) => write('cert.pem', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'),
    ],
    ['an empty key', ({ write }) => write('key.pem', '')],
  ])('%s changes nothing, is said once, and the next good one is taken', async (_what, spoil) => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder });
    const { serial } = await server.handshake();
    spoil(folder);
    server.timers.advance(300);
    expect((await server.handshake()).serial).toBe(serial);
    expect(server.events()).toEqual(['tls.reload.failed']);
    folder.renew();
    server.timers.advance(60);
    expect((await server.handshake()).serial).not.toBe(serial);
  });

  test('an expired certificate is used, and said', async () => {
    await using folder = await tlsFolder();
    folder.renew(new Date('2029-01-01T00:00:00Z'));
    await using server = await startTls({ folder });
    expect(server.events()).toEqual(['tls.expired']);
  });

  test.each<[string, string, (folder: TlsFolder) => void]>([
    ['tls.certificate', 'has no certificate (PEM) in it', ({ write }) => write('cert.pem', 'x')],
    [
      'tls.key',
      'is not the private key of the certificate',
      ({ write }) => write('key.pem', selfSigned({ name: 'a' }).key),
    ],
    [
      'tls.key',
      'cannot read the file (ENOENT)',
      (folder) => Object.assign(folder.settings, { key: folder.path('nowhere') }),
    ],
    [
      'tls.clientAuthorities',
      'cannot read the file (EISDIR)',
      (folder) => Object.assign(folder.settings, { clientAuthorities: folder.path('.') }),
    ],
  ])('at the start %s %s', async (setting, message, spoil) => {
    await using folder = await tlsFolder();
    spoil(folder);
    const clock = createClock();
    const start = () =>
      createTls({ settings: folder.settings, clock: clock.now, timers: createTimers(clock), log: watchedLog().log });
    expect(start).toThrow(expect.objectContaining({ setting, message }));
  });
});

describe('TH-20 limits as of the plain listeners', () => {
  const impatient = { headersTimeout: 60, requestTimeout: 120, connectionsCheckingInterval: 10 };

  test('TH-20 a handshake that never ends is ended', async () => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder, limits: impatient });
    const socket = connectPlain(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(Buffer.from([0x16, 0x03, 0x01])); // the first bytes of a ClientHello
    await new Promise((resolve) => socket.once('close', resolve));
  });

  test('TH-20 headers that never end get 408 and the end', async () => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder, limits: impatient });
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 408 /);
    socket.destroy();
  });

  test('plain HTTP on the TLS port gets nothing', async () => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder });
    const socket = connectPlain(server.port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(Buffer.concat(chunks).toString('latin1')).not.toMatch(/HTTP|ok/);
  });
});

describe('RL-19 a shutdown', () => {
  test('RL-19 requests in flight finish; a handshake that never ended does not keep the process', async () => {
    await using folder = await tlsFolder();
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    await using server = await startTls({
      folder,
      async handler(_req, res) {
        reached.resolve();
        await released.promise;
        res.end('held');
      },
    });
    const inFlight = server.ask();
    await reached.promise;
    const hanging = connectPlain(server.port, '127.0.0.1');
    hanging.on('error', () => {});
    hanging.write(Buffer.from([0x16, 0x03, 0x01]));
    const hung = new Promise((resolve) => hanging.once('close', resolve));
    await once(hanging, 'connect');
    const done = drain({
      listeners: [server.listener],
      health: healthy(),
      stopping: new AbortController(),
      deadlineMs: 20_000,
      idleGraceMs: 50,
      log: watchedLog().log,
    });
    await hung;
    released.resolve();
    expect(await inFlight).toEqual({ status: 200, body: 'held' });
    expect(await done).toBe(0);
  });
});

test('the same app answers over TLS as over HTTP', async () => {
  await using folder = await tlsFolder();
  await using server = await startTls({ folder, handler: publicApp() });
  expect(await server.ask({ path: '/health/live' })).toMatchObject({ status: 200 });
  expect(await server.ask({ path: '/management/v1/users' })).toMatchObject({ status: 404 });
});
