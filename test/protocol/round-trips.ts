import type { Store } from '../../src/domain/ports/store.ts';

/** Calls that are two reads by their own description. */
const twoReads = new Set(['users.findByIdentifier']);

/** Counts what goes to the store and comes back; the store itself is the real one. */
export function countRoundTrips(store: Store): { taken(): string[] } {
  let calls: string[] = [];
  for (const [name, port] of Object.entries(store)) {
    if (typeof port !== 'object' || port === null || name === 'wakeups') continue;
    const counting = new Proxy(port, {
      get(target, method) {
        const member = Reflect.get(target, method);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          const call = `${name}.${String(method)}`;
          calls.push(...(twoReads.has(call) ? [call, call] : [call]));
          return member.apply(target, args);
        };
      },
    });
    Object.defineProperty(store, name, { value: counting, configurable: true });
  }
  return {
    taken() {
      const taken = calls;
      calls = [];
      return taken;
    },
  };
}
