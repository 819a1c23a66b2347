import type Provider from 'oidc-provider';
import { type Client, errors } from 'oidc-provider';
import { blank, unshowable } from '../domain/binding-message.ts';
import { DomainError } from '../domain/errors.ts';
import { noFetch } from './client-keys.ts';
import { checkDelivery } from './delivery-metadata.ts';
import type { ClientMetadata, ProtocolDeps, ProtocolSettings } from './deps.ts';
import { chooseFittingKeys } from './encryption.ts';
import { newClient } from './engine-patches.ts';
import { checkKeySet } from './key-sets.ts';
import { checkSector } from './sectors.ts';
import { sectorOf } from './subjects.ts';
import { grantType } from './vocabulary.ts';

/** What is wrong, or undefined. Runs before the engine's own checks, which cover what is not here. */
type Rule = (metadata: ClientMetadata, settings: ProtocolSettings) => string | undefined | false;

const hasCiba = ({ grant_types: grants }: ClientMetadata) =>
  grants === undefined || (Array.isArray(grants) && grants.includes(grantType.ciba));
/** Of any kind, as it came: what is no text is none of the methods. */
const methodOf = (metadata: ClientMetadata): unknown => metadata['token_endpoint_auth_method'] ?? 'client_secret_basic';

const rules: readonly Rule[] = [
  // the engine takes them for texts before it has looked, and an object need not become one
  (metadata) => {
    const isWrong = ([name, value]: [string, unknown]) =>
      /_(?:alg|enc|method)$/.test(name) && value !== undefined && typeof value !== 'string';
    const wrong = Object.entries(metadata).find(isWrong);
    return wrong && `${wrong[0]} must be a text`;
  },
  // C-08: CIBA Core 7.1
  (metadata) =>
    hasCiba(metadata) &&
    methodOf(metadata) === 'none' &&
    'token_endpoint_auth_method must not be none for a client with the CIBA grant',
  (metadata, { clientAuthentication: { methods } }) =>
    methodOf(metadata) !== 'none' &&
    !methods.some((method) => method === methodOf(metadata)) &&
    `token_endpoint_auth_method must be one of ${methods.join(', ')}`,
  ({ token_endpoint_auth_signing_alg: alg }, { clientAuthentication: { signingAlgs } }) =>
    typeof alg === 'string' &&
    !alg.startsWith('HS') &&
    !signingAlgs.includes(alg) &&
    `token_endpoint_auth_signing_alg must be one of ${signingAlgs.join(', ')}`,
  // F1A 5.2.2-5: what is stolen on the way must be of no use
  (metadata, { tokens: { senderConstrained } }) =>
    senderConstrained &&
    metadata['tls_client_certificate_bound_access_tokens'] !== true &&
    metadata['dpop_bound_access_tokens'] !== true &&
    'tls_client_certificate_bound_access_tokens or dpop_bound_access_tokens must be true',
  // FAPI-CIBA 5.2.2: who never signs could not ask
  (metadata, { ciba: { requests } }) =>
    requests.mustBeSigned &&
    hasCiba(metadata) &&
    metadata['backchannel_authentication_request_signing_alg'] === undefined &&
    'backchannel_authentication_request_signing_alg is required',
  (metadata, { ciba: { requests } }) =>
    requests.mustMatch &&
    hasCiba(metadata) &&
    (metadata.assent_match ?? 'none') === 'none' &&
    'assent_match must be choose, type2 or type6',
  (metadata, { ciba: { requests } }) =>
    requests.mustBeTwoFactor && metadata.assent_method === 'device' && 'assent_method must not be device',
  ({ jwks }) => checkKeySet(jwks, 'jwks'),
  ({ client_name: name }) => checkName(name),
  ({ redirect_uris: addresses }) => checkRedirects(addresses),
];

/** As `client_name` of the configuration. */
const maxNameLength = 120;

/** S-03: the first thing that people read of a request, chosen by whoever registers; as strict as a binding message. */
function checkName(name: unknown): string | undefined {
  // the engine says what else it must be
  if (typeof name !== 'string') return undefined;
  if (name.length > 2 * maxNameLength || [...name].length > maxNameLength) {
    return `client_name must not have more than ${maxNameLength} characters`;
  }
  const isReadable = !unshowable.test(name) && !blank.test(name);
  return isReadable ? undefined : 'client_name must be a text that people can read, on one line';
}

/** RFC 9700 2.6: a code that leaves in the clear is anybody's. The own machine is no network (RFC 8252 7.3). */
function checkRedirects(addresses: unknown): string | undefined {
  const inTheClear = (address: unknown) =>
    typeof address === 'string' && /^http:/i.test(address) && !isLoopback(address);
  return Array.isArray(addresses) && addresses.some(inTheClear)
    ? 'redirect_uris must be https, but for localhost'
    : undefined;
}

const isLoopback = (address: string) =>
  URL.canParse(address) && ['localhost', '127.0.0.1', '[::1]'].includes(new URL(address).hostname);

/** @throws errors.InvalidClientMetadata */
export function makeClient(provider: Provider, metadata: ClientMetadata, settings: ProtocolSettings): Client {
  for (const rule of rules) {
    const problem = rule(metadata, settings);
    if (problem) throw new errors.InvalidClientMetadata(problem);
  }
  // a copy: the engine writes into the keys that it is given
  const client = newClient(provider, JSON.parse(JSON.stringify(withoutUseless(metadata))));
  chooseFittingKeys(client);
  checkBinding(client, metadata);
  checkDelivery(client, metadata);
  return client;
}

/** The engine leaves out what nothing is there for, and the client would get tokens that are bound to nothing (I-05). */
function checkBinding(client: Client, { tls_client_certificate_bound_access_tokens: wanted }: ClientMetadata): void {
  if (wanted !== true || client.tlsClientCertificateBoundAccessTokens) return;
  throw new errors.InvalidClientMetadata(
    'tls_client_certificate_bound_access_tokens needs a way in for certificates: tls.clientPort or proxy.clientCertificateHeader',
  );
}

/**
 * C-03: a client that polls is never called, so an endpoint says nothing; it is not kept, and the answer shows that. Nor does an
 * empty list of defaults, which the engine would take for one with values.
 */
function withoutUseless(metadata: ClientMetadata): ClientMetadata {
  const { backchannel_client_notification_endpoint: endpoint, default_acr_values: acrs, ...rest } = metadata;
  return {
    ...rest,
    ...(metadata['backchannel_token_delivery_mode'] !== 'poll' && {
      backchannel_client_notification_endpoint: endpoint,
    }),
    ...(!(Array.isArray(acrs) && acrs.length === 0) && { default_acr_values: acrs }),
  };
}

/** Stands for a secret of which only the hash is known; long enough for whoever asks about lengths. */
const secretStandIn = '*'.repeat(43);

export function makeRegistered(provider: Provider, metadata: ClientMetadata, settings: ProtocolSettings): Client {
  return makeClient(provider, { ...metadata, client_secret: secretStandIn }, settings);
}

/**
 * For whoever registers a client.
 * @returns what is in force, defaults filled in (C-12)
 * @throws DomainError client_metadata_invalid
 */
export async function checkClient(
  provider: Provider,
  metadata: ClientMetadata,
  { settings, fetch = noFetch, checkAddress }: Pick<ProtocolDeps, 'settings' | 'fetch' | 'checkAddress'>,
): Promise<ClientMetadata> {
  try {
    if (metadata['token_endpoint_auth_method'] === 'client_secret_jwt') {
      throw new errors.InvalidClientMetadata('client_secret_jwt needs a secret that can be read; use private_key_jwt');
    }
    const client = makeRegistered(provider, metadata, settings);
    for (const member of calledAddresses) checkCalled(member, metadata[member], checkAddress);
    await checkSector(client, fetch);
    return metadataOf(client);
  } catch (error) {
    if (!(error instanceof errors.InvalidClientMetadata)) throw error;
    const reason = error.error_description ?? error.message;
    throw new DomainError('client_metadata_invalid', {
      cause: error,
      detail: reason,
      members: { invalid_params: [{ name: memberIn(reason), reason }] },
    });
  }
}

/** Under which a client knows people. undefined: it knows their own ids, or it is no client that could be used. */
export function pairwiseSectorOf(
  provider: Provider,
  metadata: ClientMetadata,
  { settings }: Pick<ProtocolDeps, 'settings'>,
): string | undefined {
  try {
    const client = makeRegistered(provider, metadata, settings);
    return client.subjectType === 'pairwise' ? sectorOf(client) : undefined;
  } catch (error) {
    if (error instanceof errors.InvalidClientMetadata) return undefined;
    throw error;
  }
}

/** Where the server itself will call. */
const calledAddresses = ['backchannel_client_notification_endpoint', 'jwks_uri', 'sector_identifier_uri'] as const;

/** TH-17: one text, whether an address is special, a port is closed to us or a host is not on the list. */
function checkCalled(member: string, address: unknown, check: ProtocolDeps['checkAddress']): void {
  if (typeof address !== 'string' || !check) return;
  try {
    check(address);
  } catch (cause) {
    throw Object.assign(new errors.InvalidClientMetadata(`${member} is no address that this server calls`), { cause });
  }
}

/** The texts of the engine and ours name the member first, or nearly so. */
const memberIn = (reason: string): string => /[a-z]+(?:_[a-z0-9]+)+|jwks/.exec(reason)?.[0] ?? '';

function metadataOf(client: Client): ClientMetadata {
  const { client_secret: _none, ...metadata } = client.metadata() as ClientMetadata;
  return metadata;
}
