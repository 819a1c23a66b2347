import type { Outbound } from '../outbound.ts';

/** RFC 9110 §6.4.1, and what `Response` insists on. */
const WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * Outgoing calls in the shape of `fetch`, for libraries that ask for one (oidc-provider's `fetch` setting). The default of
 * fetch, to follow redirects, is not available: there `follow` is the same as `error`. Dispatchers are ignored.
 *
 * @throws TypeError with the OutboundError as `cause`, or the signal's reason: what callers of fetch expect
 */
export function asFetch(outbound: Outbound): (input: string | URL | Request, init?: RequestInit) => Promise<Response> {
  return async (input, init) => {
    const request = new Request(input, init);
    const { signal } = request;
    signal.throwIfAborted();
    const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined;
    try {
      const answer = await outbound.request(request.url, {
        method: request.method,
        headers: Object.fromEntries(request.headers),
        accept: request.headers.get('accept') ?? undefined,
        body,
        redirects: request.redirect === 'manual' ? 'return' : 'refuse',
        signal,
      });
      const { status, headers } = answer;
      return new Response(WITHOUT_BODY.has(status) ? null : new Uint8Array(answer.body), { status, headers });
    } catch (error) {
      signal.throwIfAborted();
      throw new TypeError((error as Error).message, { cause: error });
    }
  };
}
