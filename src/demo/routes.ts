import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { createDesk, type DemoClient, type Desk, DeskError, type DeskRequest } from './desk.ts';
import { enrollmentLink, type ManagementAccess } from './enroll.ts';
import { createWebsite, type Website } from './web.ts';

type PageName = 'helpdesk' | 'tv';

export interface DemoOptions {
  issuer: string;
  clients: Record<PageName | 'web', DemoClient>;
  management: ManagementAccess;
  /** Text and type of a page or one of its assets; undefined where there is none. */
  asset(name: string): Promise<{ type: string; body: string | Buffer } | undefined>;
}

export interface Demo {
  paths: string[];
  /** Rejects with what nobody expected; nothing has been answered then. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>;
  stop(): void;
}

// The pages' own: nothing inline, nothing from elsewhere.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** `/`, `/demo/helpdesk`, `/demo/tv`, `/demo/web`, `/demo/enroll`: development only, and over HTTP only. */
export function createDemo(options: DemoOptions): Demo {
  const router = new Router({ prefix: '/demo' });
  const { web, ...desksOf } = options.clients;
  const desks = Object.entries(desksOf).map(([page, demoClient]) => {
    const desk = createDesk({ issuer: options.issuer, demoClient });
    addPage(router, page, desk, options);
    return desk;
  });

  addWebsite(router, createWebsite({ issuer: options.issuer, demoClient: web }), options);

  router.get('/assets/:name', async (ctx) => send(ctx, await options.asset(String(ctx.params.name))));
  router.get('/enroll', async (ctx) => {
    const link = await enrollmentLink(options.management, String(ctx.query.user ?? 'alice'));
    if (!link) return nowhere(ctx, options, 'user_not_found', 'There is no such demo user. Try alice or bob.');
    ctx.set('cache-control', 'no-store');
    ctx.redirect(link);
  });

  const app = new Koa({ env: 'production' });
  // Only a reader who left in the middle of an answer arrives here; Koa would print a stack trace for everybody who closes a page.
  app.on('error', () => {});
  // Koa would answer by itself, without the headers that every answer has and without a line in the log
  const faults = new WeakMap<IncomingMessage, unknown>();
  app.use(async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      faults.set(ctx.req, error);
      ctx.respond = false;
    }
  });
  app.use(router.routes());
  app.use(async (ctx) => {
    if (isRead(ctx) && ['/', '/demo', '/demo/'].includes(ctx.path)) await page(ctx, options, 'index.html');
    else await nowhere(ctx, options, 'not_found', 'There is nothing here.');
  });
  const serve = app.callback();
  return {
    // where a newcomer comes to first, by the address alone
    paths: ['/demo', '/'],
    async handle(req, res) {
      await serve(req, res);
      if (faults.has(req)) throw faults.get(req);
    },
    stop() {
      for (const desk of desks) desk.stop();
    },
  };
}

function addPage(router: Router, name: string, desk: Desk, options: DemoOptions): void {
  router.get(`/${name}`, (ctx) => page(ctx, options, `${name}.html`));

  router.post(`/${name}/requests`, async (ctx) => {
    const { user, text } = await readJson(ctx);
    if (typeof user !== 'string' || (text !== undefined && typeof text !== 'string'))
      return problem(ctx, 400, 'invalid_request', 'Send {"user", "text"}.');
    try {
      ctx.body = await desk.start(user, text ?? '');
      ctx.status = 201;
    } catch (error) {
      if (!(error instanceof DeskError)) throw error;
      const { code, message, retryAfterSeconds } = error;
      if (retryAfterSeconds !== undefined) ctx.set('retry-after', String(retryAfterSeconds));
      problem(ctx, code === 'often' ? 429 : 400, code, message);
    }
  });

  router.delete(`/${name}/requests/:id`, async (ctx) => {
    await desk.cancel(String(ctx.params.id));
    ctx.status = 204;
  });

  router.get(`/${name}/requests/:id/events`, (ctx) => {
    const request = desk.get(String(ctx.params.id));
    if (!request) return problem(ctx, 404, 'not_found', 'No such request.');
    stream(ctx, desk, request);
  });
}

const visitCookie = 'demo_web';

function addWebsite(router: Router, website: Website, options: DemoOptions): void {
  const visitOf = (ctx: Context) => ctx.cookies.get(visitCookie);
  router.get('/web', (ctx) => page(ctx, options, 'web.html'));
  router.get('/web/state', (ctx) => {
    ctx.body = website.visit(visitOf(ctx));
  });
  router.get('/web/sign-in', async (ctx) => {
    // what a developer wants to try: ?prompt=login, ?max_age=60, ?login_hint=alice, ?ui_locales=nl
    const tried = Object.entries(ctx.query).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    const { id, to } = await website.begin(Object.fromEntries(tried));
    ctx.cookies.set(visitCookie, id, { httpOnly: true, sameSite: 'lax', path: '/demo/web', overwrite: true });
    ctx.redirect(to);
  });
  router.get('/web/callback', async (ctx) => {
    await website.finish(visitOf(ctx), ctx.querystring);
    ctx.redirect('/demo/web');
  });
  router.get('/web/sign-out', async (ctx) => ctx.redirect(await website.leave(visitOf(ctx))));
}

/** Server-sent events: the state now, and every change; ends with the request. */
function stream(ctx: Context, desk: Desk, request: DeskRequest): void {
  const body = new PassThrough();
  const write = (change: DeskRequest) => {
    body.write(`data: ${JSON.stringify(change)}\n\n`);
    if (change.state !== 'waiting') body.end();
  };
  const stop = desk.watch(request.id, write);
  body.on('close', stop);
  ctx.type = 'text/event-stream';
  ctx.set('cache-control', 'no-store');
  ctx.body = body;
  write(request);
}

async function page(ctx: Context, { asset }: DemoOptions, name: string): Promise<void> {
  ctx.set('content-security-policy', POLICY);
  send(ctx, await asset(name));
}

const isRead = ({ method }: Context): boolean => method === 'GET' || method === 'HEAD';

/** A person gets the page that says where to begin, a program a problem. */
async function nowhere(ctx: Context, options: DemoOptions, code: string, detail: string): Promise<void> {
  const isPerson = isRead(ctx) && ctx.accepts('application/problem+json', 'text/html') === 'text/html';
  if (isPerson) await page(ctx, options, 'index.html');
  else problem(ctx, 404, code, detail);
  ctx.status = 404;
}

function send(ctx: Context, asset: { type: string; body: string | Buffer } | undefined): void {
  if (!asset) {
    problem(ctx, 404, 'not_found', 'There is nothing here.');
    return;
  }
  ctx.type = asset.type;
  ctx.body = asset.body;
}

function problem(ctx: Context, status: number, code: string, detail: string): void {
  ctx.status = status;
  ctx.type = 'application/problem+json';
  const trace = ctx.res.getHeader('x-trace-id');
  ctx.body = JSON.stringify({
    type: `urn:assent:problem:${code}`,
    title: detail,
    status,
    detail,
    code,
    trace_id: trace,
  });
}

const maxTextLength = 4096;

/** A page's own small request; anything else is no JSON object of ours. */
async function readJson(ctx: Context): Promise<Record<string, unknown>> {
  let text = '';
  // an iterator that is left early would take the connection with it, and the answer
  for await (const chunk of ctx.req.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.length > maxTextLength) return {};
  }
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
