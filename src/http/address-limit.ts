import { DomainError } from '../domain/errors.ts';
import { type Clock, MINUTE, SECOND } from '../support/clock.ts';
import { networkOf } from '../support/network.ts';

/** @throws DomainError rate_limited, with `retry_after` */
export type AddressLimit = (address: string) => void;

/** The ones that were silent longest are forgotten first: whoever has more networks than this is not stopped by a limit. */
const maxAddresses = 100_000;

/**
 * So many calls a minute from one address, all at once or evenly: what was not used for a minute is there again. In the
 * memory of this process, for it protects this process; nothing of security value is counted here (IV-06).
 */
export function createAddressLimit({ perMinute, clock }: { perMinute: number; clock: Clock }): AddressLimit {
  const used = new Map<string, { calls: number; at: number }>();
  const perMs = perMinute / MINUTE;
  return (address) => {
    const network = networkOf(address);
    const now = clock();
    const before = used.get(network);
    // a clock that was set back stops nobody until the time has come again
    if (before && before.at > now) before.at = now;
    const calls = before ? Math.max(0, before.calls - (now - before.at) * perMs) : 0;
    if (calls + 1 > perMinute) {
      const waitMs = (calls + 1 - perMinute) / perMs;
      throw new DomainError('rate_limited', {
        detail: 'address',
        members: { retry_after: Math.ceil(waitMs / SECOND) },
      });
    }
    used.delete(network);
    used.set(network, { calls: calls + 1, at: now });
    if (used.size > maxAddresses) used.delete(used.keys().next().value!);
  };
}

export const noLimit: AddressLimit = () => {};

/** As it is configured: 0 is none. */
export const addressLimit = (options: { perMinute: number; clock: Clock }): AddressLimit =>
  options.perMinute === 0 ? noLimit : createAddressLimit(options);
