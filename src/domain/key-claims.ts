/**
 * Claims of public keys (device-protocol, 3.3): that a key which one device has is no other's. They lie apart from the devices, so
 * what becomes of a device does not reach them; this goes after them.
 *
 *     claimed ──an hour──> reviewed ──its device has the key──> reviewed again, a month later
 *                             ├ its device is being enrolled ──> reviewed again, an hour later
 *                             ├ its device has other keys by now ──> refused to others for a month yet, then dropped
 *                             └ its device is gone or deactivated: it is believed no longer ──> dropped
 */
import { type Clock, DAY, HOUR } from '../support/clock.ts';
import type { Partition } from '../support/ids.ts';
import { jwkThumbprint } from '../support/jose/index.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Device, PublicJwk } from './device.ts';
import type { DeviceStore, KeyClaim, ReviewedClaim } from './ports/devices.ts';
import type { Batch } from './sweeper.ts';

export interface KeyClaims {
  /** Looks at claims whose time has come, and drops those that protect nothing. */
  review(among: { partitions: readonly Partition[]; limit: number }): Promise<Batch>;
}

interface Deps {
  store: { devices: Pick<DeviceStore, 'get' | 'claimsDue' | 'settleClaim'> };
  secrets: Pick<Secrets, 'hmac'>;
  clock: Clock;
}

/** A key that was replaced may have been copied: for so long another device that comes with it is still refused. */
const FORMER_MS = 30 * DAY;
const REVIEW_MS = 30 * DAY;

/** Under which name a key is claimed. */
export function claimOf(secrets: Pick<Secrets, 'hmac'>, jwk: PublicJwk): string {
  return secrets.hmac('device-key', jwkThumbprint(jwk));
}

export function createKeyClaims({ store: { devices }, secrets, clock }: Deps): KeyClaims {
  function isHeld(thumbprint: string, { keys, rotation }: Device): boolean {
    const held = [keys.sig, keys.enc, rotation?.sig, rotation?.enc];
    return held.some((jwk) => jwk !== undefined && claimOf(secrets, jwk) === thumbprint);
  }

  /** Undefined: it protects nothing. */
  function reviewed({ thumbprint, formerSince }: KeyClaim, device: Device | undefined): ReviewedClaim | undefined {
    const now = clock();
    if (!device || device.state === 'deactivated') return undefined;
    // its second key is written after the claim
    if (device.state === 'pending') return { reviewAt: now + HOUR };
    if (isHeld(thumbprint, device)) return { reviewAt: now + REVIEW_MS };
    if (formerSince === undefined) return { reviewAt: now + FORMER_MS, formerSince: now };
    const until = formerSince + FORMER_MS;
    return now < until ? { reviewAt: until, formerSince } : undefined;
  }

  return {
    async review({ partitions, limit }) {
      const due = await devices.claimsDue({ partitions, now: clock(), limit });
      const settle = async (claim: KeyClaim) =>
        devices.settleClaim(claim, reviewed(claim, await devices.get(claim.deviceId)));
      await Promise.all(due.map(settle));
      return { done: due.length, more: due.length >= limit };
    },
  };
}
