import { type Clock, DAY, MINUTE } from '../support/clock.ts';
import { bySystem, newEvent } from './new-event.ts';
import type { KeyStore, ServerKey } from './ports/records.ts';
import type { By } from './users.ts';

/** Keys that others verify with: of ID tokens; of challenges, contexts and evidence. */
export type SigningUse = 'oidc' | 'seal';

export interface RotationTimes {
  /** 0: only when told. */
  rotationDays: number;
  /** A key is published this long before it signs. */
  publishMinutes: number;
  /** The private half of a key that was replaced is destroyed after this. */
  destroyDays: number;
}

export interface RotateSigning {
  /** Absent: `oidc`. */
  use?: SigningUse;
  /** Only this algorithm; absent: all that are ours. */
  alg?: string;
  /** Signs at once. Whoever keeps the key set has to fetch it again. */
  immediate?: boolean;
  /** For a key that was lost: the former one is destroyed at once, and what it signed is worth nothing anymore. */
  revoke?: boolean;
}

export interface SigningRotation {
  /** Idempotent: while a successor waits for its time, there is no second one. */
  rotate(options: RotateSigning, by: By): Promise<void>;
  /** What is due: a successor, its turn, the end of what was replaced. Whatever process comes first does it. */
  maintain(): Promise<void>;
}

export interface SigningRotationDeps {
  use: SigningUse;
  store: KeyStore;
  clock: Clock;
  times: RotationTimes;
  /** As last read. */
  records(): ServerKey[];
  reload(): Promise<void>;
  /** Makes a key that waits. */
  makeNext(alg: string, activatesAt: number, by: By): Promise<void>;
}

/**
 * Keys of one use follow one another without anybody noticing: published, later signing, later retired but still
 * published, later without their private half (RL-17). Each step is one write in the store; processes follow when they
 * next read it. A key outside (external-signers.ts) is replaced where it is; here only when its algorithm is named.
 */
export function createSigningRotation(deps: SigningRotationDeps): SigningRotation {
  const { use, store, clock, times, records, reload, makeNext } = deps;
  const inState = (state: ServerKey['state'], alg?: string) =>
    records().filter((key) => key.use === use && key.state === state && (alg === undefined || key.alg === alg));

  async function publishNext(alg: string, waitMs: number, by: By): Promise<void> {
    if (inState('next', alg).length > 0) return;
    await makeNext(alg, clock() + waitMs, by);
    await reload();
  }

  async function promote(next: ServerKey, by: By): Promise<void> {
    const now = clock();
    const [current] = inState('current', next.alg);
    const data = { use, alg: next.alg, kid: next.kid };
    const events = [newEvent('key.activated', now, by, { partition: '00', data })];
    if (current) {
      events.push(newEvent('key.retired', now, by, { partition: '00', data: { ...data, kid: current.kid } }));
    }
    await store.promote({ kid: next.kid, replaces: current?.kid, now, events });
    await reload();
  }

  async function destroy({ kid, alg }: ServerKey, by: By): Promise<void> {
    const now = clock();
    const data = { use, alg, kid };
    await store.destroy({ kid, now, events: [newEvent('key.destroyed', now, by, { partition: '00', data })] });
    await reload();
  }

  return {
    async rotate({ alg, immediate = false, revoke = false }, by) {
      await reload();
      const isImmediate = immediate || revoke;
      for (const former of inState('current', alg)) {
        if (former.external && alg === undefined) continue;
        await publishNext(former.alg, isImmediate ? 0 : times.publishMinutes * MINUTE, by);
        const [next] = inState('next', former.alg);
        if (isImmediate && next) await promote(next, by);
        if (revoke) for (const lost of inState('retired', former.alg)) await destroy(lost, by);
      }
    },

    async maintain() {
      const now = clock();
      const { rotationDays, publishMinutes, destroyDays } = times;
      for (const current of inState('current')) {
        const since = current.activatedAt ?? current.createdAt;
        const isDue = rotationDays > 0 && !current.external && now - since >= rotationDays * DAY;
        if (isDue) await publishNext(current.alg, publishMinutes * MINUTE, bySystem);
      }
      for (const next of inState('next')) if (now >= (next.activatesAt ?? 0)) await promote(next, bySystem);
      for (const retired of inState('retired')) {
        if (now - (retired.retiredAt ?? now) >= destroyDays * DAY) await destroy(retired, bySystem);
      }
    },
  };
}
