import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/** What ties together everything that one request caused. */
export interface Trace {
  /** 32 hexadecimal digits, as in W3C Trace Context. */
  traceId: string;
}

const traces = new AsyncLocalStorage<Trace>();

/**
 * The trace that a request belongs to: the caller's, or a new one where it has none that can be read.
 *
 * @param traceparent the header of that name
 * @see W3C Trace Context §3.2 (an unknown version is read like 00; ff and all zeros are invalid)
 */
export function traceOf(traceparent: string | undefined): Trace {
  const [, version, traceId, parentId] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:$|-)/.exec(traceparent ?? '') ?? [];
  const isValid = version !== undefined && version !== 'ff' && !isZero(traceId) && !isZero(parentId);
  return { traceId: isValid ? traceId! : hexDigits() };
}

/** Not a secret, and needed for every request: UUIDs draw on a stock of random bytes, `randomBytes` asks the system each time. */
const hexDigits = () => randomUUID().replaceAll('-', '');

const isZero = (digits = '') => /^0*$/.test(digits);

/** The header to send along with a call that this trace caused; each call is a span of its own. */
export function traceparentOf({ traceId }: Trace): string {
  return `00-${traceId}-${hexDigits().slice(16)}-01`;
}

/** Everything that `work` starts, now or later, sees this trace. */
export function withTrace<T>(trace: Trace, work: () => T): T {
  return traces.run(trace, work);
}

export function currentTrace(): Trace | undefined {
  return traces.getStore();
}
