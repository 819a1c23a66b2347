/** Loaded before a server (`--import`): tells whoever started it how late its event loop was since the last reading. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** Milliseconds, the millisecond of the measuring timer itself among them. */
export interface LoopDelay {
  p50: number;
  p99: number;
  max: number;
}

if (isMainThread && process.send) {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  process.on('message', () => {
    const ms = (nanoseconds: number) => nanoseconds / 1e6;
    const read: LoopDelay = { p50: ms(loop.percentile(50)), p99: ms(loop.percentile(99)), max: ms(loop.max) };
    loop.reset();
    process.send!(read);
  });
  // it must end as it would without us
  process.channel?.unref();
}
