/** Loaded before a server (`--import`): tells whoever started it what it has used of its core, to the microsecond. */
import { isMainThread } from 'node:worker_threads';

/** Microseconds since the process began. */
export interface CpuTime {
  /** Of all threads: also those that collect garbage, compile and write to the embedded store. */
  all: number;
  /** Of the one that answers requests. */
  main: number;
}

if (isMainThread && process.send) {
  const sum = ({ user, system }: NodeJS.CpuUsage) => user + system;
  process.on('message', () => {
    process.send!({ all: sum(process.cpuUsage()), main: sum(process.threadCpuUsage()) } satisfies CpuTime);
  });
  // it must end as it would without us
  process.channel?.unref();
}
