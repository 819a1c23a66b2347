import { HttpProblem } from '../problem.ts';
import type { Step } from './exchange.ts';

export interface FramingLimits {
  maxHeadersCount: number;
  bodyLimitBytes: number;
}

const MAX_PARAMETERS = 100;

/** Headers that two readers could understand differently if they came twice (RFC 9112 §3.2, RFC 9110 §5.3). */
const SINGLE = new Set(['host', 'content-length', 'transfer-encoding', 'content-type', 'authorization', 'dpop']);

const close = { connection: 'close' };

/**
 * What can be refused before any body is read (TH-20, TH-33). Node's strict parser has refused malformed framing
 * already; this is what it lets pass.
 */
export function framing({ maxHeadersCount, bodyLimitBytes }: FramingLimits): Step {
  return ({ req: { rawHeaders, headers, httpVersionMajor }, res, path, query }) => {
    // Node's parser still reads a request line without a version, as HTTP/0.9.
    if (httpVersionMajor !== 1) throw new HttpProblem('bad_request', { detail: 'Speak HTTP/1.1.', headers: close });
    // Neither a path nor an address that has one (RFC 9112 §3.2): nobody further down could read it.
    if (!path.startsWith('/') && path !== '*')
      throw new HttpProblem('bad_request', { detail: 'Ask for a path.', headers: close });
    if (rawHeaders.length / 2 > maxHeadersCount) throw new HttpProblem('headers_too_large', { headers: close });
    const doubled = firstDoubled(rawHeaders);
    if (doubled) throw new HttpProblem('bad_request', { detail: `The header ${doubled} came twice.`, headers: close });
    // We change to no other protocol. After such a request node reads no long headers any more on that connection.
    if (headers.upgrade !== undefined) res.setHeader('connection', 'close');
    // A compressed body is a small request that becomes a large one.
    if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
      throw new HttpProblem('unsupported_media_type', { detail: 'Content-Encoding is not supported.', headers: close });
    }
    if (Number(headers['content-length'] ?? 0) > bodyLimitBytes) {
      throw new HttpProblem('payload_too_large', { headers: close });
    }
    if (query !== '' && query.split('&', MAX_PARAMETERS + 1).length > MAX_PARAMETERS) {
      throw new HttpProblem('bad_request', { detail: `More than ${MAX_PARAMETERS} parameters.` });
    }
  };
}

function firstDoubled(rawHeaders: string[]): string | undefined {
  const seen = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (!SINGLE.has(name)) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}
