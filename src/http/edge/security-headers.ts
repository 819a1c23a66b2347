import type { Step } from './exchange.ts';

/** For answers that are data: nothing in them may run, load, or be framed. Pages bring their own, as strict as they can. */
export const API_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** The web authenticator (device-protocol, section 1): only itself, no text that becomes script, no frame around it. */
export const AUTHENTICATOR_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "manifest-src 'self'",
  "worker-src 'self'",
  "require-trusted-types-for 'script'",
  // the one policy that views/authenticator/service-worker.ts makes, once; nobody else may make one
  'trusted-types assent-service-worker',
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const ONE_YEAR_SECONDS = 31_536_000;

/** Set before anything answers, so that errors have them too; a handler may set its own instead. */
export function securityHeaders({ csp, https }: { csp: string; https: boolean }): Step {
  const headers: [string, string][] = [
    ['content-security-policy', csp],
    ['x-content-type-options', 'nosniff'],
    ['x-frame-options', 'DENY'],
    ['referrer-policy', 'no-referrer'],
    ['cross-origin-opener-policy', 'same-origin'],
    ['cross-origin-resource-policy', 'same-origin'],
    // Most of what we say is about one person at one moment; what may be kept says so itself.
    ['cache-control', 'no-store'],
  ];
  if (https) headers.push(['strict-transport-security', `max-age=${ONE_YEAR_SECONDS}; includeSubDomains`]);
  return ({ res }) => {
    for (const [name, value] of headers) res.setHeader(name, value);
  };
}
