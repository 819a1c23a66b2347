import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outboundOf } from '../../src/composition/files.ts';
import { createAuthority, selfSigned } from '../support/certificates.ts';
import { watchedLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';

const authority = createAuthority();
const ours = authority.issue({ name: 'assent.example' });

/** Settings with files that can be used; what `texts` gives is in their place. */
async function withFiles(texts: Record<string, string> = {}) {
  const folder = await temporaryFolder('assent-outbound');
  const at = (name: string) => join(folder.path, name);
  const good = { 'a.pem': authority.cert, 'b.pem': authority.cert, 'cert.pem': ours.cert, 'key.pem': ours.key };
  for (const [name, text] of Object.entries({ ...good, ...texts })) writeFileSync(at(name), text);
  const start = (more: object = {}) =>
    outboundOf(
      {
        allowLoopback: false,
        allowedPorts: [443],
        allowedNetworks: [],
        trustAnchors: [at('a.pem'), at('b.pem')],
        clientCertificate: { certificate: at('cert.pem'), key: at('key.pem') },
        ...more,
      },
      watchedLog().log,
    );
  return { at, start, [Symbol.asyncDispose]: folder.remove };
}

test('files that can be used do not stop the start, nor does it need any', async () => {
  await using files = await withFiles();
  expect(files.start).not.toThrow();
  expect(() => files.start({ trustAnchors: [], clientCertificate: undefined })).not.toThrow();
});

const spoiled = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';

test.each([
  ['outbound.trustAnchors[1]: has no certificate (PEM) in it', { 'b.pem': ours.key }],
  ['outbound.trustAnchors[0]: has a certificate in it that cannot be read', { 'a.pem': authority.cert + spoiled }],
  ['outbound.clientCertificate.certificate: has no certificate (PEM) in it', { 'cert.pem': '' }],
  ['outbound.clientCertificate.key: is not the private key of the certificate', { 'key.pem': '' }],
  [
    'outbound.clientCertificate.key: is not the private key of the certificate',
    { 'key.pem': selfSigned({ name: 'another' }).key },
  ],
])('the start stops with one line: %s', async (message, texts) => {
  await using files = await withFiles(texts);
  expect(files.start).toThrow(expect.objectContaining({ name: 'ConfigError', message }));
});

test('a missing file stops it as well, named by its setting and not by its path', async () => {
  await using files = await withFiles();
  const nowhere = files.at('nowhere');
  const start = (more: object) => () => files.start(more);
  const message = (setting: string) => ({ message: `outbound.${setting}: cannot read the file (ENOENT)` });
  expect(start({ trustAnchors: [nowhere] })).toThrow(expect.objectContaining(message('trustAnchors[0]')));
  expect(start({ clientCertificate: { certificate: files.at('cert.pem'), key: nowhere } })).toThrow(
    expect.objectContaining(message('clientCertificate.key')),
  );
});
