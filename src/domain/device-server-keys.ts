/** The server's keys as device messages need them: imported once, as long as the key store has them. */
import { type Clock, SECOND } from '../support/clock.ts';
import type { EcPublicJwk } from '../support/jose/index.ts';
import { type NamedJwk, type ServerKeyPair, sealJwks, serverKeyPair, signedKeySets } from './device-messages/index.ts';
import type { ServerKeys } from './server-keys.ts';

export interface DeviceServerKeys {
  /** The key that signs challenges, contexts and evidence now. */
  seal(): ServerKeyPair;
  /** While its private half exists. */
  box(kid: string): ServerKeyPair | undefined;
  /**
   * Reads the keys again, for a message to one that is not known here: another process may have made it a moment ago. Once a
   * second at most, whoever asks: anybody can invent names of keys.
   */
  reread(): Promise<void>;
  /** The body of `GET /device/v1/keys`; with the `own` box pair of a device in the place of the shared ones. */
  keySets(own?: NamedJwk & { createdAt: number }): { sets: string[] };
  /** The body of `GET /device/v1/jwks.json`. */
  sealJwks(): { keys: object[] };
}

interface Deps {
  issuer: string;
  serverKeys: Pick<ServerKeys, 'current' | 'byKid' | 'publicKeys' | 'reload'>;
  clock: Clock;
}

/** Some 3 KB each; the set that was asked for least recently goes. */
const maxSigned = 1_000;
const rereadEveryMs = SECOND;

export function createDeviceServerKeys({ issuer, serverKeys, clock }: Deps): DeviceServerKeys {
  const imported = new Map<string, ServerKeyPair>();
  const signed = new Map<string, { of: string; body: { sets: string[] } }>();
  let rereadAt = Number.NEGATIVE_INFINITY;
  let rereading: Promise<void> | undefined;

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

  /** Signed again only when the set is another one: anybody may ask, as often as they like. */
  function signedOnce(name: string, box: readonly NamedJwk[], changedAt: number): { sets: string[] } {
    const seal = live('seal');
    const of = [changedAt, ...[...seal, ...box].map(({ kid }) => kid)].join();
    const known = signed.get(name);
    const body = known?.of === of ? known.body : signedKeySets({ issuer, changedAt, seal, box });
    signed.delete(name);
    signed.set(name, { of, body });
    if (signed.size > maxSigned) signed.delete(signed.keys().next().value!);
    return body;
  }

  return {
    seal() {
      const { kid } = serverKeys.current('seal');
      const key = pair('seal', kid);
      if (!key) throw new Error(`the seal key ${kid} is not there`);
      return key;
    },

    box: (kid) => pair('box', kid),

    async reread() {
      if (rereading) return rereading;
      const now = clock();
      // a clock that was set back keeps nobody from reading
      if (now >= rereadAt && now - rereadAt < rereadEveryMs) return;
      rereadAt = now;
      rereading = serverKeys.reload().finally(() => {
        rereading = undefined;
      });
      await rereading;
    },

    keySets(own) {
      if (!own) return signedOnce('', live('box').map(named), changedAt());
      const { createdAt, ...box } = own;
      return signedOnce(box.kid, [box], Math.max(changedAt(), createdAt));
    },

    sealJwks: () =>
      sealJwks(serverKeys.publicKeys('seal').map(({ kid, jwk }) => ({ ...(jwk as unknown as EcPublicJwk), kid }))),
  };
}

function named({ kid, jwk }: ServerKeyPair): NamedJwk {
  return { ...jwk, kid };
}
