/** `assent ciba …`: start a request as a client does, wait for the answer, and show what goes back and forth. */

import * as client from 'openid-client';
import { discover, explainOAuth } from './ciba-client.ts';
import { assent } from './command-name.ts';
import { documentParameter } from './documents.ts';
import { type CliError, negative, usage } from './errors.ts';
import { type Exchange, masked } from './exchanges.ts';
import { type Progress, showProgress } from './progress.ts';
import type { Run } from './run.ts';
import { clientSecretOf, issuerOf } from './settings.ts';
import { big, duration, fields, plain } from './text.ts';

export interface ClientOptions {
  client: string;
  secret?: string;
  issuer?: string;
}

export interface StartOptions extends ClientOptions {
  hint: string;
  text?: string;
  /** A file. */
  document?: string;
  scope: string;
  acr?: string;
  expiry?: number;
}

export interface WaitOptions extends ClientOptions {
  wait?: number;
  interval?: number;
  showTokens?: boolean;
}

type Acknowledgement = client.BackchannelAuthenticationResponse & { match_code?: string };
type Tokens = Awaited<ReturnType<typeof client.pollBackchannelAuthenticationGrant>>;

export async function startCommand(run: Run, options: StartOptions) {
  const session = await openSession(run, options);
  const acknowledgement = await start(session, options);
  const next = `Then: ${assent} ciba poll ${acknowledgement.auth_req_id} --client ${options.client}`;
  run.result(acknowledgement, [...numberLines(acknowledgement), next]);
}

export async function pollCommand(run: Run, authReqId: string, options: WaitOptions) {
  const session = await openSession(run, options);
  const { wait = 120, interval = 5 } = options;
  const acknowledgement = { auth_req_id: authReqId, expires_in: wait, interval: Math.min(interval, Math.max(wait, 1)) };
  const tokens =
    (await askOnce(session, authReqId)) ?? (await waitFor(session, acknowledgement, { isWholeLife: false }));
  await show(session, tokens, options);
}

/** The answer may be there already. @returns undefined while there is none */
async function askOnce({ configuration, clientId }: Session, authReqId: string): Promise<Tokens | undefined> {
  try {
    return await client.genericGrantRequest(configuration, cibaGrant, { auth_req_id: authReqId });
  } catch (error) {
    const code = error instanceof client.ResponseBodyError ? error.error : '';
    if (code === 'authorization_pending' || code === 'slow_down') return undefined;
    throw explainWaiting(error, authReqId, clientId);
  }
}

const cibaGrant = 'urn:openid:params:grant-type:ciba';

export async function loginCommand(run: Run, options: StartOptions & WaitOptions) {
  const session = await openSession(run, options);
  const acknowledgement = await start(session, options);
  run.line({ event: 'started', ...acknowledgement }, numberLines(acknowledgement));
  const expiresIn = Math.min(options.wait ?? acknowledgement.expires_in, acknowledgement.expires_in);
  const isWhole = expiresIn === acknowledgement.expires_in;
  const tokens = await waitFor(
    session,
    { ...acknowledgement, expires_in: expiresIn },
    { isWholeLife: isWhole, ...options },
  );
  await show(session, tokens, options);
}

interface Session {
  run: Run;
  configuration: client.Configuration;
  clientId: string;
  wire: Wire;
}

/** Shows exchanges in the order in which they happen; repeated polls that bring nothing new only move the progress. */
interface Wire {
  progress?: Progress;
  polls: number;
}

async function openSession(run: Run, options: ClientOptions): Promise<Session> {
  const { env } = run.terminal;
  const issuer = await issuerOf(options.issuer, env);
  const secret = await clientSecretOf(options.client, options.secret, env);
  const wire: Wire = { polls: 0 };
  const onExchange = (exchange: Exchange) => {
    const isPending = ['authorization_pending', 'slow_down'].includes(String(exchange.received.error));
    if (isPending) wire.polls += 1;
    // a key set is long, and says nothing about this request
    if (run.json || isPending || exchange.url.endsWith('jwks.json')) return;
    wire.progress?.stop();
    wire.progress = undefined;
    for (const line of exchangeLines(exchange)) run.terminal.print(line);
  };
  const configuration = await discover({ issuer, clientId: options.client, secret, onExchange });
  return { run, configuration, clientId: options.client, wire };
}

function exchangeLines({ method, url, sent, status, received }: Exchange): string[] {
  return [`→ ${method} ${url}`, ...fields(sent, '    '), `← ${status}`, ...fields(received, '    '), ''];
}

async function start({ configuration }: Session, options: StartOptions): Promise<Acknowledgement> {
  const parameters = {
    scope: options.scope,
    login_hint: options.hint,
    ...(options.text !== undefined && { binding_message: options.text }),
    ...(options.document !== undefined && { document: await documentParameter(options.document) }),
    ...(options.acr !== undefined && { acr_values: options.acr }),
    ...(options.expiry !== undefined && { requested_expiry: String(options.expiry) }),
  };
  try {
    return await client.initiateBackchannelAuthentication(configuration, parameters);
  } catch (error) {
    const refusal = explainOAuth(error);
    if (refusal.code !== 'access_denied') throw refusal;
    throw negative('access_denied', refusal.message, { ...refusal.details, advice: 'Nothing was started.' });
  }
}

function numberLines({ match_code: number }: Acknowledgement): string[] {
  if (number === undefined) return [];
  return [`Number to match: ${plain(number)}`, '', ...big(number), ''];
}

async function waitFor(
  { run, configuration, clientId, wire }: Session,
  acknowledgement: Acknowledgement,
  { isWholeLife, hint }: { isWholeLife: boolean; hint?: string },
): Promise<Tokens> {
  const { auth_req_id: authReqId, expires_in: seconds } = acknowledgement;
  const who = hint === undefined ? 'an answer' : `${plain(hint)} to answer`;
  if (!run.json) {
    const polls = () => (wire.polls === 0 ? '' : `, asked ${wire.polls} ${wire.polls === 1 ? 'time' : 'times'}`);
    wire.progress = showProgress(
      run.terminal,
      (elapsed) => `Waiting for ${who} … ${elapsed} of ${duration(seconds)}${polls()}`,
    );
  }
  try {
    return await client.pollBackchannelAuthenticationGrant(configuration, acknowledgement);
  } catch (error) {
    wire.progress?.stop();
    throw explainWaiting(error, authReqId, clientId, isWholeLife);
  } finally {
    wire.progress?.stop();
  }
}

/** Whatever ends the waiting does not end the request: it can be asked for again. */
function explainWaiting(error: unknown, authReqId: string, clientId: string, isWholeLife = false): CliError {
  const goOn = `The request is kept. Go on with: ${assent} ciba poll ${authReqId} --client ${clientId}`;
  const isTimeout = error instanceof Error && (error.name === 'TimeoutError' || isTimeoutCause(error.cause));
  if (isTimeout && isWholeLife)
    return negative('expired_token', 'There was no answer in time.', {
      advice: 'Nothing was approved. It can be started again.',
    });
  if (isTimeout) return negative('authorization_pending', 'There is no answer yet.', { advice: goOn });
  const refusal = explainOAuth(error);
  return refusal.code === 'network' ? usage('network', refusal.message, { advice: goOn }) : refusal;
}

function isTimeoutCause(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'TimeoutError';
}

async function show({ run, configuration }: Session, tokens: Tokens, { showTokens }: WaitOptions) {
  const claims = tokens.claims();
  const userinfo = claims && (await userinfoOf(configuration, tokens, claims.sub));
  const { access_token, id_token, refresh_token, expires_in, scope } = tokens;
  const secrets = { access_token, id_token, refresh_token };
  const shownTokens = showTokens ? secrets : undefined;
  run.result({ event: 'approved', claims, userinfo, expires_in, scope, tokens: shownTokens }, [
    'Approved. The ID token is verified; it says:',
    ...fields(readable(claims ?? {}), '    '),
    ...(userinfo ? ['Userinfo says:', ...fields(userinfo, '    ')] : []),
    ...(showTokens
      ? fields(secrets, '')
      : [`Tokens are not shown; --show-tokens shows them (access_token ${masked(access_token)}).`]),
  ]);
}

/** What was asked for beyond `openid` stands there, not in the ID token (OpenID Connect Core 5.4). */
async function userinfoOf(configuration: client.Configuration, { scope = '', access_token }: Tokens, sub: string) {
  if (!/profile|email|phone|address/.test(scope)) return undefined;
  return client.fetchUserInfo(configuration, access_token, sub).catch((error: unknown) => {
    throw explainOAuth(error);
  });
}

const instants = ['exp', 'iat', 'nbf', 'auth_time'];

function readable(claims: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(claims).map(([name, value]) =>
    instants.includes(name) ? [name, `${value} (${new Date(Number(value) * 1000).toISOString()})`] : [name, value],
  );
  return Object.fromEntries(entries);
}
