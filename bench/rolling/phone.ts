/**
 * An enrolled device whose cryptography is that of node:crypto: the messages are those of the device SDK, in a tenth of its time. Two
 * hundred people a second and their servers share a few cores here.
 */
import { createHash, randomBytes } from 'node:crypto';
import { typ } from '../../src/device-sdk/wire.ts';
import {
  decryptJwe,
  type EcPrivateJwk,
  encryptDir,
  encryptTo,
  parseJwe,
  privateKeyOf,
  publicKeyOf,
  signJws,
  verifyJws,
} from '../../src/support/jose/index.ts';
import type { BenchDevice } from '../bench-device.ts';
import type { Sender } from './sender.ts';

export interface Phone {
  user: string;
  /** Shows the request. */
  present(op: string): Promise<Shown>;
  /** By possession: no PIN. */
  decide(shown: Shown, decision: 'approve' | 'deny'): Promise<object>;
}

interface Shown {
  op: string;
  challenge_sha256: string;
  ctx_hash: string;
}

type Members = Record<string, unknown>;

/** @param device enrolled with keys that can be taken out */
export async function phoneOf(device: BenchDevice, sender: Sender): Promise<Phone> {
  const { sig, enc, serverKeys, deviceId, issuer } = device.stored;
  const session = await device.session();
  const sessionKey = Buffer.from(session.key, 'base64url');
  const [signing, opening] = [sig, enc].map(({ privateKey }) => privateKeyOf(privateKey as EcPrivateJwk));
  const { kid: boxKid, ...box } = serverKeys.box[0]!;
  const seals = new Map(serverKeys.seal.map(({ kid, ...jwk }) => [kid, publicKeyOf(jwk)]));

  const claims = (act: string, members: object) => ({
    iss: deviceId,
    aud: issuer,
    iat: Math.floor(Date.now() / 1000),
    jti: randomBytes(16).toString('base64url'),
    act,
    ...members,
  });

  async function send(act: string, up: string, rk: Buffer): Promise<Members> {
    const { status, type, text } = await sender.post(`/device/v1/${act}`, { 'content-type': 'application/jose' }, up);
    const refused = (why: string) => {
      // a client's 400 is an answer, a phone's is none
      if (status === 400) sender.errors.push(`${act}: ${why}`);
      return new Error(`${act}: ${status} ${why}`);
    };
    if (!type.startsWith('application/jose')) throw refused(text.slice(0, 100));
    const { problem, ...answer } = JSON.parse(String(decryptJwe(parseJwe(text), { alg: 'dir', key: rk }))) as Members;
    if (problem) throw refused((problem as { code: string }).code);
    return answer;
  }

  return {
    user: device.user,
    async present(op) {
      const rk = randomBytes(32);
      const request = padded({ rk: rk.toString('base64url'), request: claims('present', { op }) }, 512);
      const up = encryptDir(sessionKey, { typ: typ.up, cty: 'json', kid: session.id }, request);
      const { challenge } = await send('present', up, rk);
      const jws = decryptJwe(parseJwe(String(challenge)), { alg: 'ECDH-ES', privateKey: opening! });
      const { payload } = verifyJws(String(jws), { typ: typ.challenge, key: (kid) => seals.get(kid) });
      const { ctx } = JSON.parse(String(payload)) as { ctx: string };
      return { op, challenge_sha256: sha256(payload), ctx_hash: sha256(ctx) };
    },
    async decide(shown, decision) {
      const rk = randomBytes(32);
      const payload = JSON.stringify(claims('decide', { ...shown, decision, method: 'device' }));
      const jws = signJws(signing!, { typ: typ.request, kid: deviceId }, payload);
      const message = padded({ rk: rk.toString('base64url'), jws }, 2048);
      return send('decide', encryptTo(box, { typ: typ.up, cty: 'json', kid: boxKid }, message), rk);
    },
  };
}

const sha256 = (value: string | Uint8Array) => createHash('sha256').update(value).digest('base64url');

/** As the SDK pads it: all messages of a kind have one length. */
function padded(content: object, least: number): string {
  const bare = JSON.stringify({ ...content, pad: '' }).length;
  const length = Math.max(Math.ceil(bare / 512) * 512, least);
  return JSON.stringify({ ...content, pad: ' '.repeat(length - bare) });
}
