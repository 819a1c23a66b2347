import type { RequestListener } from 'node:http';
import type { Health } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { staticAssets } from './assets.ts';
import { deviceRoutes } from './device-api/routes.ts';
import { exchangeOf, type Step } from './edge/exchange.ts';
import { type FramingLimits, framing } from './edge/framing.ts';
import { type TrustedProxies, trustedProxies } from './edge/proxies.ts';
import { requestLog } from './edge/request-log.ts';
import { requestMetrics } from './edge/request-metrics.ts';
import { API_CSP, AUTHENTICATOR_CSP, securityHeaders } from './edge/security-headers.ts';
import { HEALTH_PATHS, healthRoutes } from './health.ts';
import { METRICS_PATH, metricsRoute } from './metrics.ts';
import type { Middleware } from './middleware/context.ts';
import { deadline, inTime } from './middleware/deadline.ts';
import { koaApp } from './middleware/koa-app.ts';
import { below, isBelow, listenerOf, type Mounted } from './mount.ts';
import { deviceOpenapi } from './openapi/device.ts';
import { serveDocument } from './openapi/document.ts';
import type { Assets } from './pages/assets.ts';
import { type Nowhere, nowhere } from './pages/nowhere.ts';
import { HttpProblem } from './problem.ts';

export const DEVICE_PREFIX = '/device/v1';
export const MANAGEMENT_PREFIX = '/management/v1';

/** What metrics tell apart. */
const DEVICE_ENDPOINTS = [DEVICE_PREFIX, ...deviceRoutes.map(({ path }) => `${DEVICE_PREFIX}${path}`)];
const MANAGEMENT_ENDPOINTS = ['', '/users', '/devices', '/clients'].map((path) => `${MANAGEMENT_PREFIX}${path}`);

/** IV-10: a token request may be held for 30 s, and one to answer it. Stores give up long before that by themselves. */
const HELD_MS = 31_000;

/** What every listener needs. */
export interface CommonParts {
  log: Log;
  /** `config.listeners` */
  limits: FramingLimits;
  /** `config.proxyHops` */
  proxyHops: number;
  /** `config.proxy` */
  proxy?: Omit<TrustedProxies, 'hops'>;
  metrics?: Metrics;
  /** What people see who came to an address that nothing answers. Absent: a problem document, as everybody else. */
  nowhere?: Nowhere;
}

export interface PublicParts extends CommonParts {
  issuer: string;
  /** `config.authenticator.origin`: its host gets nothing from this listener but the device API. */
  authenticatorOrigin: string;
  health: Health;
  /** The calls of devices that have one answer. */
  deviceCalls: Mounted;
  /** Answers what else there is below `/device/v1`; sees the whole path. */
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
  assets: Assets;
  deviceCalls: Mounted;
  deviceApi: Middleware;
}

/** OpenID provider, device API, health; demo and simulator in development. */
export function createPublicApp(parts: PublicParts): RequestListener {
  const { log, issuer, health, engine, deviceCalls, others = [] } = parts;
  const endpoints = [engine, ...others].flatMap(({ paths }) => paths).concat(DEVICE_ENDPOINTS, HEALTH_PATHS);
  const edge = edgeOf(parts, { listener: 'public', csp: API_CSP, https: isHttps(issuer), endpoints });
  return listenerOf({
    steps: [...edge, notForAuthenticatorHost(parts)],
    mounted: [withIssuer(engine, issuer), deviceCalls, ...others],
    rest: ownApp(parts, [
      healthRoutes({ health, detail: false }),
      serveDocument(`${DEVICE_PREFIX}/openapi.json`, deviceOpenapi({ issuer })),
      below(DEVICE_PREFIX, withDeadline(parts.deviceApi)),
    ]),
    log,
  });
}

/** Management API, metrics, health with detail; the console when it comes. Nothing of it is on the public listener. */
export function createManagementApp(parts: ManagementParts): RequestListener {
  const { log, health, metrics, others = [] } = parts;
  const endpoints = [...MANAGEMENT_ENDPOINTS, METRICS_PATH, ...HEALTH_PATHS];
  return listenerOf({
    steps: edgeOf(parts, { listener: 'management', csp: API_CSP, https: false, endpoints }),
    mounted: others,
    rest: ownApp(parts, [
      healthRoutes({ health, detail: true }),
      ...(metrics ? [metricsRoute(metrics)] : []),
      below(MANAGEMENT_PREFIX, withDeadline(parts.managementApi)),
    ]),
    log,
  });
}

/** The web authenticator's own origin: its files and the device API, nothing else (device-protocol, section 1). */
export function createAuthenticatorApp(parts: AuthenticatorParts): RequestListener {
  const { log, origin, assets, deviceCalls } = parts;
  const at = { listener: 'authenticator', csp: AUTHENTICATOR_CSP, https: isHttps(origin), endpoints: DEVICE_ENDPOINTS };
  return listenerOf({
    steps: edgeOf(parts, at),
    mounted: [deviceCalls],
    rest: ownApp(parts, [below(DEVICE_PREFIX, withDeadline(parts.deviceApi)), staticAssets(assets)]),
    log,
  });
}

interface At {
  listener: string;
  csp: string;
  https: boolean;
  /** What metrics may name. */
  endpoints: readonly string[];
}

/** What every request passes, in this order; README.md says why. */
function edgeOf(parts: CommonParts, at: At): Step[] {
  const { log, metrics } = parts;
  return [
    requestLog({ log, listener: at.listener }),
    ...(metrics ? [requestMetrics({ metrics, ...at })] : []),
    securityHeaders(at),
    trustedProxies({ hops: parts.proxyHops, ...parts.proxy }),
    framing(parts.limits),
  ];
}

function ownApp({ log, limits, nowhere: page }: CommonParts, middleware: Middleware[]): RequestListener {
  return koaApp(page ? [...middleware, nowhere(page)] : middleware, { log, bodyLimitBytes: limits.bodyLimitBytes });
}

function withDeadline(middleware: Middleware): Middleware {
  const bounded = deadline();
  return (ctx, next) => bounded(ctx, () => Promise.resolve(middleware(ctx, next)));
}

/** A proxy that sends the authenticator's host here would put the issuer's pages into the origin that holds the keys. */
function notForAuthenticatorHost({ authenticatorOrigin }: PublicParts): Step {
  const { host } = new URL(authenticatorOrigin);
  return ({ req, path }) => {
    if (req.headers.host === host && !isBelow(path, DEVICE_PREFIX)) throw new HttpProblem('misdirected');
  };
}

/** The engine reads host and scheme from the request; it gets the issuer's, whatever the request said (ruling 3). */
function withIssuer({ handle, ...piece }: Mounted, issuer: string): Mounted {
  const { host, protocol } = new URL(issuer);
  const scheme = protocol.slice(0, -1);
  return {
    ...piece,
    handle(req, res) {
      req.headers.host = host;
      req.headers['x-forwarded-proto'] = scheme;
      req.headers['x-forwarded-for'] = exchangeOf(req).address;
      return inTime(req, Promise.resolve(handle(req, res)), HELD_MS);
    },
  };
}

function isHttps(origin: string): boolean {
  return origin.startsWith('https:');
}
