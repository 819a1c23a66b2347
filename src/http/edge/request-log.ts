import type { Log } from '../../observability/log.ts';
import type { Exchange, Step } from './exchange.ts';
import { shownPath } from './shown-path.ts';

/** One line for each answer. Never the query: `auth_req_id`, tickets and hints travel there (ruling 3). */
export function requestLog({ log, listener }: { log: Log; listener: string }): Step {
  return (exchange) => {
    const startedAt = performance.now();
    exchange.res.once('close', () => {
      const { req, res, path, trace } = exchange;
      const write = isRoutine(exchange) ? log.debug : log.info;
      write('http.request', {
        // said here: the event comes from the socket, which belongs to no request
        trace_id: trace.traceId,
        listener,
        method: req.method,
        path: shownPath(path),
        status: res.statusCode,
        ms: Math.round(performance.now() - startedAt),
        // The client went away before it had everything.
        ...(!res.writableFinished && { aborted: true }),
      });
    });
  };
}

/** What comes every few seconds and tells nothing: probes, and polls that are answered "not yet". Refusals have lines of their own. */
function isRoutine({ path, res: { statusCode } }: Exchange): boolean {
  return path.startsWith('/health/') || (path === '/oauth/token' && statusCode === 400);
}
