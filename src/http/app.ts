import type { RequestListener } from 'node:http';
import Koa from 'koa';
import type { Health } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import { type StaticAssets, staticAssets } from './assets.ts';
import { healthRoutes } from './health.ts';
import type { AppContext, AppState, Middleware } from './middleware/context.ts';
import { deadline } from './middleware/deadline.ts';
import { problems } from './middleware/errors.ts';
import { type FramingLimits, framing } from './middleware/framing.ts';
import { proxyHops } from './middleware/proxy.ts';
import { requestLog } from './middleware/request-log.ts';
import { API_CSP, AUTHENTICATOR_CSP, securityHeaders } from './middleware/security-headers.ts';
import { tracing } from './middleware/trace.ts';
import { below, handOver, isBelow, type Mounted } from './mount.ts';
import { deviceOpenapi } from './openapi/device.ts';
import { serveDocument } from './openapi/document.ts';
import { HttpProblem } from './problem.ts';

export const DEVICE_PREFIX = '/device/v1';
export const MANAGEMENT_PREFIX = '/management/v1';

/** What every listener needs. */
export interface CommonParts {
  log: Log;
  /** `config.listeners` */
  limits: FramingLimits;
  /** `config.proxyHops` */
  proxyHops: number;
}

export interface PublicParts extends CommonParts {
  issuer: string;
  /** `config.authenticator.origin`: its host gets nothing from this listener but the device API. */
  authenticatorOrigin: string;
  health: Health;
  /** Answers below `/device/v1`; sees the whole path. */
  deviceApi: Middleware;
  /** The OpenID provider with its paths. It answers wrong methods itself. */
  engine: Mounted;
  /** Demo and simulator, in development. */
  others?: readonly Mounted[];
}

export interface ManagementParts extends CommonParts {
  health: Health;
  /** Answers below `/management/v1`; see management-api/index.ts. */
  managementApi: Middleware;
  others?: readonly Mounted[];
}

export interface AuthenticatorParts extends CommonParts {
  /** `config.authenticator.origin` */
  origin: string;
  assets: StaticAssets;
  deviceApi: Middleware;
}

/** OpenID provider, device API, health; demo and simulator in development. */
export function createPublicApp(parts: PublicParts): RequestListener {
  return compose(
    [
      ...edge(parts, { listener: 'public', csp: API_CSP, https: isHttps(parts.issuer) }),
      notForAuthenticatorHost(parts),
      healthRoutes({ health: parts.health, detail: false }),
      serveDocument(`${DEVICE_PREFIX}/openapi.json`, deviceOpenapi({ issuer: parts.issuer })),
      below(DEVICE_PREFIX, withDeadline(parts.deviceApi)),
      handOver(parts.engine, pinOrigin(parts.issuer)),
      ...(parts.others ?? []).map((mounted) => handOver(mounted)),
    ],
    parts.log,
  );
}

/** Management API, health with detail; console and metrics when they come. Nothing of it is on the public listener. */
export function createManagementApp(parts: ManagementParts): RequestListener {
  return compose(
    [
      ...edge(parts, { listener: 'management', csp: API_CSP, https: false }),
      healthRoutes({ health: parts.health, detail: true }),
      below(MANAGEMENT_PREFIX, withDeadline(parts.managementApi)),
      ...(parts.others ?? []).map((mounted) => handOver(mounted)),
    ],
    parts.log,
  );
}

/** The web authenticator's own origin: its files and the device API, nothing else (device-protocol, section 1). */
export function createAuthenticatorApp(parts: AuthenticatorParts): RequestListener {
  return compose(
    [
      ...edge(parts, { listener: 'authenticator', csp: AUTHENTICATOR_CSP, https: isHttps(parts.origin) }),
      below(DEVICE_PREFIX, withDeadline(parts.deviceApi)),
      staticAssets(parts.assets),
    ],
    parts.log,
  );
}

/** The part of the way that every request goes, in this order; README.md says why. */
function edge(parts: CommonParts, at: { listener: string; csp: string; https: boolean }): Middleware[] {
  return [
    tracing(),
    requestLog({ log: parts.log, listener: at.listener }),
    securityHeaders(at),
    problems(parts),
    proxyHops(parts.proxyHops),
    framing(parts.limits),
  ];
}

function compose(middleware: Middleware[], log: Log): RequestListener {
  const app = new Koa<AppState>({ env: 'production' });
  // Only what fails after the answer has begun arrives here: a stream or a socket that broke.
  app.on('error', (error: unknown) => log.debug('http.broken', { error }));
  for (const each of middleware) app.use(each);
  return app.callback();
}

function withDeadline(middleware: Middleware): Middleware {
  const inTime = deadline();
  return (ctx, next) => inTime(ctx, () => Promise.resolve(middleware(ctx, next)));
}

/** A proxy that sends the authenticator's host here would put the issuer's pages into the origin that holds the keys. */
function notForAuthenticatorHost({ authenticatorOrigin }: PublicParts): Middleware {
  const { host } = new URL(authenticatorOrigin);
  return (ctx, next) => {
    if (ctx.req.headers.host === host && !isBelow(ctx.path, DEVICE_PREFIX)) throw new HttpProblem('misdirected');
    return next();
  };
}

/** The engine reads host and scheme from the request; it gets the issuer's, whatever the request said (ruling 3). */
function pinOrigin(issuer: string): (ctx: AppContext) => void {
  const { host, protocol } = new URL(issuer);
  return (ctx) => {
    const { headers } = ctx.req;
    headers.host = host;
    headers['x-forwarded-proto'] = protocol.slice(0, -1);
    headers['x-forwarded-for'] = ctx.ip;
  };
}

function isHttps(origin: string): boolean {
  return origin.startsWith('https:');
}
