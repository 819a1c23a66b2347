/**
 * What a platform says of a device's key (device-protocol, section 8): App Attest, Android key attestation, Play
 * Integrity, WebAuthn. Statements are read by a plug-in of whoever runs the server; none is built in.
 */

import { jwkThumbprint } from '../support/jose/index.ts';
import type { Timers } from '../support/timers.ts';
import type { Application } from './application.ts';
import type { Device, PublicJwk } from './device.ts';
import { DomainError } from './errors.ts';

export interface AttestationStatement {
  /** Names the form of `blob`, for example `android-key`; the verifier knows which ones there are. */
  kind: string;
  /** As the device sent it: base64url, or a compact JWS. */
  blob: string;
  /** base64url; the platform signed over the bytes that it stands for, or over a hash of them. Fresh for this enrollment. */
  challenge: string;
  /** The device's signing key, which the statement is to be about. */
  jwk: PublicJwk;
}

export interface Verdict {
  /** `trusted`: genuine, fresh, about this key, and good enough for whoever wrote the verifier. */
  verdict: 'trusted' | 'untrusted';
  /** Where the key lies. Only `hardware` makes its possession `hwk`. */
  level?: 'software' | 'hardware';
  /** A short text for people who look at the device: model of the chip, patch level, why not. At most 200 characters are kept. */
  detail?: string;
}

/**
 * The plug-in: the default export of the module that `plugins.attestation` names. It may ask other services; an answer
 * later than four seconds, or an exception, is none.
 */
export type AttestationVerifier = (statement: AttestationStatement) => Verdict | Promise<Verdict>;

/** As it is kept with the device, and shown in evidence. `unverified`: nobody was there who could tell. */
export interface Attestation {
  kind: string;
  verdict: Verdict['verdict'] | 'unverified';
  level?: 'software' | 'hardware';
  detail?: string;
}

/** Below the five seconds that a call of the device API has. */
const deadlineMs = 4000;

interface Deps {
  verifier?: AttestationVerifier;
  timers: Timers;
}

/**
 * @returns what is to be kept; undefined where the application does not ask, or nothing was sent
 * @throws DomainError attestation_refused (`require`), unavailable (`require`, and the verifier could not tell)
 */
export async function attested(
  { verifier, timers }: Deps,
  policy: NonNullable<Application['enrollment']>['attestation'],
  statement: (Omit<AttestationStatement, 'kind' | 'blob'> & { kind?: string; blob?: string }) | undefined,
): Promise<Attestation | undefined> {
  if (policy === 'off') return undefined;
  const found = await judged(verifier, timers, statement);
  if (policy === 'record' || found?.verdict === 'trusted') return found;
  if (found?.verdict === 'unverified') throw new DomainError('unavailable', { detail: 'the attestation verifier' });
  throw new DomainError('attestation_refused', { detail: found?.detail ?? 'none was sent' });
}

async function judged(
  verifier: AttestationVerifier | undefined,
  timers: Timers,
  statement: Parameters<typeof attested>[2],
): Promise<Attestation | undefined> {
  const { kind, blob } = statement ?? {};
  if (!statement || kind === undefined || blob === undefined) return undefined;
  const verdict = verifier && (await inTime(timers, async () => verifier({ ...statement, kind, blob })));
  return { kind, ...(verdict ? known(verdict) : { verdict: 'unverified' }) };
}

/** Others wrote it: only what is understood is kept. */
function known({ verdict, level, detail }: Verdict): Omit<Attestation, 'kind'> {
  return {
    verdict: verdict === 'trusted' ? 'trusted' : 'untrusted',
    ...((level === 'hardware' || level === 'software') && { level }),
    ...(typeof detail === 'string' && { detail: detail.slice(0, 200) }),
  };
}

/** undefined: it took too long, or failed. */
function inTime<T>(timers: Timers, work: () => Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const giveUp = timers.after(deadlineMs, () => resolve(undefined));
    const settle = (value?: T) => {
      giveUp();
      resolve(value);
    };
    work().then(settle, () => settle());
  });
}

/** A key that was attested to be bound to hardware: its possession is `hwk`. One that came later (`rotate`) is not. */
export function isHardwareBound({ attestation, keys }: Pick<Device, 'attestation' | 'keys'>): boolean {
  if (attestation?.verdict !== 'trusted' || attestation.level !== 'hardware') return false;
  return attestation.jkt === jwkThumbprint(keys.sig);
}
