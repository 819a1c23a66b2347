/** What the person saw is what was signed, and what is left of it convinces somebody who does not know us; for each store. */
import * as jose from 'jose';
import type { Device } from '../../src/device-sdk/index.ts';
import { checkBindingMessage } from '../../src/domain/binding-message.ts';
import { openEvidence } from '../../src/domain/evidence.ts';
import type { User } from '../../src/domain/user.ts';
import type { SceneOptions } from '../domain/scene.ts';
import { acceptedBindingMessages } from '../support/binding-messages.ts';
import { deviceServerForEach } from './device-server.ts';

type Claims = Record<string, unknown>;

export function shownAndSigned(options: () => Promise<SceneOptions>): void {
  const server = deviceServerForEach(options);
  const pin = '483920';

  /** Asked with this text and answered; what the device showed, and what is left. */
  async function answered(user: User, device: Device, bindingMessage: string, decision: 'approve' | 'deny') {
    const shown = { client: { id: 'demo-helpdesk', name: 'Help & Desk' }, purpose: 'authentication', bindingMessage };
    const { operation, matchCode } = await server.ask(user, { shown, match: 'choose', possessionOnly: true });
    const view = await device.present(operation.id);
    await device.decide(view, decision === 'approve' ? { decision, pin, match: matchCode! } : { decision });
    const sealed = (await server.scene.store.operations.evidence(operation.id))!;
    return { operation, view, sealed, evidence: openEvidence(server.scene.secrets, operation.id, sealed) };
  }

  const publishedKeys = async () =>
    (await (await fetch(`${server.base}/device/v1/jwks.json`)).json()) as jose.JSONWebKeySet;

  test('B03 a third party with jose and the published keys alone: evidence, challenge, text, and the device’s signature over both', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { operation, evidence } = await answered(user, device, 'Pay 12,50 € to Bob', 'approve');
    const { claims, challenge, decision, shown } = await auditedBy(await publishedKeys(), evidence);
    expect(claims).toMatchObject({ iss: server.issuer, op: operation.id, sub: user.id, context: 'included' });
    expect(challenge).toMatchObject({ iss: server.issuer, aud: device.deviceId, op: operation.id });
    expect(decision).toMatchObject({ iss: device.deviceId, op: operation.id, decision: 'approve', method: 'pin' });
    expect(shown).toMatchObject({
      op: operation.id,
      client: { id: 'demo-helpdesk', name: 'Help & Desk' },
      binding_message: 'Pay 12,50 € to Bob',
    });
  });

  test('B03 after the key was replaced too, of a denial too, and nothing of the text can be read in the store', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const { sealed, evidence } = await answered(user, device, 'Pay 12,50 € to Mallory', 'deny');
    await server.scene.serverKeys.rotateSigning({ use: 'seal', immediate: true }, { actor: 'management:test' });
    const { decision, shown } = await auditedBy(await publishedKeys(), evidence);
    expect([decision['decision'], shown['binding_message']]).toEqual(['deny', 'Pay 12,50 € to Mallory']);
    for (const part of [sealed, ...sealed.split('.').map((each) => Buffer.from(each, 'base64url').toString('latin1'))])
      expect(part).not.toMatch(/Mallory|assent-evidence/);
  });

  test('TH-03 whatever text is accepted is in the device’s view and in the evidence as the very bytes that came', async () => {
    const user = await server.alice();
    const device = await server.enroll(user);
    const keys = await publishedKeys();
    expect(acceptedBindingMessages.length).toBeGreaterThan(30);
    for (const text of acceptedBindingMessages) {
      expect(checkBindingMessage(text)).toBe(text);
      const { view, evidence } = await answered(user, device, text, 'deny');
      const { shown } = await auditedBy(keys, evidence);
      for (const seen of [view.bindingMessage, shown['binding_message']])
        expect(Buffer.from(String(seen)).toString('hex')).toBe(Buffer.from(text).toString('hex'));
    }
  });
}

/** The steps of docs/device-protocol.md, section 9: `jose` and a JWK set, nothing of this project. */
async function auditedBy(keys: jose.JSONWebKeySet, evidence: string) {
  const published = jose.createLocalJWKSet(keys);
  const algorithms = ['ES256'];
  const outer = await jose.compactVerify(evidence, published, { algorithms });
  const claims = claimsOf(outer);
  const { cnf } = claims['device'] as { cnf: { jwk: jose.JWK } };
  const presented = await jose.compactVerify(String(claims['challenge']), published, { algorithms });
  const signed = await jose.compactVerify(String(claims['decision']), await jose.importJWK(cnf.jwk, 'ES256'), {
    algorithms,
  });
  const [challenge, decision] = [claimsOf(presented), claimsOf(signed)];
  expect([outer, presented, signed].map(({ protectedHeader }) => protectedHeader.typ)).toEqual([
    'assent-evidence+jwt',
    'assent-challenge+jwt',
    'assent-request+jwt',
  ]);
  expect([challenge['op'], decision['op']]).toEqual([claims['op'], claims['op']]);
  expect([challenge['aud'], decision['iss']]).toEqual(Array(2).fill((claims['device'] as Claims)['id']));
  expect(decision['challenge_sha256']).toBe(await sha256(presented.payload));
  expect(decision['ctx_hash']).toBe(await sha256(new TextEncoder().encode(String(challenge['ctx']))));
  return { claims, challenge, decision, shown: JSON.parse(String(challenge['ctx'])) as Claims };
}

const claimsOf = ({ payload }: jose.CompactVerifyResult) => JSON.parse(new TextDecoder().decode(payload)) as Claims;

const sha256 = async (bytes: Uint8Array) =>
  jose.base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))));
