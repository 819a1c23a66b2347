import type { Store } from '../../src/domain/ports/store.ts';

/** Calls that are two reads by their own description. */
const twoReads = new Set(['users.findByIdentifier']);

/** Counts what goes to the store and comes back; the store itself is the real one. */
export function countRoundTrips(store: Store): { taken(): string[] } {
  let calls: string[] = [];
  for (const [name, port] of Object.entries(store) as [string, Record<string, unknown>][]) {
    if (name === 'wakeups' || typeof port !== 'object') continue;
    for (const [method, member] of Object.entries(port)) {
      if (typeof member !== 'function') continue;
      const call = `${name}.${method}`;
      port[method] = (...args: unknown[]) => {
        calls.push(...(twoReads.has(call) ? [call, call] : [call]));
        return member.apply(port, args);
      };
    }
  }
  return {
    taken() {
      const taken = calls;
      calls = [];
      return taken;
    },
  };
}
