import type { Case } from './case.ts';
import type { Life } from './life.ts';
import { edgeStatuses, routes } from './routes.ts';
import type { Answer, Outcome } from './wire.ts';

/** TH-23 */
const leak = /at .*:\d+:\d+|node_modules|SQLITE|ECONN|Redis|adapters\/|src\//;
/** Also where a case names its answers: it may be too long before it is wrong. */
const tooLong = [413, 431];
/** RFC 6749 5.2 */
const errorText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** ciba.md 1.9 and 1.10, RFC 6749 5.2 and 4.1.2.1, RFC 6750 3.1, RFC 7591 3.2.2, RFC 9101 7, RFC 9449 5. */
const oauthErrors = new Set([
  ...['invalid_request', 'invalid_scope', 'expired_login_hint_token', 'unknown_user_id', 'unauthorized_client'],
  ...['missing_user_code', 'invalid_user_code', 'invalid_binding_message', 'invalid_authorization_details'],
  ...['invalid_target', 'invalid_client', 'access_denied', 'authorization_pending', 'slow_down', 'expired_token'],
  ...['invalid_grant', 'unsupported_grant_type', 'unsupported_token_type', 'invalid_token', 'insufficient_scope'],
  ...['invalid_dpop_proof', 'use_dpop_nonce', 'server_error', 'unsupported_response_type', 'invalid_request_object'],
  ...['invalid_client_metadata', 'invalid_redirect_uri', 'invalid_request_uri'],
]);

/** What may be kept by a cache: it is the same for everybody. */
const isPublic = ({ path, listener }: Case) =>
  path.startsWith('/.well-known/') || (listener === 'authenticator' && !path.startsWith('/device/'));

const bareStatuses = [400, 408, 413, 417, 431];

/** @returns what is wrong with it, as sentences; nothing where all is well */
export function violations(each: Case, { answers, broken }: Outcome, world: Life): string[] {
  if (broken !== undefined) return [broken];
  if (answers.length === 0) return each.abandoned ? [] : ['no answer'];
  return answers.flatMap((answer) => [
    ...aboutStatus(each, answer),
    ...(each.never !== undefined && parsed(answer.text)['error'] === each.never ? [`believed: ${each.never}`] : []),
    ...(each.neverTo !== undefined && String(answer.headers['location']).includes(each.neverTo)
      ? [`believed: goes on to ${each.neverTo}`]
      : []),
    ...aboutForm(each, answer),
    ...aboutSecrets(each, answer, world),
  ]);
}

function aboutStatus({ route, only, wire }: Case, { status, headers }: Answer): string[] {
  if (status === 503) return headers['retry-after'] ? [] : ['503 without Retry-After'];
  if (status >= 500) return [`${status}`];
  if (status === 408 && wire === undefined) return ['408: what was sent whole was never read'];
  const documented = only ? [...only, ...tooLong] : [...(routes.get(route)?.statuses ?? []), ...edgeStatuses];
  return documented.includes(status) ? [] : [`${status} is not documented`];
}

function aboutForm(each: Case, { status, headers, text }: Answer): string[] {
  const type = String(headers['content-type'] ?? '');
  const cache = String(headers['cache-control'] ?? '');
  // node's parser refuses by itself what is no HTTP, too long, or expects what nobody promised
  if (text === '' && type === '' && bareStatuses.includes(status)) return [];
  const wrong = cache.includes('no-store') || isPublic(each) ? [] : [`Cache-Control: ${cache}`];
  if (headers['x-trace-id'] === undefined) wrong.push('no X-Trace-Id');
  if (headers['x-content-type-options'] !== 'nosniff') wrong.push('no nosniff');
  if (each.method === 'HEAD' || status < 400) return wrong;
  if (type.startsWith('application/problem+json') && !isForClients(each))
    return [...wrong, ...aboutProblem(status, text)];
  if (type.startsWith('application/json')) return [...wrong, ...aboutOAuthError(text)];
  if (type.startsWith('application/jose')) return wrong; // sealed for whoever has the response key
  if (type.startsWith('text/html') && isForPeople(each)) return wrong;
  return [...wrong, `${status} as ${type || 'nothing'}`];
}

/** Ruling 2: a browser is told on a page what it cannot do; everybody else gets JSON. */
function isForPeople({ path }: Case): boolean {
  return /^\/(?:authorize|logout|sign-in)(?:[/?]|$)/.test(path ?? '');
}

const oauthPaths = [...new Set([...routes.values()].filter(({ kind }) => kind === 'oauth').map(({ path }) => path))];

/** RFC 6749 5.2, ciba.md 1.9: whoever refuses there, the edge included, speaks as OAuth's clients understand it. */
function isForClients({ listener, path, wire }: Case): boolean {
  const asked = wire === undefined ? path : (/^[A-Z]+ (\S+) HTTP\/1\.1\r\n/.exec(wire)?.[1] ?? '');
  const bare = asked.split('?', 1)[0]!;
  return listener === 'public' && oauthPaths.some((each) => bare === each || bare.startsWith(`${each}/`));
}

function aboutProblem(status: number, text: string): string[] {
  const problem = parsed(text);
  const isWhole =
    problem['status'] === status && typeof problem['title'] === 'string' && typeof problem['detail'] === 'string';
  const isCoded = typeof problem['code'] === 'string' && problem['type'] === `urn:assent:problem:${problem['code']}`;
  return isWhole && isCoded && typeof problem['trace_id'] === 'string'
    ? []
    : [`not a problem document: ${text.slice(0, 200)}`];
}

/** E-01 to E-03 */
function aboutOAuthError(text: string): string[] {
  const { error, error_description: description = '', ...others } = parsed(text);
  const wrong: string[] = [];
  if (!oauthErrors.has(String(error))) wrong.push(`error: ${String(error)}`);
  if (typeof description !== 'string' || !errorText.test(description))
    wrong.push(`error_description: ${String(description)}`);
  if (Object.keys(others).length > 0) wrong.push(`members ${Object.keys(others)}`);
  return wrong;
}

function parsed(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** What they say is written for whoever reads it, and names what it likes. */
const isDocument = ({ path }: Case) => /\/openapi\.json|^\/metrics/.test(path);

/** Of random letters five may be `Redis`: of a hundred thousand answers now and then one. */
const isSealed = ({ headers }: Answer) => String(headers['content-type']).startsWith('application/jose');

function aboutSecrets(each: Case, answer: Answer, { secrets }: Life): string[] {
  const { status, text, headers } = answer;
  const mayNameIt = (status === 200 && isDocument(each)) || isSealed(answer);
  const wrong = leak.test(text) && !mayNameIt ? [`shows the inside: ${leak.exec(text)?.[0]}`] : [];
  if (status < 400) return wrong;
  const all = text + JSON.stringify(headers);
  return [...wrong, ...secrets.filter(([, secret]) => all.includes(secret)).map(([name]) => `shows ${name}`)];
}
