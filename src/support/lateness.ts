import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * How far a process is behind: what a request waits for the event loop, and for whatever else was named by `waits`. Looked at
 * every half second; of the last two halves the better one counts, for a pause that is over is no load.
 */
export interface Lateness {
  /** Milliseconds; 0 until it was watched for a second. */
  ms(): number;
  /** Something that requests wait for begins; to be called once when it has ended. */
  waits(): () => void;
  start(): void;
  stop(): void;
}

const resolutionMs = 20;
const windowMs = 500;

export function createLateness(): Lateness {
  const loop = monitorEventLoopDelay({ resolution: resolutionMs });
  const others = createWaits();
  let timer: NodeJS.Timeout | undefined;
  let windows: [number, number] = [0, 0];
  return {
    ms: () => Math.min(...windows),
    waits: others.begin,
    start() {
      loop.enable();
      timer = setInterval(() => {
        // the time between two looks is part of what is measured
        const loopMs = loop.percentile(50) / 1e6 - resolutionMs;
        windows = [windows[1], Math.max(0, loopMs, others.take())];
        loop.reset();
      }, windowMs);
      timer.unref();
    },
    stop() {
      clearInterval(timer);
      loop.disable();
    },
  };
}

function createWaits() {
  // in the order of their beginnings
  const underWay = new Set<{ since: number }>();
  let ended = { count: 0, ms: 0 };
  return {
    begin() {
      const wait = { since: performance.now() };
      underWay.add(wait);
      return () => {
        underWay.delete(wait);
        ended.count++;
        ended.ms += performance.now() - wait.since;
      };
    },
    /** Their mean since the last look; where none has ended, how long the first one waits. */
    take(): number {
      const { count, ms } = ended;
      ended = { count: 0, ms: 0 };
      if (count > 0) return ms / count;
      const [first] = underWay;
      return first ? performance.now() - first.since : 0;
    },
  };
}
