import { lookup, Resolver } from 'node:dns/promises';

/** All addresses of a name. @rejects where there are none */
export type Resolve = (name: string) => Promise<string[]>;

export interface ResolverOptions {
  /** For one query to one name server. */
  timeoutMs: number;
}

/**
 * Asks the name servers directly. `dns.lookup` would occupy a thread of the pool that files and cryptography share for as
 * long as a name server of somebody's choice likes to wait; it is asked for names that DNS does not know (hosts file,
 * search domains), one at a time.
 */
export function createResolve({ timeoutMs }: ResolverOptions): Resolve {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
  let turn: Promise<unknown> = Promise.resolve();

  const fromSystem = (name: string): Promise<string[]> => {
    const mine = turn.then(() => lookup(name, { all: true }));
    turn = mine.catch(() => undefined);
    return mine.then((found) => found.map(({ address }) => address));
  };
  return async (name) => {
    // RFC 6761 §6.3
    if (/(^|\.)localhost\.?$/.test(name)) return ['127.0.0.1', '::1'];
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (found.length > 0) return found;
    // The system would ask the same silent name servers again.
    const silent = answers.find((answer) => answer.status === 'rejected' && answer.reason?.code === 'ETIMEOUT');
    if (silent) throw (silent as PromiseRejectedResult).reason;
    return fromSystem(name);
  };
}
