/** The side of the clients: what they may do beyond what every configuration lets them, and what is wrong with those of the configuration. */

import { type Config, ConfigError } from '../config.ts';
import type { Clients } from '../domain/clients.ts';
import { peerCertificateOf } from '../http/edge/peer-certificate.ts';
import type { ProtocolDeps } from '../protocol/deps.ts';
import { ClientMetadataError, createProtocol, type Protocol } from '../protocol/protocol.ts';

/** How clients may register and show themselves, as far as that is switched on. */
export function clientSideOf({ environment, tls, proxy, mtls, registration }: Config, clients: Clients) {
  const { enabled, initialAccessToken } = registration;
  const canShowCertificates = tls?.clientPort !== undefined || proxy.clientCertificateHeader !== undefined;
  return {
    // for certification suites; a bank's accounts are elsewhere
    exampleResource: environment !== 'production',
    ...(canShowCertificates && { mtls: { origin: mtls.origin, peerCertificateOf } }),
    ...(enabled && initialAccessToken !== undefined && { registration: { clients, initialAccessToken } }),
  };
}

/** @throws ConfigError where clients of the configuration cannot be used as they are written */
export function protocolOf(deps: ProtocolDeps): Protocol {
  try {
    return createProtocol(deps);
  } catch (error) {
    throw error instanceof ClientMetadataError ? new ConfigError(error.problems) : error;
  }
}
