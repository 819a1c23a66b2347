/** Every way that we know of to pass off a JWT that the holder of the key did not sign in this form (RFC 8725, RFC 7515). */
import { createHmac, createSign, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface Base {
  header: Record<string, unknown>;
  payload: Record<string, unknown>;
  /** The key that the reader trusts. P-256. */
  key: KeyObject;
  publicKey: KeyObject;
  /** Whatever else the attacker may know. */
  known: string[];
  /** Where nobody should call. */
  trap: string;
}

export type Vector = [name: string, jwt: string];

const b64 = (value: string | Uint8Array) => Buffer.from(value).toString('base64url');
const json = (value: unknown) => b64(JSON.stringify(value));
const es256 = (input: string, key: KeyObject) =>
  sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
const signed = (header: string, payload: string, key: KeyObject) =>
  `${header}.${payload}.${es256(`${header}.${payload}`, key)}`;

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const strangerRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const strangerEd = generateKeyPairSync('ed25519');

export function attacksOn(base: Base): Vector[] {
  return [
    ...algorithms(base),
    ...headers(base),
    ...kids(base),
    ...signatures(base),
    ...spellings(base),
    ...shapes(base),
  ];
}

/** `none`, HS* with whatever is public, names that are none, and other algorithms over the trusted signature. */
function algorithms({ header, payload, key, publicKey, known }: Base): Vector[] {
  const body = json(payload);
  const vectors: Vector[] = [];
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', 'null', ' ES256', 'es256', 'ES256K', 'ES384', 'ES512']) {
    const head = json({ ...header, alg });
    vectors.push([`alg ${alg}, no signature`, `${head}.${body}.`], [`alg ${alg}, signed`, signed(head, body, key)]);
  }
  for (const alg of [null, 7, true, [], ['ES256'], {}, undefined]) {
    const head = json({ ...header, alg });
    vectors.push([`alg ${JSON.stringify(alg)}`, signed(head, body, key)]);
  }
  for (const alg of ['RS256', 'RS384', 'PS256', 'PS512', 'EdDSA', 'Ed25519', 'dir', 'A256KW', 'PBES2-HS256+A128KW']) {
    vectors.push([`alg ${alg} over ES256`, signed(json({ ...header, alg }), body, key)]);
  }
  const secrets = [
    publicKey.export({ type: 'spki', format: 'pem' }) as string,
    publicKey.export({ type: 'spki', format: 'der' }),
    JSON.stringify(publicKey.export({ format: 'jwk' })),
    '',
    '\0',
    ...known,
  ];
  for (const bits of [256, 384, 512]) {
    for (const [i, secret] of secrets.entries()) {
      for (const more of [{}, { kid: undefined }]) {
        const input = `${json({ ...header, alg: `HS${bits}`, ...more })}.${body}`;
        const mac = createHmac(`sha${bits}`, secret).update(input).digest('base64url');
        vectors.push([`HS${bits} with ${i}${'kid' in more ? ', no kid' : ''}`, `${input}.${mac}`]);
      }
    }
  }
  return vectors;
}

/** Keys that the token brings along or points to, and extensions. */
function headers({ header, payload, key, trap }: Base): Vector[] {
  const body = json(payload);
  const jwk = stranger.publicKey.export({ format: 'jwk' });
  const x5c = [stranger.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')];
  const brought: Record<string, unknown>[] = [
    {},
    { jwk },
    { jwk: { ...jwk, kid: header['kid'] } },
    { jku: `${trap}/jku` },
    { x5u: `${trap}/x5u` },
    { jku: `${trap}/jku`, jwk },
    { x5c },
    { x5t: 'AAAA', 'x5t#S256': 'AAAA' },
    { jwk: { kty: 'oct', k: 'AAAA' } },
  ];
  const vectors: Vector[] = [];
  for (const more of brought) {
    for (const kid of [header['kid'], undefined, 'stranger']) {
      const head = json({ ...header, ...more, kid });
      vectors.push([`a stranger’s, ${Object.keys(more)} kid ${String(kid)}`, signed(head, body, stranger.privateKey)]);
    }
  }
  const extensions: Record<string, unknown>[] = [
    { crit: ['b64'], b64: true },
    { crit: ['b64'], b64: false },
    { crit: ['exp'], exp: 1 },
    { crit: ['x'], x: 1 },
    { crit: [] },
    { crit: 'b64' },
    { crit: null },
    { crit: ['alg'] },
    { crit: {} },
  ];
  for (const more of extensions) {
    vectors.push([`crit ${JSON.stringify(more)}`, signed(json({ ...header, ...more }), body, key)]);
  }
  for (const [name, { privateKey }, alg] of [
    ['RSA', strangerRsa, 'RS256'],
    ['RSA', strangerRsa, 'PS256'],
  ] as const) {
    const input = `${json({ ...header, alg })}.${body}`;
    const signature = createSign('sha256').update(input).sign(privateKey).toString('base64url');
    vectors.push([`a stranger’s ${name} as ${alg}`, `${input}.${signature}`]);
  }
  const input = `${json({ ...header, alg: 'EdDSA' })}.${body}`;
  vectors.push([
    'a stranger’s EdDSA',
    `${input}.${sign(null, Buffer.from(input), strangerEd.privateKey).toString('base64url')}`,
  ]);
  return vectors;
}

/** `kid` is a name to compare with, and no path, query, or key of an object. */
function kids({ header, payload }: Base): Vector[] {
  const names = [
    '',
    '../../../../dev/null',
    '/dev/null',
    "' OR '1'='1",
    `${String(header['kid'])}\0`,
    ` ${String(header['kid'])}`,
    '__proto__',
    'constructor',
    'toString',
    '| id',
    '0',
    'x'.repeat(10_000),
    7,
    null,
    [],
    [header['kid']],
    { $ne: null },
  ];
  return names.map((kid) => [
    `kid ${JSON.stringify(kid).slice(0, 40)}`,
    signed(json({ ...header, kid }), json(payload), stranger.privateKey),
  ]);
}

/** Bytes that are no signature of this key over this text. */
function signatures({ header, payload, key }: Base): Vector[] {
  const input = `${json(header)}.${json(payload)}`;
  const good = Buffer.from(es256(input, key), 'base64url');
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const zero = Buffer.alloc(32);
  const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);
  const wrong: [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['r = s = 0', Buffer.concat([zero, zero])],
    ['r = 0', Buffer.concat([zero, good.subarray(32)])],
    ['s = 0', Buffer.concat([good.subarray(0, 32), zero])],
    ['r = s = 1', Buffer.concat([one, one])],
    ['r = n', Buffer.concat([order, good.subarray(32)])],
    ['s = n', Buffer.concat([good.subarray(0, 32), order])],
    ['all ones', Buffer.alloc(64, 0xff)],
    ['swapped', Buffer.concat([good.subarray(32), good.subarray(0, 32)])],
    ['cut', good.subarray(0, 63)],
    ['longer', Buffer.concat([good, Buffer.from([0])])],
    ['doubled', Buffer.concat([good, good])],
    ['DER', sign('sha256', Buffer.from(input), { key, dsaEncoding: 'der' })],
    ['of the payload alone', Buffer.from(es256(json(payload), key), 'base64url')],
    ['over SHA-512', sign('sha512', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })],
  ];
  for (let at = 0; at < 64; at += 4) {
    const flipped = Buffer.from(good);
    flipped[at]! ^= 1;
    wrong.push([`bit ${at * 8} flipped`, flipped]);
  }
  const other = `${json(header)}.${json({ ...payload, jti: 'other', moon: 1 })}`;
  return [
    ...wrong.map(([name, bytes]): Vector => [`signature ${name}`, `${input}.${bytes.toString('base64url')}`]),
    ['the signature of another token', `${other}.${good.toString('base64url')}`],
  ];
}

/** One message, spelled in a way that another reader might read differently. None of them is signed by the key as it stands. */
function spellings({ header, payload, key }: Base): Vector[] {
  const token = signed(json(header), json(payload), key);
  const [head, body, signature] = token.split('.') as [string, string, string];
  return [
    ['padded header', `${head}=.${body}.${signature}`],
    ['padded payload', `${head}.${body}=.${signature}`],
    ['a blank in the payload', `${head}.${body.slice(0, 8)} ${body.slice(8)}.${signature}`],
    ['a line break in the header', `${head.slice(0, 8)}\n${head.slice(8)}.${body}.${signature}`],
    ['a dot at the end', `${token}.`],
    ['a dot in front', `.${token}`],
    ['four parts', `${token}.${signature}`],
    ['no header', `.${body}.${signature}`],
    ['no payload', `${head}..${signature}`],
    ['two parts', `${head}.${body}`],
    ['one part', head],
    ['JSON serialization', JSON.stringify({ protected: head, payload: body, signature })],
    ['general serialization', JSON.stringify({ payload: body, signatures: [{ protected: head, signature }] })],
    ['a scheme in front', `Bearer ${token}`],
    ['nothing but dots', '..'],
    ['quotes', `"${token}"`],
  ];
}

/** JSON that is ambiguous, or that is no object; encrypted and nested tokens. A stranger made them. */
function shapes({ header, payload, trap }: Base): Vector[] {
  const head = json(header);
  const text = JSON.stringify(payload);
  const make = (h: string, p: string) => signed(h, p, stranger.privateKey);
  const inner = make(head, json(payload));
  const jwe = (more: object) => `${json({ alg: 'dir', enc: 'A256GCM', ...more })}..AAAA.AAAA.AAAA`;
  return [
    ['a member twice', make(head, b64(text.replace('{', '{"sub":"x","sub":"y",')))],
    ['a header member twice', make(b64(JSON.stringify(header).replace('{', '{"alg":"none",')), json(payload))],
    ['__proto__', make(head, b64(text.replace('{', '{"__proto__":{"admin":true},')))],
    ['an array', make(head, json([payload]))],
    ['null', make(head, b64('null'))],
    ['a text', make(head, b64('"x"'))],
    ['a number', make(head, b64('7'))],
    ['no JSON', make(head, b64('{'))],
    ['two objects', make(head, b64(`${text}${text}`))],
    ['a byte order mark', make(head, b64(`\ufeff${text}`))],
    ['no UTF-8', make(head, b64(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])))],
    ['UTF-16', make(head, b64(Buffer.from(text, 'utf16le')))],
    ['nested deep', make(head, b64(`${'['.repeat(20_000)}${']'.repeat(20_000)}`))],
    ['objects nested deep', make(head, b64(`${'{"a":'.repeat(4000)}1${'}'.repeat(4000)}`))],
    ['a header that is an array', make(json([header]), json(payload))],
    ['a header that is null', make(b64('null'), json(payload))],
    ['a JWS within', make(json({ ...header, cty: 'JWT' }), b64(inner))],
    ['a JWE', jwe({})],
    ['a JWE that is compressed', jwe({ zip: 'DEF' })],
    ['a JWE with a billion rounds', jwe({ alg: 'PBES2-HS512+A256KW', p2c: 2 ** 31 - 1, p2s: 'AAAAAAAAAAA' })],
    ['a JWE that points elsewhere', jwe({ alg: 'RSA-OAEP-256', jku: `${trap}/jwe` })],
    ['a JWE with a key', jwe({ alg: 'ECDH-ES', epk: { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' } })],
    ['a number that is too large', make(head, b64(text.replace('{', '{"exp":1e400,')))],
    ['compressed', make(json({ ...header, zip: 'DEF' }), json(payload))],
  ];
}
