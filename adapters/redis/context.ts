import type { Cluster, Redis } from 'ioredis';
import type { Changes } from './changes.ts';
import type { Keys } from './keys.ts';
import type { Replicated } from './replicas.ts';
import type { Scripts } from './scripts.ts';
import type { Walk } from './walk.ts';

/** What every port of this adapter is made of. */
export interface Context {
  client: Redis | Cluster;
  keys: Keys;
  scripts: Scripts;
  /** Where the store waits for replicas. */
  replicated?: Replicated;
  changes: Changes;
  walk: Walk;
  /** How long audit events are kept. */
  eventRetentionMs: number;
  /** What the user's devices are told of goes into the outbox as well. */
  outsideNotices: boolean;
}
