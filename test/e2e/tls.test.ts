import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { createAuthority } from '../support/certificates.ts';
import { freePorts } from '../support/ports.ts';
import { startServer } from '../support/server.ts';
import { temporaryFolder } from '../support/tmp.ts';

const authority = createAuthority();

/** Certificate and key in files, as the configuration wants them. */
async function files() {
  const folder = await temporaryFolder('assent-certificates');
  const certificate = join(folder.path, 'cert.pem');
  const key = join(folder.path, 'key.pem');
  const renew = () => {
    const issued = authority.issue({ name: 'login.example' });
    writeFileSync(certificate, issued.cert);
    writeFileSync(key, issued.key);
  };
  renew();
  return { certificate, key, renew, [Symbol.asyncDispose]: folder.remove };
}

/** Status, body and the serial number of the certificate that the server showed. */
async function ask(port: number, path: string) {
  const req = request({
    host: '127.0.0.1',
    port,
    path,
    servername: 'login.example',
    ca: authority.cert,
    agent: false,
  }).end();
  const [res] = await once(req, 'response');
  const { serialNumber: serial } = (res.socket as TLSSocket).getPeerX509Certificate()!;
  let body = '';
  for await (const chunk of res) body += chunk;
  return { status: res.statusCode, body, serial };
}

test('a server with certificates answers over TLS on both ports, takes renewed ones on SIGHUP, and drains', async () => {
  await using tls = await files();
  const [port = 0, clientPort = 0] = await freePorts(2);
  const { certificate, key } = tls;
  await using server = await startServer({ config: { tls: { port, clientPort, certificate, key } } });
  const first = await ask(port, '/.well-known/openid-configuration');
  expect([first.status, JSON.parse(first.body).issuer]).toEqual([200, server.issuer]);
  expect((await ask(clientPort, '/health/live')).status).toBe(200);

  tls.renew();
  process.kill(server.pid(), 'SIGHUP');
  let now = first;
  while (now.serial === first.serial) now = await ask(port, '/health/live');
  expect(now.status).toBe(200);
  expect(server.output()).toContain('"tls.reloaded"');
  expect(await server.stop()).toBe(0);
});

test('RL-25 certificates that cannot be used end the start with one line and status 78', async () => {
  await using tls = await files();
  const config = { tls: { port: 0, certificate: tls.certificate, key: join(tls.key, 'nowhere') } };
  await using server = await startServer({ config, expectReady: false });
  expect(await server.ended()).toBe(78);
  expect(server.output().trim().split('\n')).toEqual([
    expect.stringMatching(/^assent: tls\.key: cannot read the file \(ENOTDIR\)$/),
  ]);
});
