/** The ports: which app answers on which, plainly and over TLS, and what their addresses are once they are open. */

import type { RequestListener } from 'node:http';
import type { Config } from '../config.ts';
import { createListener, type Listener } from '../http/listeners.ts';
import { createTls, type Tls, type TlsKind } from '../http/tls.ts';
import { systemTimers } from '../support/timers.ts';
import type { ServerDeps } from './deps.ts';
import { fromFiles } from './files.ts';

export interface Addresses {
  public: string;
  management: string;
  authenticator: string;
  /** With `config.tls`. */
  tls?: string;
  /** With `config.tls.clientPort`. */
  tlsClients?: string;
}

interface Apps {
  public: RequestListener;
  management: RequestListener;
  authenticator: RequestListener;
}

interface Listeners extends Record<keyof Apps, Listener> {
  tls?: Listener;
  tlsClients?: Listener;
}

export function createListeners(config: Config, apps: Apps, tls: Tls | undefined): Listeners {
  const listen = (name: keyof Apps, host: string, port: number) =>
    createListener({ name, host, port, handler: apps[name], limits: config.listeners });
  return {
    public: listen('public', config.host, config.port),
    management: listen('management', config.management.host, config.management.port),
    authenticator: listen('authenticator', config.host, config.authenticator.port),
    ...(tls && tlsListeners(config, tls, apps.public)),
  };
}

/** The public app once more, over TLS: on one port for everybody, on another for clients that show a certificate. */
function tlsListeners({ host, tls: settings, listeners: limits }: Config, tls: Tls, handler: RequestListener) {
  const listen = (name: string, port: number, kind: TlsKind) =>
    createListener({ name, host, port, handler, limits, tls: { tls, kind } });
  const { port = 0, clientPort } = settings ?? {};
  return {
    tls: listen('tls', port, 'server'),
    ...(clientPort !== undefined && { tlsClients: listen('tls-clients', clientPort, 'client-certificates') }),
  };
}

/** @throws ConfigError where the files cannot be used */
export function tlsOf(settings: NonNullable<Config['tls']>, { clock, timers = systemTimers, log }: ServerDeps): Tls {
  return fromFiles(() => createTls({ settings, clock, timers, log }));
}

/** Opens them, in this order. */
export async function listenAll({ host, management }: Config, listeners: Listeners): Promise<Addresses> {
  const { tls, tlsClients } = listeners;
  return {
    public: await addressOf(host, listeners.public),
    management: await addressOf(management.host, listeners.management),
    authenticator: await addressOf(host, listeners.authenticator),
    ...(tls && { tls: await addressOf(host, tls, 'https') }),
    ...(tlsClients && { tlsClients: await addressOf(host, tlsClients, 'https') }),
  };
}

async function addressOf(host: string, listener: Listener, scheme = 'http'): Promise<string> {
  return `${scheme}://${hostOf(host)}:${await listener.listen()}`;
}

/** A wildcard is no address to connect to. */
export function hostOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
