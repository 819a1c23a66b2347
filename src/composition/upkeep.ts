/** The work that nobody asks for: what is past its time, outlived its retention or is due to be replaced. */

import { createKeyClaims } from '../domain/key-claims.ts';
import type { OwnBoxes } from '../domain/own-boxes.ts';
import { createSweeper } from '../domain/sweeper.ts';
import type { ServerDeps } from './deps.ts';
import type { Domain } from './domain.ts';

export function createUpkeep(deps: ServerDeps, domain: Domain, ownBoxes: Pick<OwnBoxes, 'maintainDue'>) {
  return createSweeper({
    store: deps.store,
    clock: deps.clock,
    timers: deps.timers,
    serverKeys: domain.serverKeys,
    keyRing: domain.keyRing,
    ownBoxes,
    keyClaims: createKeyClaims({ ...domain, ...deps }),
    onError: (job, error) => deps.log.warn('sweep.failed', { job, error }),
  });
}
