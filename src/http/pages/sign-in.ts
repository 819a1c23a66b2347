import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import Router from '@koa/router';
import { DomainError } from '../../domain/errors.ts';
import type { Log } from '../../observability/log.ts';
import type { AddressLimit } from '../address-limit.ts';
import { staticAssets } from '../assets.ts';
import { exchangeOf } from '../edge/exchange.ts';
import { readText } from '../middleware/body.ts';
import type { AppContext, AppState, Middleware } from '../middleware/context.ts';
import { koaApp } from '../middleware/koa-app.ts';
import type { Mounted } from '../mount.ts';
import type { Assets } from './assets.ts';
import type { Shared } from './consent-text.ts';
import { languagesOf } from './languages.ts';
import type { InputError, Page, SignInPages } from './sign-in-pages.ts';
import { browserOf } from './user-agent.ts';

/** Of the relying party's request; see src/protocol/sign-in-types.ts, which gives it. */
export interface SignInRequest extends Shared {
  client: { id: string; name: string };
  uiLocales: string[];
  returnTo: string;
}

export type SignInView =
  | (SignInRequest & { step: 'identify'; hint: string; account?: string; scan: boolean })
  | (SignInRequest & { step: 'scan'; link: string; startedAt: number; expiresAt: number })
  | (SignInRequest & {
      step: 'waiting';
      who?: string;
      matchCode: string | undefined;
      startedAt: number;
      expiresAt: number;
    })
  | (SignInRequest & { step: 'ended'; who?: string; why: 'denied' | 'not_me' | 'failed' | 'expired' | 'replaced' })
  | { step: 'continue'; to: string };

interface BrowserRequest {
  req: IncomingMessage;
  res: ServerResponse;
  uid: string;
}

/** The part of the protocol that these pages are for. `undefined`: no such sign-in in this browser. */
export interface SignIn {
  view(browser: BrowserRequest): Promise<SignInView | undefined>;
  ask(
    browser: BrowserRequest,
    ask: {
      who: string | undefined;
      origin: { ip?: string; browser?: string; os?: string };
      languages: string[];
    },
  ): Promise<'asked' | { why: 'busy' | 'often'; retryAfterSeconds: number } | undefined>;
  scan(
    browser: BrowserRequest,
    ask: { origin: { ip?: string; browser?: string; os?: string }; languages: string[] },
  ): Promise<'asked' | 'often' | undefined>;
  again(browser: BrowserRequest): Promise<true | undefined>;
  leave(browser: BrowserRequest): Promise<string | undefined>;
  watch(browser: BrowserRequest, shows: 'scan' | 'waiting', changed: () => void): Promise<(() => void) | undefined>;
}

export interface SignInParts {
  issuer: string;
  signIn: SignIn;
  pages: SignInPages;
  assets: Assets;
  /** Aborted when the process drains: pages that wait come back by themselves. */
  stopping: AbortSignal;
  log: Log;
  bodyLimitBytes: number;
  /** Of the forms that are sent, and of what {@link limited} stands in front of. */
  limit: AddressLimit;
}

const maxNameLength = 256;
/** A page that waits asks again after this; proxies let go of what is silent for a minute. */
const streamMs = 50_000;

/**
 * `/sign-in/<id>`: between `/authorize` and its answer.
 *
 *     GET   what there is to see; goes on to `/authorize/<id>` when the answer is there
 *     POST  `do`: ask (with `who`), ask-account, scan, again, leave; answered with a redirect, so that a reload repeats nothing
 *     GET   …/events?shows=scan: one event when there is something else to see than this step, or the one that waits
 */
export function createSignInRoutes(parts: SignInParts): Mounted {
  const { signIn, pages } = parts;
  const prefix = `${new URL(parts.issuer).pathname.replace(/\/$/, '')}/sign-in`;
  const router = new Router<AppState>({ prefix });

  router.get('/assets/:name', (ctx, next) => {
    ctx.path = `/${ctx.params['name']}`;
    return staticAssets(parts.assets)(ctx as unknown as AppContext, next);
  });

  router.get('/:uid', async (ctx) => {
    const app = ctx as unknown as AppContext;
    const view = await signIn.view(browserRequest(ctx));
    if (!view) return over(app);
    if (view.step === 'continue') return goTo(app, view.to);
    show(app, 200, pages.view({ languages: languagesOf(app.get('accept-language')), view }));
  });

  router.post('/:uid', async (ctx) => {
    const app = ctx as unknown as AppContext;
    if (!isOwnForm(app, parts.issuer)) {
      return show(app, 403, pages.notice({ languages: languagesOf(app.get('accept-language')), notice: 'csrf' }));
    }
    if (!isWithin(app)) return;
    const text = await readText(app, { types: ['application/x-www-form-urlencoded'] });
    const form = new URLSearchParams(text);
    const browser = browserRequest(ctx);
    switch (form.get('do')) {
      case 'again':
        return (await signIn.again(browser)) ? goTo(app, app.path) : over(app);
      case 'leave': {
        const to = await signIn.leave(browser);
        return to === undefined ? over(app) : goTo(app, to);
      }
      case 'scan': {
        const languages = languagesOf(app.get('accept-language'));
        const scanned = await signIn.scan(browser, { origin: originOf(app), languages });
        if (scanned === 'often') return refuse(app, browser, 'codes');
        return scanned ? goTo(app, app.path) : over(app);
      }
      case 'ask-account':
        return ask(app, browser, undefined);
      default:
        return ask(app, browser, form.get('who') ?? '');
    }
  });

  router.get('/:uid/events', async (ctx) => {
    const app = ctx as unknown as AppContext;
    const body = new PassThrough();
    // the first bytes go out now, so that the browser knows that it is connected
    body.write('retry: 1000\n\n');
    const end = (last = '') => void (body.writableEnded || body.end(last));
    const tell = () => end('data: look\n\n');
    const shows = new URLSearchParams(ctx.querystring).get('shows') === 'scan' ? 'scan' : 'waiting';
    const stop = await signIn.watch(browserRequest(ctx), shows, tell);
    // nothing to wait for: the page should look now
    if (!stop) tell();
    const timer = setTimeout(end, streamMs);
    const drain = () => end();
    parts.stopping.addEventListener('abort', drain);
    body.on('close', () => {
      stop?.();
      clearTimeout(timer);
      parts.stopping.removeEventListener('abort', drain);
    });
    app.type = 'text/event-stream';
    app.status = 200;
    app.body = body;
  });

  /** Before anything is read: each form may start something that is kept. */
  function isWithin(ctx: AppContext): boolean {
    const waitSeconds = waitOf(parts.limit, exchangeOf(ctx.req).address);
    if (waitSeconds === undefined) return true;
    ctx.set('retry-after', waitSeconds);
    show(ctx, 429, pages.notice({ languages: languagesOf(ctx.get('accept-language')), notice: 'often' }));
    return false;
  }

  async function ask(ctx: AppContext, browser: BrowserRequest, who: string | undefined): Promise<void> {
    const languages = languagesOf(ctx.get('accept-language'));
    const error =
      who === undefined ? undefined : who.trim() === '' ? 'empty' : who.length > maxNameLength ? 'long' : undefined;
    if (error) return refuse(ctx, browser, error);
    const outcome = await signIn.ask(browser, {
      who,
      origin: originOf(ctx),
      languages,
    });
    if (!outcome) return over(ctx);
    if (outcome === 'asked') return goTo(ctx, ctx.path);
    ctx.set('retry-after', String(outcome.retryAfterSeconds));
    return refuse(ctx, browser, outcome.why, outcome.retryAfterSeconds);
  }

  async function refuse(ctx: AppContext, browser: BrowserRequest, error: InputError, waitSeconds?: number) {
    const view = await signIn.view(browser);
    if (!view) return over(ctx);
    if (view.step !== 'identify') return goTo(ctx, ctx.path);
    const page = pages.view({
      languages: languagesOf(ctx.get('accept-language')),
      view,
      error,
      ...(waitSeconds && { waitSeconds }),
    });
    show(ctx, waitSeconds || error === 'codes' ? 429 : 422, page);
  }

  function over(ctx: AppContext): void {
    show(ctx, 404, pages.notice({ languages: languagesOf(ctx.get('accept-language')), notice: 'over' }));
  }

  /** An address below this one that is none, cut off for instance. */
  const astray: Middleware = async (ctx, next) => {
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (!isRead || ctx.accepts('application/problem+json', 'text/html') !== 'text/html') return next();
    over(ctx);
  };

  const app = koaApp([router.routes() as never, astray], parts);
  return { paths: [prefix], handle: app };
}

/**
 * The engine, with the two addresses counted where whoever asks has shown nothing yet and leaves something in the store for an
 * hour or two: 20 KiB each, and a store that is full starts no operation any more.
 */
export function limited<Engine extends Mounted>(
  engine: Engine,
  { issuer, pages, limit }: Pick<SignInParts, 'issuer' | 'pages' | 'limit'>,
): Engine {
  const prefix = new URL(issuer).pathname.replace(/\/$/, '');
  const doors = new Set(['/authorize', '/logout'].flatMap((path) => [path, prefix + path]));
  return {
    ...engine,
    handle(req: IncomingMessage, res: ServerResponse) {
      const { path, address } = exchangeOf(req);
      const waitSeconds = doors.has(path) ? waitOf(limit, address) : undefined;
      if (waitSeconds === undefined) return engine.handle(req, res);
      const { html, csp } = pages.notice({
        languages: languagesOf(req.headers['accept-language'] ?? ''),
        notice: 'often',
      });
      const headers = {
        'content-security-policy': csp,
        'content-type': 'text/html; charset=utf-8',
        vary: 'accept-language',
      };
      res.writeHead(429, { ...headers, 'retry-after': waitSeconds }).end(html);
    },
  };
}

/** Seconds; undefined: go on. */
function waitOf(limit: AddressLimit, address: string): string | undefined {
  try {
    limit(address);
    return undefined;
  } catch (error) {
    if (error instanceof DomainError) return String(error.members['retry_after']);
    throw error;
  }
}

/** What the person is shown of where the request comes from. */
const originOf = (ctx: AppContext) => ({
  ip: exchangeOf(ctx.req).address,
  ...browserOf(ctx.get('user-agent')),
});

const browserRequest = ({
  req,
  res,
  params,
}: {
  req: IncomingMessage;
  res: ServerResponse;
  params: Record<string, string>;
}) => ({
  req,
  res,
  uid: params['uid'] ?? '',
});

function show(ctx: AppContext, status: number, { html, csp }: Page): void {
  ctx.status = status;
  ctx.set('content-security-policy', csp);
  // with none at all, browsers hide the origin of our own forms from us
  ctx.set('referrer-policy', 'same-origin');
  ctx.set('vary', 'accept-language');
  ctx.body = html;
  ctx.type = 'text/html; charset=utf-8';
}

function goTo(ctx: AppContext, to: string): void {
  ctx.redirect(to);
  ctx.status = 303;
  ctx.body = '';
}

/** TH-25. Browsers that know `Sec-Fetch-Site` send it, and no page can forge it; others send `Origin` with every form. */
function isOwnForm(ctx: AppContext, issuer: string): boolean {
  const site = ctx.get('sec-fetch-site');
  return site === '' ? ctx.get('origin') === new URL(issuer).origin : site === 'same-origin';
}
