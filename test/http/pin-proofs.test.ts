/** `device.pin.proofRetention`: what is kept of a right PIN, who may open it, and what a third party makes of it. */
import { readFileSync } from 'node:fs';
import * as jose from 'jose';
import { newEcKey } from '../../src/support/jose/index.ts';
import { anApplication } from '../domain/scene.ts';
import { enrollRaw, type Making, type RawDevice } from './raw-device.ts';
import { managementForEach, readerKey } from './support/management.ts';

const pin = anApplication().pin;
const keeping = anApplication({ pin: { ...pin, proofRetention: 'sealed' } });
const forgetting = anApplication({ id: 'forgetting', pin: { ...pin, proofRetention: 'none' } });

const server = managementForEach({ applications: [keeping, forgetting] });
const open = (id: string, body: unknown = { reason: 'dispute 2026-1187' }, key?: string) =>
  server.api('POST', `/operations/${id}/pin-proof`, { body, ...(key && { key }) });

/** Somebody with a device of which the test sees each proof. */
async function scene(applicationId = keeping.id) {
  const user = await server.devices.alice();
  const device = await enrollRaw(server.devices, user, { applicationId });
  const proofs: string[] = [];
  const seen = (making: Making): Making => ({
    ...making,
    proofs(hash) {
      const made = making.proofs!(hash);
      proofs.push(...made);
      return made;
    },
  });
  const ask = async () => (await server.devices.ask(user)).operation.id;
  const answers = new Map<string, Awaited<ReturnType<RawDevice['answerTo']>>>();
  async function approval(op: string, key?: RawDevice['pin']) {
    const answer = answers.get(op) ?? (await device.answerTo(op));
    answers.set(op, answer);
    return device.make('decide', seen(device.approval(answer, key)));
  }
  return { user, device, proofs, ask, approval };
}

/** In the files of the store as it is, and as base64 of something longer would show it. */
function inStore(...secrets: string[]): string[] {
  const files = server.scene.files().map((file) => readFileSync(file));
  const forms = (secret: string) => [secret, Buffer.from(secret).toString('base64').slice(0, -4)];
  return secrets.filter((secret) => forms(secret).some((form) => files.some((file) => file.includes(form))));
}

const eventsOf = async (id: string) =>
  (await server.scene.store.events.ofOperation(id)).filter(({ type }) => type === 'operation.pin_proof_opened');

describe('sealed', () => {
  test('a third party sees with jose alone, and the published keys, that the key of this PIN proved this decision', async () => {
    const { user, device, ask, approval } = await scene();
    const id = await ask();
    expect(await device.post('decide', await approval(id))).toMatchObject({ body: { state: 'approved' } });
    // the device's own record forgets the key with the PIN
    await device.call('unenroll');
    const opened = (await open(id)).body;

    const published = await fetch(`${server.devices.base}/device/v1/jwks.json`);
    const jwks = (await published.json()) as jose.JSONWebKeySet;
    const es256 = { algorithms: ['ES256'] };
    const sha256 = async (bytes: Uint8Array | string) =>
      jose.base64url.encode(
        new Uint8Array(await crypto.subtle.digest('SHA-256', typeof bytes === 'string' ? utf8(bytes) : copied(bytes))),
      );
    const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
    // 1. the server says whose key it is
    const evidence = await jose.compactVerify(opened.evidence, jose.createLocalJWKSet(jwks), es256);
    expect(evidence.protectedHeader.typ).toBe('assent-evidence+jwt');
    const { op, sub, decision: decisionJws, device: named } = parse(evidence.payload);
    expect([op, sub, decisionJws]).toEqual([id, user.id, opened.decision]);
    // 2. the device says what was decided, by which method, and names the proof by its hash
    const deviceKey = await jose.importJWK(named.cnf.jwk, 'ES256');
    const decision = await jose.compactVerify(opened.decision, deviceKey, es256);
    expect(parse(decision.payload)).toMatchObject({ op: id, decision: 'approve', method: 'pin' });
    expect(decision.protectedHeader['proofs_sha256']).toEqual([await sha256(opened.pin_proof)]);
    // 3. the PIN's key signed the hash of this very decision
    const pinKey = await jose.importJWK(opened.pin_key, 'ES256');
    const proof = await jose.compactVerify(opened.pin_proof, pinKey, es256);
    expect(proof.protectedHeader).toMatchObject({ typ: 'assent-proof+jwt', kid: opened.pin_key.kid });
    expect(parse(proof.payload).payload_sha256).toBe(await sha256(decision.payload));
    // and not of another one, nor by another key
    const { publicKey: another } = await jose.generateKeyPair('ES256');
    await expect(jose.compactVerify(opened.pin_proof, another, es256)).rejects.toThrow();
  });

  test('nothing of it can be read in the store, nor is it in the audit trail; a wrong PIN’s proof is nowhere', async () => {
    const { device, proofs, ask, approval } = await scene();
    const id = await ask();
    const wrong = await device.post('decide', await approval(id, newEcKey()));
    expect(wrong).toMatchObject({ status: 403, code: 'attempt_failed' });
    expect(await open(id)).toMatchObject({ status: 404, body: { code: 'pin_proof_not_found' } });
    await device.post('decide', await approval(id));
    const { body } = await open(id);
    expect([proofs[1], body.pin_key.kid]).toEqual([body.pin_proof, device.pinKid]);
    expect(inStore(...proofs, ...proofs.map(signatureOf), body.pin_key.x, body.pin_key.y)).toEqual([]);
    expect(inStore(id)).toEqual([id]);
    const events = JSON.stringify(await server.scene.store.events.ofOperation(id));
    for (const proof of proofs) expect(events).not.toContain(signatureOf(proof));
  });

  test('the same decision again is answered alike and keeps what was kept; a denial keeps nothing', async () => {
    const { device, ask, approval } = await scene();
    const id = await ask();
    const message = await approval(id);
    const first = await device.post('decide', message);
    const kept = await server.scene.store.operations.pinProof(id);
    expect(await device.post('decide', message)).toMatchObject({ status: first.status, body: { state: 'approved' } });
    // a fresh message with the same decision brings a proof of its own
    expect(await device.post('decide', await approval(id))).toMatchObject({ body: { state: 'approved' } });
    expect(await server.scene.store.operations.pinProof(id)).toBe(kept);
    expect((await open(id)).body.pin_proof).toBe(message.proofs[0]);

    const denied = await ask();
    await device.deny(denied);
    expect(await open(denied)).toMatchObject({ status: 404 });
  });

  test('who opened it, and why, is written before it is answered; without the audit trail nothing leaves', async () => {
    const { device, user, ask, approval } = await scene();
    const id = await ask();
    await device.post('decide', await approval(id));
    await open(id);
    await open(id, { reason: 'second look' });
    const about = { actor: 'management:test', operationId: id, userId: user.id, deviceId: device.id };
    expect(await eventsOf(id)).toMatchObject([
      { ...about, clientId: 'demo-helpdesk', data: { reason: 'dispute 2026-1187' } },
      { ...about, data: { reason: 'second look' } },
    ]);
    for (const refused of [{}, { reason: '' }, { reason: ' ' }, { reason: 'a\nb' }, { reason: 'x'.repeat(201) }])
      expect(await open(id, refused)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await open(id, undefined, readerKey)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await open('nothing')).toMatchObject({ status: 404, body: { code: 'pin_proof_not_found' } });

    const { events } = server.scene.store;
    const write = events.write;
    events.write = () => Promise.reject(new Error('the store is away'));
    const answer = await fetch(`${server.base}/operations/${id}/pin-proof`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-management-key-0123456789abcdef', 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'third look' }),
    });
    events.write = write;
    expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('pin_proof')]);
    expect(await eventsOf(id)).toHaveLength(2);
  });
});

test('none, as by default: nothing is kept, sealed or not', async () => {
  const { device, proofs, ask, approval } = await scene(forgetting.id);
  const id = await ask();
  await device.post('decide', await approval(id));
  expect(await server.scene.store.operations.evidence(id)).toEqual(expect.any(String));
  expect(await server.scene.store.operations.pinProof(id)).toBeUndefined();
  expect(await open(id)).toMatchObject({ status: 404, body: { code: 'pin_proof_not_found' } });
  expect(await eventsOf(id)).toEqual([]);
  expect(inStore(...proofs, ...proofs.map(signatureOf))).toEqual([]);
});

const signatureOf = (jws: string) => jws.split('.')[2]!;
const utf8 = (text: string) => new Uint8Array(new TextEncoder().encode(text));
const copied = (bytes: Uint8Array) => new Uint8Array(bytes);
