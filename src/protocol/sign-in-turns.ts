/** One start at a time for each page: a form that was sent twice asks once. */
import { SECOND } from '../support/clock.ts';
import type { SignInRecords } from './sign-in-record.ts';
import type { SignInDeps } from './sign-in-visit.ts';

/** Far above the time that a start takes. */
const leaseMs = 10 * SECOND;
/** Of whoever waits for another form of the same page; a beat apart. */
const maxLooks = 100;

export type InTurn = (uid: string, ask: () => Promise<void>) => Promise<void>;

/**
 * Whoever comes second waits for the first, and sees what came of it. Held by a lease, so that a process that dies holds up nobody
 * for long.
 */
export function createSignInTurns(
  { clock, idempotency, beat, log }: Pick<SignInDeps, 'clock' | 'idempotency' | 'beat' | 'log'>,
  records: Pick<SignInRecords, 'read'>,
): InTurn {
  async function isOurTurn(name: { scope: string; key: string }): Promise<boolean> {
    for (let looks = 0; looks < maxLooks; looks++) {
      const now = clock();
      const until = now + leaseMs;
      const { result } = await idempotency.begin({ ...name, requestHash: '', now, leaseUntil: until, until });
      if (result === 'fresh') return true;
      await beat();
    }
    return false;
  }

  return async (uid, ask) => {
    const name = { scope: 'sign-in', key: uid };
    if (!(await isOurTurn(name))) return;
    try {
      if (!(await records.read(uid))) await ask();
    } finally {
      await idempotency.abandon(name).catch((error: unknown) => log.warn('sign_in.held', { error }));
    }
  };
}
