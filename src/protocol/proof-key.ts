import { errors } from 'oidc-provider';
import { fromBase64url, utf8Text } from '../support/bytes.ts';
import { parseJsonObject } from '../support/strict-json.ts';
import { isAcceptable } from './key-sets.ts';

/**
 * TH-20: a DPoP proof brings its own key, so whoever sends one, known or not, would choose what it costs to verify.
 * @throws the engine's InvalidDpopProof
 */
export function checkProofKey(proof: string): void {
  if (!isAcceptable(keyIn(proof))) throw new errors.InvalidDpopProof('the key of the DPoP proof cannot be used');
}

function keyIn(proof: string): unknown {
  try {
    return parseJsonObject(utf8Text(fromBase64url(proof.split('.', 1)[0]!)))['jwk'];
  } catch {
    return undefined;
  }
}
