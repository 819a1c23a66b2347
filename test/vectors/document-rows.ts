/** Vectors for the device: the pieces of a document, which together must be the one that the context names. */
import { deviceId, fresh, issuer, keys, type NamedKey, thumbprint } from './cast.ts';
import { b64, jweTo, jws, sha256 } from './forge.ts';

const content = `Terms\n\n${'The rate is 4,10 %. '.repeat(6)}Ω\n`;
const bytes = Buffer.from(content);
const half = 64;

export const documentOp = 'op-1';
export const document = {
  title: 'Terms',
  mime: 'text/plain',
  sha256: sha256(content),
  size: bytes.length,
  display: 'text',
};

interface Faults {
  claims?: object;
  key?: NamedKey;
  header?: object;
  to?: NamedKey;
}

function piece(offset: number, data: Uint8Array, { claims, key = keys.seal, header, to = keys.enc }: Faults = {}) {
  const { sha256: hash, size } = document;
  const payload = {
    iss: issuer,
    aud: deviceId,
    op: documentOp,
    sha256: hash,
    size,
    offset,
    data: b64(data),
    ...claims,
  };
  const signed = jws({ alg: 'ES256', typ: 'assent-document+jwt', kid: key.kid, ...header }, payload, key.privateKey);
  return jweTo({ typ: 'assent-sealed', cty: 'JWT', kid: thumbprint(keys.enc) }, signed, to.publicKey);
}

const first = (faults?: Faults) => piece(0, bytes.subarray(0, half), faults);
const rest = (faults?: Faults) => piece(half, bytes.subarray(half), faults);
const changed = Buffer.from(content.replaceAll('4,10', '9,10'));

const row = (name: string, expect: string, ...pieces: string[]) => ({ name, expect, pieces });

export const documentRows = [
  row('whole', 'accepted', piece(0, bytes)),
  row('in two pieces', 'accepted', first(), rest()),
  row('with another content', 'document_changed', piece(0, changed)),
  row('with another content in its second piece', 'document_changed', first(), piece(half, changed.subarray(half))),
  row(
    'whose hash is another’s',
    'document_changed',
    piece(0, changed, { claims: { sha256: sha256(changed.toString()) } }),
  ),
  row('that is longer than announced', 'document_changed', piece(0, Buffer.concat([bytes, Buffer.from('.')]))),
  row('of another length', 'document_changed', first({ claims: { size: document.size + 1 } })),
  row('with a piece of nothing', 'document_changed', first(), piece(half, Buffer.alloc(0))),
  row('whose first piece comes twice', 'document_changed', first(), first()),
  row('of another operation', 'document_changed', piece(0, bytes, { claims: { op: 'op-2' } })),
  row('with bytes that are no base64url', 'document_changed', piece(0, bytes, { claims: { data: '****' } })),
  row('with a list for bytes', 'document_changed', piece(0, bytes, { claims: { data: [1, 2, 3] } })),
  row('for another device', 'server_unexpected', piece(0, bytes, { claims: { aud: fresh() } })),
  row('of another server', 'server_unexpected', piece(0, bytes, { claims: { iss: 'https://other.example.test' } })),
  row('encrypted to another device', 'server_unexpected', piece(0, bytes, { to: keys.stranger })),
  row('by a seal key that is not held', 'keys_untrusted', piece(0, bytes, { key: keys.strangerSeal })),
  row('typ of a challenge', 'keys_untrusted', piece(0, bytes, { header: { typ: 'assent-challenge+jwt' } })),
];
