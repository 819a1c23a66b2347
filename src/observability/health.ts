export interface HealthDeps {
  /** One cheap round trip to the store; rejects where it does not answer. */
  checkStore: () => Promise<void>;
  /** Keys outside. One that is away does not make the process unready: all else works, and another process has no other key. */
  signers?: () => 'ok' | 'down' | undefined;
  /** 1 s: a load balancer asks every few seconds and must not pile up questions to a store that hangs. */
  deadlineMs?: number;
}

export interface Readiness {
  ready: boolean;
  store: 'ok' | 'down';
  /** Where there are keys outside. */
  signers?: 'ok' | 'down';
  draining: boolean;
}

/** Live: the process answers at all, whatever its store does. Ready: it should get new requests. */
export interface Health {
  live(): { live: true };
  ready(): Promise<Readiness>;
  /** Called once, at the beginning of a shutdown: from here on the process is not ready. */
  drain(): void;
  isDraining(): boolean;
}

export function createHealth({ checkStore, signers, deadlineMs = 1000 }: HealthDeps): Health {
  let draining = false;
  let running: Promise<'ok' | 'down'> | undefined;

  // Whoever asks while a check runs gets its result: any number of askers is one question to the store.
  const store = () => {
    running ??= inTime(checkStore, deadlineMs).finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    live: () => ({ live: true }),
    async ready() {
      const answer = await store();
      const outside = signers?.();
      return { ready: answer === 'ok' && !draining, store: answer, ...(outside && { signers: outside }), draining };
    },
    drain() {
      draining = true;
    },
    isDraining: () => draining,
  };
}

async function inTime(check: () => Promise<void>, deadlineMs: number): Promise<'ok' | 'down'> {
  const { promise: late, resolve } = Promise.withResolvers<'down'>();
  const timer = setTimeout(resolve, deadlineMs, 'down');
  try {
    return await Promise.race([check().then(() => 'ok' as const), late]);
  } catch {
    return 'down';
  } finally {
    clearTimeout(timer);
  }
}
