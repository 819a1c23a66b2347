/** A device that says whatever a test wants: each message is made by hand, none of the SDK's care stands in between. */
import { type KeyObject, randomBytes } from 'node:crypto';
import { typ } from '../../src/domain/device-messages/wire.ts';
import type { User } from '../../src/domain/user.ts';
import { sha256Base64url } from '../../src/support/bytes.ts';
import {
  decryptJwe,
  type EcPublicJwk,
  encryptDir,
  encryptTo,
  jwkThumbprint,
  newEcKey,
  parseJwe,
  parseJws,
  publicJwkOf,
  signJws,
} from '../../src/support/jose/index.ts';
import type { DeviceServer } from './device-server.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any form
type Json = Record<string, any>;

export interface Answer {
  status: number;
  /** The opened answer, or the plain problem. */
  body: Json;
  /** Of a refusal. */
  code: string | undefined;
  type: string;
}

export interface Making {
  /** Members beside or instead of the common claims. */
  claims?: Json;
  header?: Json;
  key?: KeyObject;
  proofs?: (payloadHash: string) => string[];
}

export type RawDevice = Awaited<ReturnType<typeof enrollRaw>>;

export const jti = () => randomBytes(16).toString('base64url');

/** A JWS `assent-request+jwt` with its proofs. */
export function makeRequest(server: DeviceServer, kid: string, act: string, making: Making & { key: KeyObject }) {
  const iat = Math.floor(server.scene.clock.now() / 1000);
  const claims = { iss: kid, aud: server.issuer, iat, jti: jti(), act, ...making.claims };
  const payload = JSON.stringify(claims);
  const proofs = making.proofs?.(sha256Base64url(payload)) ?? [];
  const hashes = proofs.length > 0 ? { proofs_sha256: proofs.map((proof) => sha256Base64url(proof)) } : {};
  return { jws: signJws(making.key, { typ: typ.request, kid, ...hashes, ...making.header }, payload), proofs };
}

export function proofBy(key: KeyObject, kid: string, payloadHash: string, header: Json = {}): string {
  const body = JSON.stringify({ payload_sha256: payloadHash, salt: randomBytes(32).toString('base64url') });
  return signJws(key, { typ: typ.proof, kid, ...header }, body);
}

/** Pads, encrypts, posts, opens the answer. */
export async function post(
  server: DeviceServer,
  act: string,
  content: object,
  { base = server.base, box, session }: { base?: string; box?: EcPublicJwk & { kid: string }; session?: Json } = {},
): Promise<Answer> {
  const rk = randomBytes(32);
  const bare = JSON.stringify({ rk: rk.toString('base64url'), ...content, pad: '' });
  const pad = ' '.repeat((512 - (Buffer.byteLength(bare) % 512)) % 512);
  const plaintext = bare.replace(/""}$/, `"${pad}"}`);
  const head = { typ: typ.up, cty: 'json' };
  const { kid, publicJwk } = server.scene.serverKeys.current('box');
  const target = box ?? { ...(publicJwk as unknown as EcPublicJwk), kid };
  const body = session
    ? encryptDir(Buffer.from(session.key, 'base64url'), { ...head, kid: session.id }, plaintext)
    : encryptTo(target, { ...head, kid: target.kid }, plaintext);
  return postBytes(server, act, body, { base, rk });
}

export async function postBytes(
  server: DeviceServer,
  act: string,
  body: string,
  {
    base = server.base,
    rk,
    type: contentType = 'application/jose',
  }: { base?: string; rk?: Buffer; type?: string } = {},
): Promise<Answer> {
  const response = await fetch(`${base}/device/v1/${act}`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
  });
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  const opened: Json =
    rk && type.startsWith('application/jose')
      ? JSON.parse(decryptJwe(parseJwe(text), { alg: 'dir', key: rk }).toString())
      : JSON.parse(text || '{}');
  return { status: response.status, body: opened, code: opened.problem?.code ?? opened.code, type };
}

/** What was sealed for a device: payload of the JWS inside, verified by nobody. */
export function openSealed(token: string, enc: KeyObject): { text: string; claims: Json } {
  const jws = decryptJwe(parseJwe(token), { alg: 'ECDH-ES', privateKey: enc }).toString();
  const text = parseJws(jws).payload.toString();
  return { text, claims: JSON.parse(text) };
}

/** Redeems a ticket with a key. */
export async function redeem(server: DeviceServer, ticketUri: string, key: KeyObject, options: { base?: string } = {}) {
  const ticket = new URLSearchParams(new URL(ticketUri).hash.slice(1)).get('t');
  return redeemWith(server, { ticket }, key, options);
}

export async function redeemWith(server: DeviceServer, claims: Json, key: KeyObject, options: { base?: string } = {}) {
  const jwk = publicJwkOf(key);
  return post(
    server,
    'redeem',
    makeRequest(server, jwkThumbprint(jwk), 'redeem', { key, claims, header: { jwk } }),
    options,
  );
}

export interface RawOptions {
  withPin?: boolean;
  sig?: KeyObject;
  enc?: KeyObject;
  applicationId?: string;
  /** Stop before `enc` is confirmed. */
  pending?: boolean;
  /** Of a ticket that is there already. */
  uri?: string;
}

/** An enrolled device whose keys the test holds. Its PIN is right where `pin` signs, wrong where any other key does. */
export async function enrollRaw(server: DeviceServer, user: User, options: RawOptions = {}) {
  const { sig = newEcKey(), enc = newEcKey(), withPin = true } = options;
  const [pin, pinKid] = [newEcKey(), randomBytes(12).toString('base64url')];
  const { uri = (await server.ticket(user, options.applicationId)).uri } = options;
  const redeemed = await redeem(server, uri, sig);
  const id: string = redeemed.body.device_id;

  const make = (act: string, making: Making = {}) => makeRequest(server, id, act, { key: sig, ...making });
  const call = (act: string, making: Making = {}, to = {}) => post(server, act, make(act, making), to);
  const enroll = () =>
    call('enroll', {
      claims: {
        nonce: redeemed.body.nonce,
        keys: { enc: publicJwkOf(enc), ...(withPin && { pin: { kid: pinKid } }) },
        device: { name: 'Raw' },
      },
      ...(withPin && { proofs: (hash: string) => [proofBy(pin, pinKid, hash, { jwk: publicJwkOf(pin) })] }),
    });
  const enrolled = await enroll();
  const confirm = () => openSealed(enrolled.body.confirm, enc).claims.confirm as string;
  const activate = () => call('status', { claims: { confirm: confirm() } });
  if (!options.pending && enrolled.status === 200) await activate();

  /** The claims of an answer to the challenge as it is now. */
  async function answerTo(op: string): Promise<Json> {
    const presented = await call('present', { claims: { op } });
    const { text, claims } = openSealed(presented.body.challenge, enc);
    return { op, challenge_sha256: sha256Base64url(text), ctx_hash: sha256Base64url(claims.ctx) };
  }

  const byPin = (key: KeyObject) => (hash: string) => [proofBy(key, pinKid, hash)];
  const approval = (answer: Json, key: KeyObject = pin): Making => ({
    claims: { ...answer, decision: 'approve', method: 'pin' },
    proofs: byPin(key),
  });
  const denial = (answer: Json): Making => ({ claims: { ...answer, decision: 'deny', method: 'device' } });

  return {
    id,
    sig,
    enc,
    pin,
    pinKid,
    redeemed,
    enrolled,
    enroll,
    activate,
    make,
    call,
    post: (act: string, content: object, to = {}) => post(server, act, content, to),
    answerTo,
    byPin,
    approval,
    denial,
    approve: async (op: string, key: KeyObject = pin) => call('decide', approval(await answerTo(op), key)),
    deny: async (op: string) => call('decide', denial(await answerTo(op))),
  };
}
