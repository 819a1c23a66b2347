import type { Terminal } from './terminal.ts';
import { duration } from './text.ts';

export interface Progress {
  stop(): void;
}

const liveMs = 1_000;
// In a log file a line now and then is enough to see that it is alive.
const logMs = 10_000;

/**
 * Says what is waited for, and for how long already, until it is stopped.
 *
 * @param describe called at every turn, with the time so far; the first one at once
 */
export function showProgress(terminal: Terminal, describe: (elapsed: string) => string): Progress {
  const startedAt = Date.now();
  const show = () => {
    const text = describe(duration((Date.now() - startedAt) / 1000));
    if (terminal.showsStatus) terminal.status(text);
    else terminal.say(text);
  };
  show();
  const timer = setInterval(show, terminal.showsStatus ? liveMs : logMs);
  return {
    stop() {
      clearInterval(timer);
      if (terminal.showsStatus) terminal.status('');
    },
  };
}
