import type { Log } from './deps.ts';
import type { OAuthError } from './errors.ts';

/** A fault is for us to look at, with its cause; a refusal is the caller's matter. */
export function logRefusal(
  log: Log,
  of: { route: string; clientId?: string | undefined },
  { status, error, detail }: OAuthError,
  thrown: unknown,
): void {
  if (status >= 500) log.error('oauth.fault', { ...of, status, detail, error: thrown });
  else log.info('oauth.refused', { ...of, status, code: error, detail });
}
