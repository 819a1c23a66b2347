/**
 * Writes device-protocol.json: `node test/vectors/generate.ts && npx biome format --write test/vectors`. Keys and signatures are new each time, so the file changes as a
 * whole; what it says does not. Made by forge.ts, so neither side of the project checks its own writing only.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviceId, issuer, keys, type NamedKey, names, now, rk, sessionId, sessionKey, thumbprint } from './cast.ts';
import { claimRows, linkRows } from './claim-rows.ts';
import { challengeRows, downRows, firstContactRows, keySetRows } from './device-rows.ts';
import { document, documentOp, documentRows } from './document-rows.ts';
import { confirmationRows, contextRows, enrollmentRows } from './enrollment-rows.ts';
import { b64 } from './forge.ts';
import { pinVectors } from './pin.ts';
import { payload, proofRows, redeemRows, upRows } from './up-rows.ts';
import { upkeepRows } from './upkeep-rows.ts';

const exported = ({ kid, privateJwk }: NamedKey) => ({ kid, ...privateJwk });

async function vectors(): Promise<object> {
  return {
    about:
      'Assent device protocol, version 1. Test keys: never use them. `expect` is `accepted` or a code; codes of the device side (server_unexpected, keys_untrusted, challenge_invalid) are those of this project’s SDK, another authenticator may name its refusals as it likes.',
    issuer,
    now,
    device: { id: deviceId, sig: keys.sig.kid, enc: keys.enc.kid },
    session: { id: sessionId, key: b64(sessionKey) },
    rk: b64(rk),
    keys: Object.fromEntries(names.map((name) => [name, exported(keys[name])])),
    thumbprints: Object.fromEntries(names.map((name) => [name, thumbprint(keys[name])])),
    up: upRows.map((vector) => ({ act: 'inbox', ...vector })),
    redeem: redeemRows,
    proofs: { payload, keys: { pin: ['pin'], biometric: ['uv'] }, rows: proofRows },
    upkeep: { has: ['sig', 'enc', 'pin'], waits: 'newSig', rows: upkeepRows },
    claims: { has: ['sig'], rows: claimRows },
    links: linkRows,
    enrollment: { has: ['sig'], rows: enrollmentRows },
    down: downRows,
    confirmations: { held: ['seal'], rows: confirmationRows },
    contexts: { held: ['seal'], rows: contextRows },
    documents: { op: documentOp, held: ['seal'], document, rows: documentRows },
    challenges: { op: 'op-1', held: ['seal'], rows: challengeRows },
    key_sets: keySetRows,
    first_contact: firstContactRows,
    pin: await pinVectors(),
  };
}

writeFileSync(join(import.meta.dirname, 'device-protocol.json'), `${JSON.stringify(await vectors(), null, 1)}\n`);
