import { codeOf } from '../../src/device-sdk/index.ts';
import type { TextKey } from '../texts/index.ts';
import type { SignKind } from './frame.ts';

/** Why a code led to no request. `again`: the same code may still do. */
export interface ClaimFailure {
  kind: SignKind;
  title: TextKey;
  body: TextKey;
  again?: boolean;
}

const FAILURES: Record<string, ClaimFailure> = {
  claim_taken: { kind: 'bad', title: 'claim.taken.title', body: 'claim.taken.body' },
  claim_not_found: { kind: 'quiet', title: 'claim.unknown.title', body: 'claim.unknown.body' },
  claim_unreadable: { kind: 'quiet', title: 'claim.unknown.title', body: 'claim.unknown.body' },
  operation_expired: { kind: 'time', title: 'claim.expired.title', body: 'claim.expired.body' },
  operation_cancelled: { kind: 'quiet', title: 'claim.withdrawn.title', body: 'claim.withdrawn.body' },
  // taken by this very device, and answered since
  operation_decided: { kind: 'quiet', title: 'ended.decided.title', body: 'claim.decided.body' },
  operation_failed: { kind: 'bad', title: 'ended.failed.title', body: 'claim.withdrawn.body' },
  network: { kind: 'bad', title: 'claim.offline.title', body: 'claim.offline.body', again: true },
  method_not_available: { kind: 'quiet', title: 'claim.unfit.title', body: 'claim.unfit.body' },
};

export function claimFailure(error: unknown): ClaimFailure {
  return (
    FAILURES[codeOf(error) ?? ''] ?? {
      kind: 'bad',
      title: 'claim.failed.title',
      body: 'claim.failed.body',
      again: true,
    }
  );
}
