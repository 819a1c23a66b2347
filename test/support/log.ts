import { Writable } from 'node:stream';
import { createLog, type Log } from '../../src/observability/log.ts';
import { expectNoCanary } from './canaries/index.ts';

/** A log at debug level that a test can read, and that may show no secret. */
export interface WatchedLog {
  log: Log;
  lines(): Record<string, unknown>[];
  /** @throws Error where a line shows a secret; call it when what writes has stopped */
  check(): void;
}

const unchecked = new Set<WatchedLog>();

export function watchedLog(): WatchedLog {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const watched: WatchedLog = {
    log: createLog({ level: 'debug', stream }),
    lines: () =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    check() {
      unchecked.delete(watched);
      expectNoCanary('the log', text);
    },
  };
  unchecked.add(watched);
  return watched;
}

// those that nothing stops
afterAll(() => {
  for (const watched of [...unchecked]) watched.check();
});
