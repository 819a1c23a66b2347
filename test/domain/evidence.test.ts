import * as jose from 'jose';
import { serverKeyPair } from '../../src/domain/device-messages/index.ts';
import { openEvidence, sealEvidence } from '../../src/domain/evidence.ts';
import { newEcKey, privateJwkOf, publicJwkOf } from '../../src/support/jose/index.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { aDecision } from '../support/records.ts';
import { type Approved, asked, sceneForEach } from './scene.ts';

describe('evidence at rest', () => {
  const scene = sceneForEach();
  const seal = serverKeyPair({ kid: 'seal-1', privateJwk: { ...privateJwkOf(newEcKey()) } });
  const secrets = createSecrets(Buffer.alloc(32, 3));

  function sealed({ operation, device }: Approved) {
    const known = { ...device, keys: { ...device.keys, sig: publicJwkOf(newEcKey()) } };
    const decision = aDecision(device);
    const evidence = { issuer: 'https://id.example.test', operation, device: known, decision, proofs: [] };
    const text = sealEvidence(secrets, seal, { ...evidence, challenge: '{"ctx":"{}"}\n', jws: 'a.b.c' });
    return { id: operation.id, text };
  }

  test('is the same JWS when it is opened, whatever bytes its signature has', async () => {
    const key = await jose.importJWK({ ...seal.jwk }, 'ES256');
    const one = await asked(scene);
    for (let i = 0; i < 20; i++) {
      const { id, text } = sealed(one);
      const { payload, protectedHeader } = await jose.compactVerify(openEvidence(secrets, id, text), key);
      expect(protectedHeader.typ).toBe('assent-evidence+jwt');
      expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({ op: id, decision: 'a.b.c' });
    }
  });

  test('opens for its own operation only', async () => {
    const [one, other] = [sealed(await asked(scene)), sealed(await asked(scene))];
    expect(() => openEvidence(secrets, other.id, one.text)).toThrow();
  });

  test('from before, when the JWS itself was sealed, opens too', async () => {
    const { id, text } = sealed(await asked(scene));
    const jws = openEvidence(secrets, id, text);
    expect(openEvidence(secrets, id, secrets.seal('evidence', jws, `evidence:${id}`))).toBe(jws);
  });
});
