import type { Wake } from '../../src/domain/ports/store.ts';
import type { WriteName } from './writes.ts';

/** What travels between the main thread and the writer's. Structured clones: nothing is shared. */
export interface Request {
  id: number;
  name: WriteName;
  argument: unknown;
}

/** What the writer's thread begins with. */
export interface WriterData {
  file: string;
  /** What the user's devices are told goes into the outbox as well. */
  outsideNotices: boolean;
}

export type ToWriter = Request | 'close';

export type Settled = { id: number } & (
  | { result: unknown }
  /** `unavailable`: the file could not be used. Otherwise a fault of the program. */
  | { error: { unavailable: boolean; message: string } }
);

export type FromWriter =
  | 'ready'
  /** The store does not open. */
  | { refused: string }
  /** One group: everything in it was committed together, or nothing. */
  | { settled: Settled[]; wakes: Wake[] };
