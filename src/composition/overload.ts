/** How far the process is behind: the event loop, and the store's answers that every client's request waits for. */
import type { Lateness } from '../support/lateness.ts';
import type { ServerDeps } from './deps.ts';

export function watched(deps: ServerDeps, { waits }: Lateness): ServerDeps {
  const { operations } = deps.store;
  const timed =
    <Given, Answer>(call: (given: Given) => Promise<Answer>) =>
    (given: Given) => {
      const ended = waits();
      return call.call(operations, given).finally(ended);
    };
  return {
    ...deps,
    store: {
      ...deps.store,
      operations: { ...operations, start: timed(operations.start), poll: timed(operations.poll) },
    },
  };
}
