/**
 * The engine's half of browser sign-in: authorization code with PKCE, pushed authorization requests, sessions, RP-initiated
 * logout. What happens between its two halves of `/authorize` is `sign-in.ts`.
 */
import type { IncomingMessage } from 'node:http';
import type Provider from 'oidc-provider';
import { type Configuration, errors, interactionPolicy, type KoaContextWithOIDC, type Session } from 'oidc-provider';
import type { Answer } from './answer.ts';
import { isMeant } from './claims.ts';
import type { ProtocolDeps } from './deps.ts';
import type { Page } from './sign-in-types.ts';
import { path } from './vocabulary.ts';

type With = ProtocolDeps & { signIn: NonNullable<ProtocolDeps['signIn']> };
type Part = Pick<Configuration, 'responseTypes' | 'pkce' | 'interactions' | 'cookies' | 'expiresWithSession'> & {
  ttl: NonNullable<Configuration['ttl']>;
  routes: NonNullable<Configuration['routes']>;
  features: Pick<NonNullable<Configuration['features']>, 'pushedAuthorizationRequests' | 'rpInitiatedLogout'>;
};

/** As long as somebody may need to find their phone, and start again, and again. */
const interactionSeconds = 3600;
/** RFC 6749 4.1.2 wants at most ten minutes; a client redeems at once. */
const codeSeconds = 60;
const maxLanguages = 10;

export function signInConfiguration(deps: With): Part {
  const { issuer, signIn, clock } = deps;
  return {
    responseTypes: ['code'],
    // RFC 9700 2.1.1; also for clients with a secret
    pkce: { required: () => true },
    interactions: { policy: policyOf(deps), url: (_ctx, { uid }) => `${issuer}${path.signIn}/${uid}` },
    cookies: cookiesOf(issuer),
    // A second sign-in at the same client in the same browser would otherwise take the first one's tokens away.
    expiresWithSession: () => false,
    ttl: {
      Interaction: () => interactionSeconds,
      AuthorizationCode: () => codeSeconds,
      // from the approval on; use does not prolong
      Session: (_ctx, { loginTs }: Session) =>
        loginTs === undefined
          ? interactionSeconds
          : Math.max(1, loginTs + signIn.settings.sessionSeconds - Math.floor(clock() / 1000)),
    },
    routes: {
      authorization: path.authorization,
      pushed_authorization_request: path.pushedAuthorization,
      end_session: path.logout,
    },
    features: {
      pushedAuthorizationRequests: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(ctx) {
          const { state } = ctx.oidc.session as unknown as {
            state: { secret: string; postLogoutRedirectUri?: string };
          };
          const client = ctx.oidc.client?.clientName;
          const returnTo = state.postLogoutRedirectUri;
          const page = signIn.pages.logout({
            languages: languagesOf(ctx),
            action: ctx.oidc.urlFor('end_session_confirm'),
            xsrf: state.secret,
            ...(client !== undefined && { client }),
            ...(returnTo !== undefined && { returnTo }),
          });
          answer(ctx, page);
        },
        postLogoutSuccessSource(ctx) {
          answer(ctx, signIn.pages.loggedOut({ languages: languagesOf(ctx) }));
        },
      },
    },
  };
}

/**
 * The engine's rules for when somebody must be asked, and ours: no authorization details; a session of somebody who was locked or deactivated since
 * is none; so is one of somebody else than `claims` asks for; and one that is too weak for what this client asks for (`acr_values`) is
 * not enough, once.
 */
function policyOf({ settings, secrets }: ProtocolDeps) {
  const policy = interactionPolicy.base();
  const { checks } = policy.get('login')!;
  const known: string[] = Object.values(settings.acr);
  checks.add(
    new interactionPolicy.Check('account_gone', 'the person may not sign in', 'login_required', (ctx) => {
      const { session, account } = ctx.oidc;
      return session?.accountId !== undefined && account === undefined;
    }),
  );
  checks.add(
    // the engine looks at one value for the ID token alone
    new interactionPolicy.Check(
      'somebody_else',
      'the person is not the one that is asked for',
      'login_required',
      (ctx) => {
        const { session, claims, client } = ctx.oidc;
        return session?.accountId !== undefined && !isMeant(session.accountId, { claims, client: client!, secrets });
      },
    ),
  );
  checks.add(
    new interactionPolicy.Check('authorization_details', 'not here', 'invalid_request', (ctx) => {
      if (ctx.oidc.params?.['authorization_details'] === undefined) return false;
      // RFC 9396: what the person would have to see before they approve; only /bc-authorize shows it
      throw new errors.InvalidAuthorizationDetails('authorization_details are for the backchannel endpoint');
    }),
  );
  checks.add(
    new interactionPolicy.Check('acr_values', 'a stronger sign-in is required', 'login_required', (ctx) => {
      const wanted = String(ctx.oidc.params?.['acr_values'] ?? '').split(' ');
      const met = wanted.filter((acr) => known.includes(acr));
      return met.length > 0 && !met.includes(ctx.oidc.acr) && ctx.oidc.result?.login === undefined;
    }),
  );
  return policy;
}

/**
 * `__Host-` where the address allows it. The two that belong to one sign-in exist below its own address only, so that two tabs do
 * not disturb each other, and `__Host-` wants `/`: those are `__Secure-`.
 */
function cookiesOf(issuer: string): Pick<NonNullable<Configuration['cookies']>, 'names' | 'long' | 'short'> {
  const secure = issuer.startsWith('https:');
  const { pathname } = new URL(issuer);
  const options = { httpOnly: true, sameSite: 'lax', secure, overwrite: true } as const;
  return {
    names: {
      session: secure && pathname === '/' ? '__Host-assent_session' : 'assent_session',
      interaction: secure ? '__Secure-assent_sign_in' : 'assent_sign_in',
      resume: secure ? '__Secure-assent_resume' : 'assent_resume',
    },
    long: options,
    short: options,
  };
}

/** What these routes answer is for people, unless a client called them by mistake (ruling 2). */
const browserRoutes: ReadonlySet<string> = new Set([
  'authorization',
  'resume',
  'end_session',
  'end_session_confirm',
  'end_session_success',
]);

export function isForBrowsers({ oidc }: KoaContextWithOIDC): boolean {
  return browserRoutes.has(oidc.route);
}

/** An error that nobody but the person at the browser can be told. */
export function renderBrowserError(
  deps: Pick<With, 'signIn'>,
  ctx: KoaContextWithOIDC,
  { error }: { error: string },
): void {
  const { pages } = deps.signIn;
  const languages = languagesOf(ctx);
  const { route } = ctx.oidc;
  // an address of a sign-in that was finished, or of another browser: the site that sent them did nothing wrong
  if (route === 'resume' && ctx.status < 500) answer(ctx, pages.notice({ languages, notice: 'over' }));
  else answer(ctx, pages.error({ languages, status: ctx.status, error, isSignOut: route.startsWith('end_session') }));
}

/** What a person sees at an address below these pages that is none, or that a form alone may call. */
export function strayPage(
  { signIn }: Pick<With, 'signIn'>,
  { headers, method }: IncomingMessage,
  { pathname, status }: { pathname: string; status: number },
): Answer | undefined {
  if ((method !== 'GET' && method !== 'HEAD') || !headers.accept?.includes('text/html')) return undefined;
  const languages = preferredBy(headers['accept-language']);
  const { html, csp } = pathname.includes(`${path.logout}/`)
    ? signIn.pages.error({ languages, status, error: 'invalid_request', isSignOut: true })
    : signIn.pages.notice({ languages, notice: 'over' });
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': csp,
      'cache-control': 'no-store',
    },
    body: html,
  };
}

function answer(ctx: KoaContextWithOIDC, { html, csp }: Page): void {
  ctx.type = 'html';
  ctx.set('content-security-policy', csp);
  ctx.body = html;
}

/** OpenID Connect Core 3.1.2.1, `ui_locales`; else what the browser prefers. */
function languagesOf(ctx: KoaContextWithOIDC): string[] {
  const wanted = String(ctx.oidc.params?.['ui_locales'] ?? ctx.query['ui_locales'] ?? '').split(' ');
  return [...wanted.filter(Boolean), ...preferredBy(ctx.get('accept-language'))].slice(0, maxLanguages);
}

function preferredBy(acceptLanguage = ''): string[] {
  const tags = acceptLanguage.split(',').map((tag) => tag.split(';')[0]!.trim());
  return tags.filter(Boolean).slice(0, maxLanguages);
}

/** Pages that the engine writes itself submit a form by a script of theirs, whose hash it adds to this policy. */
const enginePolicy = "default-src 'none'; script-src; base-uri 'none'; frame-ancestors 'none'";

/** What every answer of these routes needs; before the engine serves them. */
export function prepareForBrowsers(provider: Provider, issuer: string): void {
  const secure = issuer.startsWith('https:');
  provider.use(async (ctx, next) => {
    // the connection may be plain behind a proxy; the address that people see is the issuer's
    Object.defineProperty(ctx.request, 'secure', { value: secure });
    ctx.cookies.secure = secure;
    if (ctx.path.startsWith(path.authorization) || ctx.path.startsWith(path.logout)) {
      ctx.set('content-security-policy', enginePolicy);
    }
    await next();
  });
}
