import type { Log } from '../../observability/log.ts';
import { PROBLEM_TYPE, type ProblemAnswer, problemOf } from '../problem.ts';
import type { Exchange } from './exchange.ts';
import { shownPath } from './shown-path.ts';

/** The same refusal in other words, with the same status. undefined: at this path a problem document is right. */
export type Refusal = (path: string, problem: ProblemAnswer) => Told | undefined;

interface Told {
  headers: Record<string, string>;
  body: string;
}

/** Whatever is thrown becomes a problem document; whatever nobody expected is logged with its cause and shows nothing. */
export function answerProblem(
  { req, res, path, trace }: Exchange,
  error: unknown,
  log: Log,
  refusal: Refusal = () => undefined,
): void {
  if (res.destroyed) return; // the client went away: nobody is there to be told
  const problem = problemOf(error, trace.traceId);
  const { status, headers, fault } = problem;
  if (fault) log.error('http.fault', { status, method: req.method, path: shownPath(path), error });
  if (res.headersSent) {
    // Half an answer is out; ending the connection is the only way to say that it is not whole.
    res.destroy();
    return;
  }
  const told = refusal(path, problem) ?? asDocument(problem);
  res.writeHead(status, { ...headers, ...told.headers }).end(told.body);
}

function asDocument({ body }: ProblemAnswer): Told {
  const text = JSON.stringify(body);
  return { headers: { 'content-type': PROBLEM_TYPE, 'content-length': String(Buffer.byteLength(text)) }, body: text };
}
