import type { Store, Wake } from '../../src/domain/ports/store.ts';
import type { ArtifactStore } from '../../src/protocol/ports.ts';
import { DAY } from '../../src/support/clock.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import type { Access } from './access.ts';
import { artifactStore } from './artifacts.ts';
import { clientStore } from './clients.ts';
import { deviceStore } from './devices.ts';
import { keyRingStore } from './key-ring.ts';
import { keyStore } from './keys.ts';
import type { WriterData } from './messages.ts';
import { notificationLogStore } from './notification-log.ts';
import { openReader } from './open.ts';
import { operationStore } from './operation-store.ts';
import { outboxStore } from './outbox.ts';
import { takeOwnership } from './owner.ts';
import { preparePlace } from './place.ts';
import { counterStore, eventStore, idempotencyStore, replayStore } from './records.ts';
import { userStore } from './users.ts';
import { createWakeups } from './wakeups.ts';
import { startWriter } from './write-queue.ts';

export { StoreRefused } from './refused.ts';

export type EmbeddedStore = Store & { artifacts: ArtifactStore };

export interface EmbeddedOptions {
  /** The database; its log and its lock file lie beside it. Made where it is missing. */
  file: string;
  /** How long audit events are kept. */
  eventRetentionMs?: number;
  /** What the user's devices are told of goes into the outbox as well (src/domain/ports/outbox.ts). */
  outsideNotices?: boolean;
  log?: Record<'warn' | 'error', (event: string, fields?: Record<string, unknown>) => void>;
}

/**
 * One process, one file, the same promises as any other store.
 *
 * @throws StoreRefused another process has the file, its schema is newer, it lies on a network file system, or SQLite does
 *         not take a setting that a promise rests on
 */
export async function openEmbeddedStore({
  file,
  eventRetentionMs = 400 * DAY,
  outsideNotices = false,
  log,
}: EmbeddedOptions): Promise<EmbeddedStore> {
  preparePlace(file);
  const ownership = takeOwnership(file);
  const wakeups = createWakeups((error) => log?.error('store.listener_failed', { cause: error }));
  const { writer, reader } = await openThreads({ file, outsideNotices }, wakeups.publish).catch((error: unknown) => {
    ownership.release();
    throw error;
  });
  const access: Access = { read: async (work) => reader.use(work), write: noticing(writer.write, log) };

  return {
    users: userStore(access),
    devices: deviceStore(access),
    operations: operationStore(access),
    outbox: outboxStore(access),
    events: eventStore(access),
    replay: replayStore(access),
    counters: counterStore(access),
    idempotency: idempotencyStore(access),
    keys: keyStore(access),
    keyRing: keyRingStore(access),
    clients: clientStore(access),
    notificationLog: notificationLogStore(access),
    artifacts: artifactStore(access),
    wakeups,
    async check() {
      await access.write('probe', null);
      await access.read((db) => db.get('SELECT count FROM probe'));
    },
    collectGarbage: ({ now, limit }) => access.write('collectGarbage', { now, limit, eventRetentionMs }),
    close: once(async () => {
      await writer.close();
      reader.close();
      ownership.release();
    }),
  };
}

/** The writer first: it makes the file what a reader expects. */
async function openThreads(data: WriterData, onWakes: (wakes: Wake[]) => void) {
  const writer = await startWriter(data, onWakes);
  try {
    return { writer, reader: openReader(data.file) };
  } catch (error) {
    await writer.close();
    throw error;
  }
}

/** Says once that the file cannot be used, and once that it can again: the rest is told by the answers. */
function noticing(write: Access['write'], log: EmbeddedOptions['log']): Access['write'] {
  let isDown = false;
  return async (name, argument) => {
    try {
      const result = await write(name, argument);
      if (isDown) log?.warn('store.recovered');
      isDown = false;
      return result;
    } catch (error) {
      if (error instanceof StoreUnavailable && !isDown) {
        isDown = true;
        log?.error('store.unavailable', { cause: error });
      }
      throw error;
    }
  };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
