import * as http from 'node:http';
import * as https from 'node:https';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { OutboundError } from './errors.ts';
import type { Guard, Target } from './guard.ts';
import type { Resolve } from './resolve.ts';

/** PEM, both. */
export interface ClientCertificate {
  cert: string;
  key: string;
}

export interface Identity {
  /** PEM, beyond the anchors of node. */
  ca?: readonly string[];
  clientCertificate?: ClientCertificate;
}

export interface TransportOptions {
  guard: Guard;
  resolve: Resolve;
  trust: SecureContext;
}

/** Whom it believes, and who it is. Made once: reading some 150 anchors costs more than a handshake. */
export function trustOf({ ca = [], clientCertificate }: Identity): SecureContext {
  return createSecureContext({
    ca: [...getCACertificates('default'), ...ca],
    minVersion: 'TLSv1.2',
    ...clientCertificate,
  });
}

export interface Transport {
  /** A request that will connect to an admitted address of the target and to no other. Not sent yet. */
  open(target: Target, headers: Record<string, string>, method?: string): http.ClientRequest;
}

/** Bytes of an answer's head; node's own default, whatever a command-line flag says. */
const MAX_HEADER_BYTES = 16 * 1024;

export function createTransport({ guard, resolve, trust: secureContext }: TransportOptions): Transport {
  // Agents of our own: the global ones may have been told to use a proxy by the environment.
  const plain = new http.Agent({ keepAlive: false });
  const secure = new https.Agent({ keepAlive: false, maxCachedSessions: 0, secureContext });

  return {
    open(target, headers, method = 'GET') {
      const { url, host, port } = target;
      const options = {
        host,
        port,
        path: url.pathname + url.search,
        method,
        headers,
        lookup: guardedLookup(target, guard, resolve),
        // with it node asks for all addresses, tries one after the other, and tries only those
        autoSelectFamily: true,
        maxHeaderSize: MAX_HEADER_BYTES,
        insecureHTTPParser: false,
      };
      if (!target.secure) return http.request({ ...options, agent: plain });
      return https.request({
        ...options,
        agent: secure,
        // whatever NODE_TLS_REJECT_UNAUTHORIZED says
        rejectUnauthorized: true,
        servername: isIP(host) ? '' : host,
      });
    },
  };
}

/** Where node asks for the address of each new connection. What it is not told here, it cannot connect to. */
function guardedLookup(target: Target, guard: Guard, resolve: Resolve): LookupFunction {
  return (name, { all }, done) => {
    const tell = (addresses: string[]) => {
      const found = addresses.map((address) => ({ address, family: isIP(address) }));
      if (all) done(null, found);
      else done(null, found[0]!.address, found[0]!.family);
    };
    const unresolved = (cause: unknown): never => {
      throw new OutboundError('resolve', { cause });
    };
    resolve(name)
      .catch(unresolved)
      .then((addresses) => tell(guard.admitted(target, addresses)))
      .catch((error) => done(error, ''));
  };
}
