import type { By } from '../../domain/users.ts';
import type { Answer } from '../idempotency.ts';
import { HttpProblem, invalidRequest } from '../problem.ts';
import type { RouteSpec } from '../route.ts';
import type { ManagementScope } from './auth.ts';
import type { ManagementSchemaName } from './schemas.ts';

/** A request that was let in: authenticated, in scope, of the documented shape. */
export interface Call {
  params: Record<string, string>;
  query: Record<string, unknown>;
  body: unknown;
  by: By;
  /** The version that `If-Match` names. */
  expectedVersion?: number;
}

export interface ManagementRoute extends RouteSpec {
  scope: ManagementScope;
  body?: RouteSpec['body'] & { schema: ManagementSchemaName };
  /** Takes an `Idempotency-Key`. */
  creates?: true;
  /** Takes `If-Match`. */
  conditional?: true;
  handle(call: Call): Promise<Answer>;
}

export const JSON_TYPES = ['application/json'] as const;
/** RFC 7396: null removes. */
export const PATCH_TYPES = ['application/json', 'application/merge-patch+json'] as const;

/** RFC 9110 §8.8.3; the version is all that an ETag of ours says. */
export function etagOf({ version }: { version: number }): string {
  return `"${version}"`;
}

/**
 * @returns undefined for `*`: any version will do
 * @throws HttpProblem bad_request. A weak tag or another text is a misunderstanding, not a version that is stale
 */
export function versionOf(ifMatch: string): number | undefined {
  if (ifMatch.trim() === '*') return undefined;
  const [, version] = /^"(\d{1,15})"$/.exec(ifMatch.trim()) ?? [];
  if (version !== undefined) return Number(version);
  throw invalidRequest([{ name: 'If-Match', reason: 'must be one ETag as this API gave it, for example "3", or *' }]);
}

/**
 * Query parameters by name.
 * @throws HttpProblem bad_request where one came twice: two readers could believe two different ones
 */
export function queryOf(querystring: string): Record<string, unknown> {
  const parameters = new URLSearchParams(querystring);
  const names = [...parameters.keys()];
  const doubled = names.find((name, i) => names.indexOf(name) !== i);
  if (doubled !== undefined) throw new HttpProblem('bad_request', { detail: 'A query parameter came twice.' });
  return Object.fromEntries(parameters);
}
