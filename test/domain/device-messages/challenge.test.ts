import {
  buildChallenge,
  buildContext,
  type ChallengeOf,
  challengeHash,
  contextHash,
  sealChallenge,
  serverKeyPair,
  signChallenge,
} from '../../../src/domain/device-messages/index.ts';
import {
  decryptJwe,
  newEcKey,
  parseJwe,
  privateJwkOf,
  publicJwkOf,
  publicKeyOf,
  verifyJws,
} from '../../../src/support/jose/index.ts';
import { createSecrets } from '../../../src/support/secrets.ts';

const secrets = createSecrets(Buffer.alloc(32, 1));
const seal = serverKeyPair({ kid: 'seal-1', privateJwk: { ...privateJwkOf(newEcKey()) } });
const device = newEcKey();
const shown = {
  client: { id: 'demo', name: 'Demo Bank' },
  purpose: 'authentication',
  bindingMessage: 'Zahlung über 12,50 €',
};
const ctx = buildContext({ op: 'op-1', kind: 'authentication', ...shown });
const challenge: ChallengeOf = {
  issuer: 'https://id.example.test',
  deviceId: 'device-1',
  op: 'op-1',
  createdAt: 1_893_456_000_000,
  answerBy: 1_893_456_295_000,
  ctx,
  methods: ['pin'],
};
const build = (changes: Partial<ChallengeOf> = {}) => buildChallenge(secrets, { ...challenge, ...changes });

/** What the device finds inside. */
const opened = (sealed: string) => {
  const jws = decryptJwe(parseJwe(sealed), { alg: 'ECDH-ES', privateKey: device }).toString();
  return verifyJws(jws, { typ: 'assent-challenge+jwt', key: publicKeyOf(seal.jwk) }).payload.toString();
};

test('presented again, a challenge is the same bytes, whatever the signature and the encryption around them', () => {
  const [first, second] = [
    sealChallenge(publicJwkOf(device), seal, build()),
    sealChallenge(publicJwkOf(device), seal, build()),
  ];
  expect(first).not.toBe(second);
  expect(opened(first)).toBe(opened(second));
  expect(challengeHash(opened(first))).toBe(challengeHash(build()));
});

test('the payload says what the protocol says, in seconds', () => {
  expect(JSON.parse(build())).toEqual({
    iss: 'https://id.example.test',
    aud: 'device-1',
    op: 'op-1',
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    iat: 1893456000,
    exp: 1893456295,
    ctx,
    methods: ['pin'],
  });
});

test('the nonce differs by operation, by device and by server', () => {
  const nonces = [
    build(),
    build({ op: 'op-2' }),
    build({ deviceId: 'device-2' }),
    buildChallenge(createSecrets(Buffer.alloc(32, 2)), challenge),
  ].map((text) => (JSON.parse(text) as { nonce: string }).nonce);
  expect(new Set(nonces).size).toBe(4);
});

test('the ids of operation and device cannot be read into each other', () => {
  const nonceOf = (op: string, deviceId: string) => (JSON.parse(build({ op, deviceId })) as { nonce: string }).nonce;
  expect(nonceOf('ab', 'c')).not.toBe(nonceOf('a', 'bc'));
});

test('of numbers, only those to choose from travel, and nothing where none is asked for', () => {
  const match = (value: ChallengeOf['match']) =>
    (JSON.parse(build(value && { match: value })) as { match?: unknown }).match;
  expect(match({ mode: 'choose', options: ['17', '42', '88'] })).toEqual({
    mode: 'choose',
    options: ['17', '42', '88'],
  });
  expect(match({ mode: 'type6', options: ['417293'] })).toEqual({ mode: 'type6' });
  expect(match({ mode: 'none' })).toBeUndefined();
  expect(match(undefined)).toBeUndefined();
});

test('a challenge signed for evidence is the one that was presented', () => {
  const jws = signChallenge(seal, build());
  expect(verifyJws(jws, { typ: 'assent-challenge+jwt', key: publicKeyOf(seal.jwk) }).payload.toString()).toBe(build());
});

describe('the context', () => {
  test('is a text with a salt of 128 bits, so that its hash tells nothing about a short message', () => {
    const { salt, ...rest } = JSON.parse(ctx) as Record<string, unknown>;
    expect(Buffer.from(String(salt), 'base64url')).toHaveLength(16);
    expect(rest).toEqual({
      v: 1,
      op: 'op-1',
      kind: 'authentication',
      purpose: 'authentication',
      client: { id: 'demo', name: 'Demo Bank' },
      binding_message: 'Zahlung über 12,50 €',
    });
    const again = buildContext({ op: 'op-1', kind: 'authentication', ...shown });
    expect(contextHash(again)).not.toBe(contextHash(ctx));
  });

  test('changes its hash with any byte', () => {
    for (let i = 0; i < ctx.length; i += 1)
      expect(contextHash(`${ctx.slice(0, i)}~${ctx.slice(i + 1)}`)).not.toBe(contextHash(ctx));
  });

  test('takes amounts as texts only', () => {
    const payment = { kind: 'authorization' as const, op: 'op-1', ...shown };
    expect(buildContext({ ...payment, transaction: { payment: { amount: '12.50', currency: 'EUR' } } })).toContain(
      '"amount":"12.50"',
    );
    expect(() => buildContext({ ...payment, transaction: { payment: { amount: 12.5 } } })).toThrow(TypeError);
  });
});
