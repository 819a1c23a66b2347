/** What the SDK takes from its surroundings. Cryptography is the platform's WebCrypto, which jose uses as well. */

export interface DeviceOptions {
  fetch?: typeof fetch;
  /** epoch milliseconds */
  now?: () => number;
  /** resolves after `ms`, or at once when the signal is aborted */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** from 0 to below 1: spreads attempts over time; keys are never made of it */
  random?: () => number;
}

export type Runtime = Required<DeviceOptions>;

export function runtimeOf(options: DeviceOptions = {}): Runtime {
  return {
    // called through an arrow: browsers refuse a fetch whose `this` is another object
    fetch: options.fetch ?? ((...args) => globalThis.fetch(...args)),
    now: options.now ?? (() => Date.now()),
    sleep: options.sleep ?? sleep,
    random: options.random ?? Math.random,
  };
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener('abort', wake);
  });
}
