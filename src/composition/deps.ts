/** What the process hands to the server: the store, the master key, time, the log, and what plug-ins export. */

import type { Store } from '../domain/ports/store.ts';
import type { Log } from '../observability/log.ts';
import type { Plugins } from '../plugins.ts';
import type { ArtifactStore } from '../protocol/ports.ts';
import type { Clock } from '../support/clock.ts';
import type { Timers } from '../support/timers.ts';

/** One adapter serves both ports. */
export interface Storage {
  store: Store;
  artifacts: ArtifactStore;
}

export interface ServerDeps extends Storage {
  /** 32 bytes. */
  masterKey: Buffer;
  /** They open a store that `masterKey` does not open yet. */
  formerMasterKeys?: readonly Buffer[];
  /** What the modules of the configuration export. */
  plugins?: Plugins;
  clock: Clock;
  timers?: Timers;
  log: Log;
}
