import { errors } from 'oidc-provider';

/** `invalid_request`: what most of what can be wrong with a request is called (CIBA Core 13). The cause is for the log. */
export const refused = (description: string, cause?: unknown): Error =>
  new errors.InvalidRequest(description, undefined, cause === undefined ? undefined : { cause: cause as Error });
