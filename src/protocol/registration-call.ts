import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Client, type Clients, type Metadata, type Shown, sha256 } from '../domain/clients.ts';
import { DomainError } from '../domain/errors.ts';
import { sameText } from '../support/secrets.ts';
import { parseJsonObject } from '../support/strict-json.ts';
import { jsonAnswer, send } from './answer.ts';
import type { ProtocolDeps } from './deps.ts';
import { ProtocolError } from './errors.ts';
import { grantType, path } from './vocabulary.ts';

/** Dynamic registration (RFC 7591, RFC 7592); absent: there is none. */
export interface Registration {
  clients: Clients;
  /** Whoever registers presents it. */
  initialAccessToken: string;
}

type Deps = Pick<ProtocolDeps, 'issuer' | 'log' | 'traceId' | 'signIn'>;
type Calls = Record<'register' | 'manage', (req: IncomingMessage, res: ServerResponse, id: string) => Promise<void>>;

const maxBytes = 56 * 1024;
const jsonType = /^application\/json\s*(;|$)/i;

/** RFC 7592, 2.2: the server's, which a client may not set. */
const ofServer = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
] as const;

/** Under which the client would know people; undefined: it is not pairwise. */
type SectorOf = (metadata: Metadata) => string | undefined;

/** `POST /oauth/register`; GET, PUT and DELETE of what lies below it. @throws ProtocolError | DomainError */
export function createRegistrationCalls(
  deps: Deps,
  { clients, initialAccessToken }: Registration,
  sectorOf: SectorOf,
): Calls {
  const { issuer, log, traceId, signIn } = deps;
  const addressOf = (id: string) => `${issuer}${path.registration}/${encodeURIComponent(id)}`;
  const byClient = (id: string) => {
    const trace = traceId?.();
    return { actor: id === '' ? 'registration' : `client:${id}`, ...(trace !== undefined && { traceId: trace }) };
  };

  function documentOf({ client, secret }: Shown, registrationToken: string) {
    return {
      ...client.metadata,
      client_id: client.id,
      client_id_issued_at: Math.floor((client.createdAt ?? 0) / 1000),
      ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
      registration_access_token: registrationToken,
      registration_client_uri: addressOf(client.id),
    };
  }

  /**
   * Without ours. RFC 7592 2.2: null is left out. RFC 7591 2: who says no grant means the code, but for one that says how
   * it learns the result of another kind of request.
   */
  function asked(metadata: Metadata): Metadata {
    const said = foreignMembers(metadata);
    const isForBrowsers = signIn !== undefined && said['backchannel_token_delivery_mode'] === undefined;
    const { grant_types = [isForBrowsers ? 'authorization_code' : grantType.ciba] } = said;
    const usesCode = Array.isArray(grant_types) && grant_types.includes('authorization_code');
    return { ...(usesCode && { response_types: ['code'] }), ...said, grant_types };
  }

  /**
   * OIDC Core 8.1: a sector is named by a host that only its own clients can use, to authenticate or to be called back. Tokens from
   * before are used without either: with another's host in its metadata the client would learn who people are there.
   */
  function refuseMove({ id, metadata }: Client, next: Metadata): void {
    const sector = sectorOf({ ...next, client_id: id });
    if (sector === undefined || sector === sectorOf({ ...metadata, client_id: id })) return;
    throw new ProtocolError('invalid_client_metadata', 'a client cannot change its sector: register another one');
  }

  /** RFC 7592, 2: unknown client and wrong token are one answer. */
  async function owner(req: IncomingMessage, res: ServerResponse, id: string): Promise<[Client, string]> {
    const token = bearerOf(req);
    const client = await clients.get(id).catch(asMissing);
    const expected = client?.registrationTokenHash;
    if (client && expected !== undefined && sameText(sha256(token ?? ''), expected)) return [client, token!];
    throw refusedToken(res, issuer);
  }

  const manage: Record<string, (req: IncomingMessage, res: ServerResponse, id: string) => Promise<void>> = {
    async GET(req, res, id) {
      const [client, token] = await owner(req, res, id);
      send(res, jsonAnswer(200, documentOf({ client }, token)));
    },

    async PUT(req, res, id) {
      const [client, token] = await owner(req, res, id);
      const { client_id: named, client_secret: secret, ...metadata } = await readMetadata(req);
      const forbidden = ofServer.find((member) => metadata[member] !== undefined);
      if (forbidden) throw new ProtocolError('invalid_request', `the request must not include ${forbidden}`);
      if (named !== id) throw new ProtocolError('invalid_request', 'client_id must be the registered one');
      if (secret !== undefined && !(typeof secret === 'string' && clients.isSecretOf(client, secret))) {
        throw new ProtocolError('invalid_request', 'client_secret must be the current one');
      }
      const next = { ...ownMembers(client.metadata), ...asked(metadata) };
      refuseMove(client, next);
      const shown = await clients.replace(id, next, byClient(id)).catch(asRegistrationError);
      log.info('client.updated', { clientId: id });
      send(res, jsonAnswer(200, documentOf(shown, token)));
    },

    async DELETE(req, res, id) {
      await owner(req, res, id);
      await clients.remove(id, byClient(id));
      log.info('client.removed', { clientId: id });
      res.writeHead(204, { 'cache-control': 'no-store' }).end();
    },
  };

  return {
    async register(req, res) {
      if (!sameText(bearerOf(req) ?? '', initialAccessToken)) throw refusedToken(res, issuer);
      const { client_id: _ours, client_secret: _too, ...metadata } = asked(await readMetadata(req));
      const registrationToken = randomBytes(32).toString('base64url');
      const shown = await clients.create(metadata, byClient(''), { registrationToken }).catch(asRegistrationError);
      log.info('client.registered', { clientId: shown.client.id });
      send(res, jsonAnswer(201, documentOf(shown, registrationToken)));
    },
    manage: (req, res, id) => manage[req.method!]!(req, res, id),
  };
}

/** Members of ours say how people are asked: that is for the operator to say, not for whoever registers. */
const isOurs = (member: string) => member.startsWith('assent_');
const foreignMembers = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([member, value]) => !isOurs(member) && value !== null));
const ownMembers = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([member]) => isOurs(member)));

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(headers.authorization ?? '')?.[1];
}

function refusedToken(res: ServerResponse, issuer: string): ProtocolError {
  res.setHeader('www-authenticate', `Bearer realm="${issuer}", error="invalid_token"`);
  return new ProtocolError('invalid_token', 'the access token is not valid here', { status: 401 });
}

function asMissing(error: unknown): undefined {
  if (error instanceof DomainError && error.code === 'client_not_found') return undefined;
  throw error;
}

/** RFC 7591, 3.2.2. */
function asRegistrationError(error: unknown): never {
  if (!(error instanceof DomainError) || error.code !== 'client_metadata_invalid') throw error;
  const [problem] = error.members['invalid_params'] as { name: string; reason: string }[];
  const code = problem?.name === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata';
  throw new ProtocolError(code, problem?.reason ?? error.message);
}

/** @throws ProtocolError */
async function readMetadata(req: IncomingMessage): Promise<Metadata> {
  if (!jsonType.test(req.headers['content-type'] ?? '')) {
    throw new ProtocolError('invalid_request', 'only application/json bodies are supported');
  }
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (received > maxBytes) throw new ProtocolError('invalid_request', 'the body is too large', { status: 413 });
    chunks.push(chunk);
  }
  try {
    return parseJsonObject(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ProtocolError('invalid_client_metadata', 'the body must be one JSON object without doubled members');
  }
}
