import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { SECOND } from '../support/clock.ts';
import { inTime } from '../support/in-time.ts';
import { rawOf } from '../support/jose/ecdsa.ts';
import { isSignature, type SignatureAlg } from '../support/jose/index.ts';
import { systemTimers, type Timers } from '../support/timers.ts';
import { SignerUnavailable } from '../support/unavailable.ts';

export type ExternalAlg = SignatureAlg;

/** A key of ID tokens whose private half is elsewhere: in an HSM, a KMS, another machine. What a plug-in of the kind `signer` gives. */
export interface ExternalSigner {
  /** Names it for ever. A key that was replaced does not come back under its name. */
  kid: string;
  alg: ExternalAlg;
  publicJwk: Record<string, unknown>;
  /**
   * The signature of `data` (the JWS signing input). ES256: r ‖ s, or DER as most services give it. Rejects, or takes longer
   * than three seconds, where the key cannot be reached: the caller of the token endpoint gets 503 and comes again.
   */
  sign(data: Uint8Array, options: { signal: AbortSignal }): Promise<Uint8Array>;
}

export interface ExternalSigners {
  /** One for each algorithm: the first in the plug-in's list. Others can still sign, until these take over. */
  readonly wanted: readonly ExternalSigner[];
  has(kid: string): boolean;
  /** A signature that verifies. @throws SignerUnavailable */
  sign(kid: string, data: Uint8Array): Promise<Uint8Array>;
  /** undefined: there are none. */
  state(): 'ok' | 'down' | undefined;
}

export interface ExternalSignersDeps {
  signers: readonly ExternalSigner[];
  timers?: Timers;
  /** One went away, or is back. */
  onChange: (change: { kid: string; isDown: boolean; error?: unknown }) => void;
}

/** Shorter than a redemption's lease: who polls again must not meet a signature that is still under way. */
const deadlineMs = 3 * SECOND;

interface Known {
  signer: ExternalSigner;
  key: KeyObject;
  isDown: boolean;
}

export function createExternalSigners({
  signers,
  timers = systemTimers,
  onChange,
}: ExternalSignersDeps): ExternalSigners {
  const known = new Map<string, Known>(
    signers.map((signer) => {
      const key = createPublicKey({ key: signer.publicJwk as JsonWebKey, format: 'jwk' });
      return [signer.kid, { signer, key, isDown: false }];
    }),
  );
  const wanted = [...new Map(signers.toReversed().map((signer) => [signer.alg, signer])).values()];

  function answered(each: Known): void {
    if (each.isDown) onChange({ kid: each.signer.kid, isDown: false });
    each.isDown = false;
  }

  function failed(each: Known, error: unknown): void {
    if (!each.isDown) onChange({ kid: each.signer.kid, isDown: true, error });
    each.isDown = true;
  }

  async function sign(kid: string, data: Uint8Array): Promise<Uint8Array> {
    const each = known.get(kid);
    if (!each) throw new SignerUnavailable(`this server was started without the signer of key ${kid}`);
    try {
      const given = Buffer.from(await inTime((signal) => each.signer.sign(data, { signal }), { deadlineMs, timers }));
      const signature = asRaw(each.signer.alg, given);
      if (!isSignature(each.signer.alg, each.key, data, signature))
        throw new Error('its signature does not verify with its public key');
      answered(each);
      return signature;
    } catch (cause) {
      failed(each, cause);
      throw new SignerUnavailable(`the signer of key ${kid} did not sign`, { cause });
    }
  }

  return {
    wanted,
    has: (kid) => known.has(kid),
    sign,
    state: () => {
      if (known.size === 0) return undefined;
      return [...known.values()].some(({ isDown }) => isDown) ? 'down' : 'ok';
    },
  };
}

/** Told by their length: one r ‖ s of 256 begins like DER, and DER of 64 bytes does not happen in the life of a key. */
function asRaw(alg: ExternalAlg, given: Buffer): Buffer {
  return alg === 'ES256' && given.length !== 64 ? rawOf(given) : given;
}
