/** The server's keys as device messages need them: imported once, as long as the key store has them. */
import type { EcPublicJwk } from '../support/jose/index.ts';
import { type NamedJwk, type ServerKeyPair, sealJwks, serverKeyPair, signedKeySets } from './device-messages/index.ts';
import type { ServerKeys } from './server-keys.ts';

export interface DeviceServerKeys {
  /** The key that signs challenges, contexts and evidence now. */
  seal(): ServerKeyPair;
  /** While its private half exists. */
  box(kid: string): ServerKeyPair | undefined;
  /** The body of `GET /device/v1/keys`; with the `own` box pair of a device in the place of the shared ones. */
  keySets(own?: NamedJwk & { createdAt: number }): { sets: string[] };
  /** The body of `GET /device/v1/jwks.json`. */
  sealJwks(): { keys: object[] };
}

interface Deps {
  issuer: string;
  serverKeys: Pick<ServerKeys, 'current' | 'byKid' | 'publicKeys'>;
}

export function createDeviceServerKeys({ issuer, serverKeys }: Deps): DeviceServerKeys {
  const imported = new Map<string, ServerKeyPair>();
  let signed: { of: string; body: { sets: string[] } } | undefined;

  function pair(use: 'seal' | 'box', kid: string): ServerKeyPair | undefined {
    const key = serverKeys.byKid(use, kid);
    const known = imported.get(kid);
    if (!key) {
      imported.delete(kid); // destroyed: no copy stays behind
      return undefined;
    }
    if (known) return known;
    const fresh = serverKeyPair(key);
    imported.set(kid, fresh);
    return fresh;
  }

  /** Current first. */
  function live(use: 'seal' | 'box'): ServerKeyPair[] {
    const { kid: current } = serverKeys.current(use);
    const others = serverKeys.publicKeys(use).filter(({ kid }) => kid !== current);
    return [current, ...others.map(({ kid }) => kid)].flatMap((kid) => pair(use, kid) ?? []);
  }

  function changedAt(): number {
    const keys = [...serverKeys.publicKeys('seal'), ...serverKeys.publicKeys('box')];
    return Math.max(...keys.map(({ createdAt, retiredAt = 0 }) => Math.max(createdAt, retiredAt)));
  }

  return {
    seal() {
      const { kid } = serverKeys.current('seal');
      const key = pair('seal', kid);
      if (!key) throw new Error(`the seal key ${kid} is not there`);
      return key;
    },

    box: (kid) => pair('box', kid),

    keySets(own) {
      if (own) {
        const { createdAt, ...box } = own;
        return signedKeySets({ issuer, changedAt: Math.max(changedAt(), createdAt), seal: live('seal'), box: [box] });
      }
      const [seal, box] = [live('seal'), live('box')];
      const of = [...seal, ...box].map(({ kid }) => kid).join();
      // signed again only when the set is another one: anybody may ask, as often as they like
      if (signed?.of !== of)
        signed = { of, body: signedKeySets({ issuer, changedAt: changedAt(), seal, box: box.map(named) }) };
      return signed.body;
    },

    sealJwks: () =>
      sealJwks(serverKeys.publicKeys('seal').map(({ kid, jwk }) => ({ ...(jwk as unknown as EcPublicJwk), kid }))),
  };
}

function named({ kid, jwk }: ServerKeyPair): NamedJwk {
  return { ...jwk, kid };
}
