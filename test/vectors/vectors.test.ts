/** Both sides of the project against the published vectors: what the file says is accepted is, and all else is refused as it says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CryptoKey } from 'jose';
import { createCaller } from '../../src/device-sdk/caller.ts';
import {
  type ChallengeView,
  type DocumentView,
  readChallenge,
  readPostContext,
} from '../../src/device-sdk/challenge.ts';
import { codeIn } from '../../src/device-sdk/claim.ts';
import { fetchDocument } from '../../src/device-sdk/document.ts';
import { codeOf, DeviceError } from '../../src/device-sdk/errors.ts';
import { usableKey } from '../../src/device-sdk/keys.ts';
import { openDown } from '../../src/device-sdk/messages.ts';
import { pinKey } from '../../src/device-sdk/pin-key.ts';
import { runtimeOf } from '../../src/device-sdk/runtime.ts';
import { firstSet, nextSet } from '../../src/device-sdk/server-keys.ts';
import {
  type Act,
  evaluateProofs,
  openUp,
  type ProofKey,
  readClaim,
  readEnroll,
  readMethods,
  readRotate,
  readTickets,
  readUnenroll,
  serverKeyPair,
  type VerifiedRequest,
  verifyRedeem,
  verifyRequest,
} from '../../src/domain/device-messages/index.ts';
import { namedMethods } from '../../src/domain/device-messages/proofs.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { fromBase64url, sha256Base64url } from '../../src/support/bytes.ts';
import { type EcPrivateJwk, type EcPublicJwk, jwkThumbprint } from '../../src/support/jose/index.ts';

type Row = { name: string; token: string; expect: string; act: Act };
type VectorKey = EcPrivateJwk & { kid: string };

interface Vectors {
  issuer: string;
  now: number;
  device: { id: string };
  session: { id: string; key: string };
  rk: string;
  keys: Record<string, VectorKey>;
  thumbprints: Record<string, string>;
  up: Row[];
  redeem: Row[];
  proofs: { payload: string; rows: { name: string; proofs: string[]; expect: boolean[] }[] };
  upkeep: { waits: string; rows: Row[] };
  enrollment: { rows: Row[] };
  claims: { rows: Row[] };
  links: { name: string; text: string; expect: string; code?: string }[];
  down: Row[];
  confirmations: { rows: (Row & { code?: string })[] };
  contexts: { rows: (Row & { shown?: object })[] };
  documents: { op: string; document: DocumentView; rows: { name: string; expect: string; pieces: string[] }[] };
  challenges: { op: string; rows: (Row & { challenge_sha256?: string; ctx_hash?: string })[] };
  key_sets: { name: string; held: string[]; sets: string[]; not_before?: number; expect: string }[];
  first_contact: { name: string; k: string; sets: string[]; expect: string }[];
  pin: {
    rows: { pin: string; stored: Parameters<typeof pinKey>[0]; keys: { pin: string; public_jwk: EcPublicJwk }[] }[];
  };
}

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, 'device-protocol.json'), 'utf8')) as Vectors;
const { issuer, device, session, keys } = vectors;
const key = (name: string): VectorKey => keys[name]!;
const publicOf = ({ kty, crv, x, y }: EcPublicJwk): EcPublicJwk => ({ kty, crv, x, y });
const named = (name: string) => ({ ...publicOf(key(name)), kid: key(name).kid });
const now = vectors.now * 1000;
const rk = new Uint8Array(fromBase64url(vectors.rk));

/** What became of it, in the file's words. */
async function verdict(run: () => unknown): Promise<string> {
  try {
    await run();
    return 'accepted';
  } catch (error) {
    const code = error instanceof DomainError ? error.code : codeOf(error);
    if (code === undefined) throw error;
    return code;
  }
}

describe('the server', () => {
  const box = serverKeyPair({ kid: key('box').kid, privateJwk: { ...key('box') } });
  const open = (token: string) =>
    openUp(token, {
      boxKey: (kid) => (kid === box.kid ? box : undefined),
      openSession: (id) =>
        id === session.id
          ? { deviceId: device.id, generation: 0, exp: vectors.now + 60, key: fromBase64url(session.key) }
          : undefined,
    });

  test.each(vectors.up.map((row) => [row.expect, row.name, row] as const))(
    '%s: %s',
    async (expected, _, { token, act }) => {
      const findDevice = async (id: string) => (id === device.id ? 'device' : undefined);
      const verify = () =>
        verifyRequest(open(token), { issuer, act, now, findDevice, sigKey: () => publicOf(key('sig')) });
      expect(await verdict(verify)).toBe(expected);
    },
  );

  test.each(vectors.redeem.map((row) => [row.expect, row.name, row.token] as const))(
    'redeem, %s: %s',
    async (expected, _, token) => {
      expect(await verdict(() => verifyRedeem(open(token), { issuer, now }))).toBe(expected);
    },
  );

  test.each(vectors.proofs.rows.map((row) => [row.name, row] as const))(
    'a proof %s',
    (_, { proofs, expect: expected }) => {
      const known: ProofKey[] = [
        { kid: key('pin').kid, method: 'pin', jwk: publicOf(key('pin')) },
        { kid: key('uv').kid, method: 'biometric', jwk: publicOf(key('uv')) },
      ];
      const results = evaluateProofs({ payloadHash: sha256Base64url(vectors.proofs.payload), proofs }, known);
      expect(results.map(({ verified }) => verified)).toEqual(expected);
    },
  );

  // what the domain does with these messages, without its store: proofs are asked for, evaluated, and only then compared
  function backed(act: Act, request: VerifiedRequest<string>): void {
    const has = { sig: publicOf(key('sig')), enc: publicOf(key('enc')) };
    const pin: ProofKey = { kid: key('pin').kid, method: 'pin', jwk: publicOf(key('pin')) };
    if (act === 'status') return;
    const message = { methods: readMethods, rotate: readRotate, tickets: readTickets }[act as 'methods'](request, has);
    if (namedMethods(message.proofs, [pin]).length === 0) throw new DomainError('proof_required');
    if (!evaluateProofs(message.proofs, [pin]).every(({ verified }) => verified))
      throw new DomainError('attempt_failed');
    if (message.pin && jwkThumbprint(message.pin.jwk) === jwkThumbprint(pin.jwk)) throw new DomainError('key_reused');
  }

  test.each(vectors.upkeep.rows.map((row) => [row.expect, row.name, row] as const))(
    '%s: %s',
    async (expected, _, { token, act }) => {
      const findDevice = async (id: string) => (id === device.id ? 'device' : undefined);
      const nextSigKey = () => (act === 'status' ? publicOf(key(vectors.upkeep.waits)) : undefined);
      const checks = { issuer, act, now, findDevice, sigKey: () => publicOf(key('sig')), nextSigKey };
      expect(await verdict(async () => backed(act, await verifyRequest(open(token), checks)))).toBe(expected);
    },
  );

  test.each(vectors.enrollment.rows.map((row) => [row.expect, row.name, row] as const))(
    '%s: %s',
    async (expected, _, { token, act }) => {
      const findDevice = async (id: string) => (id === device.id ? 'device' : undefined);
      const checks = { issuer, act, now, findDevice, sigKey: () => publicOf(key('sig')) };
      const read = async () => {
        const request = await verifyRequest(open(token), checks);
        if (act === 'enroll') readEnroll(request, publicOf(key('sig')));
        else readUnenroll(request);
      };
      expect(await verdict(read)).toBe(expected);
    },
  );

  test.each(vectors.claims.rows.map((row) => [row.expect, row.name, row] as const))(
    '%s: %s',
    async (expected, _, { token, act }) => {
      const findDevice = async (id: string) => (id === device.id ? 'device' : undefined);
      const checks = { issuer, act, now, findDevice, sigKey: () => publicOf(key('sig')) };
      expect(await verdict(async () => readClaim(await verifyRequest(open(token), checks)))).toBe(expected);
    },
  );

  test('thumbprints', () => {
    for (const [name, thumbprint] of Object.entries(vectors.thumbprints))
      expect(jwkThumbprint(key(name))).toBe(thumbprint);
  });
});

describe('the device', () => {
  test.each(vectors.down.map((row) => [row.expect, row.name, row.token] as const))(
    'an answer, %s: %s',
    async (expected, _, token) => {
      expect(await verdict(() => openDown(token, rk))).toBe(expected);
    },
  );

  const challengeCaller = async () =>
    createCaller({
      base: issuer,
      id: device.id,
      key: await usableKey({ ...key('sig') }, 'sig'),
      enc: await usableKey({ ...key('enc') }, 'enc'),
      serverKeys: { issuer, iat: vectors.now, seal: [named('seal')], box: [named('box')] },
      runtime: runtimeOf({ now: () => now }),
      // there are no newer keys to be had
      refresh: (held) => nextSet([], held),
    });

  test.each(vectors.challenges.rows.map((row) => [row.expect, row.name, row] as const))(
    'a challenge, %s: %s',
    async (expected, _, row) => {
      const caller = await challengeCaller();
      const read = async () => {
        const { payload, claims } = await caller.openSealed(row.token, 'assent-challenge+jwt');
        const view = await readChallenge(payload, claims, { op: vectors.challenges.op, now: vectors.now });
        if (row.challenge_sha256) expect(view.challengeHash).toBe(row.challenge_sha256);
        if (row.ctx_hash) expect(view.contextHash).toBe(row.ctx_hash);
      };
      expect(await verdict(read)).toBe(expected);
    },
  );

  test.each(vectors.confirmations.rows.map((row) => [row.expect, row.name, row] as const))(
    'a confirmation, %s: %s',
    async (expected, _, { token, code }) => {
      const caller = await challengeCaller();
      const open = async () => {
        const { claims } = await caller.openSealed(token, 'assent-confirm+jwt');
        expect([typeof claims.confirm, claims.code]).toEqual(['string', code]);
      };
      expect(await verdict(open)).toBe(expected);
    },
  );

  test.each(vectors.links.map((row) => [row.expect, row.name, row] as const))(
    'what a QR code holds, %s: %s',
    async (expected, _, { text, code }) => {
      expect(await verdict(() => expect(codeIn(text)).toBe(code))).toBe(expected);
    },
  );

  test.each(vectors.contexts.rows.map((row) => [row.expect, row.name, row] as const))(
    'what is shown after success, %s: %s',
    async (expected, _, { token, shown }) => {
      const caller = await challengeCaller();
      const open = async () => {
        const { claims } = await caller.openSealed(token, 'assent-context+jwt');
        expect(readPostContext(claims)).toEqual(shown);
      };
      expect(await verdict(open)).toBe(expected);
    },
  );

  test.each(vectors.documents.rows.map((row) => [row.expect, row.name, row] as const))(
    'a document, %s: %s',
    async (expected, _, { pieces }) => {
      const left = [...pieces];
      const caller = { ...(await challengeCaller()), inSession: async () => ({ document: left.shift() }) };
      const { op, document } = vectors.documents;
      const fetched = () => fetchDocument(caller, { op } as ChallengeView, document);
      expect(await verdict(fetched)).toBe(expected);
      expect(left).toEqual([]);
    },
  );

  test.each(vectors.key_sets.map((row) => [row.expect, row.name, row] as const))(
    'a key set, %s: %s',
    async (expected, _, { sets, held, not_before }) => {
      const before = { issuer: '', iat: not_before ?? 0, seal: held.map(named), box: [] };
      const follow = async () => {
        // an older one is not taken: what is held stays
        if ((await nextSet(sets, before)) === before) throw new DeviceError('keys_untrusted');
      };
      expect(await verdict(follow)).toBe(expected);
    },
  );

  test.each(vectors.first_contact.map((row) => [row.expect, row.name, row] as const))(
    'first contact, %s: %s',
    async (expected, _, { sets, k }) => {
      expect(await verdict(() => firstSet(sets, k))).toBe(expected);
    },
  );

  test.each(vectors.pin.rows.map((row) => [row.pin, row] as const))(
    'the PIN %s and its neighbours give the keys of the file',
    async (_, { stored, keys: expected }) => {
      for (const { pin, public_jwk } of expected)
        expect(await isPair((await pinKey(stored, pin)).privateKey, public_jwk)).toBe(true);
    },
  );

  async function isPair(privateKey: CryptoKey, jwk: EcPublicJwk): Promise<boolean> {
    const algorithm = { name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' };
    const signature = await crypto.subtle.sign(algorithm, privateKey, rk);
    const publicKey = await crypto.subtle.importKey('jwk', { ...jwk }, algorithm, false, ['verify']);
    return crypto.subtle.verify(algorithm, publicKey, signature, rk);
  }
});

test('the file holds no vector twice, and more refusals than acceptances', () => {
  const rows = [...vectors.up, ...vectors.redeem, ...vectors.down, ...vectors.challenges.rows];
  expect(new Set(rows.map(({ token }) => token)).size).toBe(rows.length);
  expect(rows.filter(({ expect: expected }) => expected !== 'accepted').length).toBeGreaterThan(150);
});
