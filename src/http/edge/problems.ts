import type { Log } from '../../observability/log.ts';
import { PROBLEM_TYPE, problemOf } from '../problem.ts';
import type { Exchange } from './exchange.ts';
import { shownPath } from './shown-path.ts';

/** Whatever is thrown becomes a problem document; whatever nobody expected is logged with its cause and shows nothing. */
export function answerProblem({ req, res, path, trace }: Exchange, error: unknown, log: Log): void {
  if (res.destroyed) return; // the client went away: nobody is there to be told
  const { status, headers, body, fault } = problemOf(error, trace.traceId);
  if (fault) log.error('http.fault', { status, method: req.method, path: shownPath(path), error });
  if (res.headersSent) {
    // Half an answer is out; ending the connection is the only way to say that it is not whole.
    res.destroy();
    return;
  }
  const text = Buffer.from(JSON.stringify(body));
  res.writeHead(status, { ...headers, 'content-type': PROBLEM_TYPE, 'content-length': text.length }).end(text);
}
