/** What a request asks for, checked, once it is known whom it means (`identify.ts`). */
import type { ClaimsParameter, Client, KoaContextWithOIDC } from 'oidc-provider';
import { checkBindingMessage } from '../domain/binding-message.ts';
import { type Document, type DocumentLimits, readDocument } from '../domain/document.ts';
import { DomainError } from '../domain/errors.ts';
import type { Shown } from '../domain/operations.ts';
import { isJsonObject, parseJsonObject } from '../support/strict-json.ts';
import { allowedClaims, isMeant } from './claims.ts';
import type { ProtocolDeps, ProtocolSettings } from './deps.ts';
import type { StartingKey } from './engine-patches.ts';
import type { Subject } from './identify.ts';
import { obeyPolicy, type PolicyRequest } from './policy.ts';
import { refused } from './refused.ts';
import { requireContents } from './request-policy.ts';
import type { RequestRecord } from './request-record.ts';
import { grantedOf } from './resources.ts';
import { type RichRequests, readDetails } from './rich-requests.ts';
import { sharedWith } from './shared.ts';
import type { SignedRequest } from './signed-request.ts';
import { clientMember } from './vocabulary.ts';

export interface Asked {
  subject: Subject;
  lifetimeSeconds: number;
  bindingMessage?: string;
  possessionOnly: boolean;
  method?: 'device' | 'pin';
  /** The authorization details as the device shows them. */
  transaction?: Shown['transaction'];
  /** What the client gets beside them, in the person's words. */
  context?: Shown['context'];
  /** What the person is to agree to. */
  document?: Document;
  /** Its `jti` is used up when the operation is started. */
  signed?: SignedRequest;
  /** The key that the token request must prove as well; its proof is used up with `signed`. */
  startedWith?: StartingKey;
  /** For the tokens. */
  record: RequestRecord;
}

/** What a request asks beside whom it means, of whom it means. */
export type Ask = (
  ctx: KoaContextWithOIDC,
  of: { subject: Subject; signed: SignedRequest | undefined },
) => Promise<Asked>;

type Deps = Pick<
  ProtocolDeps,
  'settings' | 'policy' | 'issuer' | 'timers' | 'consent' | 'clock' | 'secrets' | 'log'
> & {
  rich: RichRequests;
};

/** Parameters that the engine has checked for being there once and being text. */
type Params = Partial<
  Record<
    'binding_message' | 'requested_expiry' | 'authorization_details' | 'request_context' | 'document' | 'nonce',
    string
  >
>;

export function createAsk(deps: Deps): Ask {
  const { settings, rich, issuer } = deps;
  return async (ctx, { subject: identified, signed }) => {
    const client = ctx.oidc.client!;
    const subject = whoIsMeant(deps, ctx, identified);
    const { binding_message, requested_expiry, request_context, document: text, ...params } = ctx.oidc.params as Params;
    const lifetimeSeconds = lifetime(requested_expiry, settings.ciba.expiry);
    const bindingMessage =
      binding_message === undefined ? undefined : checkBindingMessage(binding_message, settings.ciba.bindingMessage);
    const details = params.authorization_details === undefined ? undefined : readDetails(params.authorization_details);
    const requestContext = objectOf('request_context', signed?.requestContext ?? request_context);
    const document = documentOf(client, signed?.document ?? text, settings.ciba.document);
    const granted = grantedOf(ctx, { issuer, resources: settings.resources });
    const claims = allowedClaims(ctx.oidc.claims, client);
    const language = subject.user?.language;
    const resources = granted.resource === undefined ? [] : [granted.resource];
    const shared = sharedWith(client, { scope: granted.scope, claims, resources });
    const context = deps.consent(shared, language === undefined ? [] : [language]);
    const asked: Asked = {
      subject,
      lifetimeSeconds,
      ...(bindingMessage !== undefined && { bindingMessage }),
      ...strength(acrsIn(claims), client[clientMember.method] as Asked['method'], settings.acr),
      ...(details && { transaction: rich.shown(details, language) }),
      ...(context && { context }),
      ...(document && { document }),
      ...(signed && { signed }),
      record: {
        ...granted,
        ...(claims && { claims }),
        ...(params.nonce !== undefined && { nonce: params.nonce }),
        ...(details && { rar: details }),
      },
    };
    requireContents(settings.ciba.requests, { ...asked, details });
    return obeyPolicy(deps, asked, {
      clientId: client.clientId,
      ...(subject.user && { userId: subject.userId }),
      hint: hintIn(ctx.oidc.params!),
      scope: granted.scope,
      acr: acrsIn(claims),
      ...(bindingMessage !== undefined && { bindingMessage }),
      ...(details && { authorizationDetails: details }),
      ...(requestContext && { requestContext }),
      ...(document && { document: document.shown }),
    });
  };
}

/** Exactly one is there by now. */
function hintIn(params: Record<string, unknown>): PolicyRequest['hint'] {
  const hints = ['login_hint', 'login_hint_token', 'id_token_hint'] as const;
  return hints.find((name) => params[name] !== undefined)!;
}

/** A positive integer in decimal, shortened or lengthened to what the server allows; `expires_in` tells (CIBA Core 7.3). */
function lifetime(requested: string | undefined, limits: ProtocolSettings['ciba']['expiry']): number {
  if (requested === undefined) return limits.defaultSeconds;
  if (!/^[1-9][0-9]*$/.test(requested)) throw refused('invalid requested_expiry parameter value');
  return Math.min(Math.max(Number(requested), limits.minSeconds), limits.maxSeconds);
}

/** The values that would do, from `acr_values` or the `claims` parameter; the engine puts the former in the latter's place. */
export function acrsIn(claims: ClaimsParameter | undefined): string[] {
  const { value, values } = claims?.id_token?.['acr'] ?? {};
  const list: unknown = values ?? (value === undefined ? [] : [value]);
  if (!Array.isArray(list)) throw refused('the values of a claim must be an array');
  return list.filter((each): each is string => typeof each === 'string' && each !== '');
}

/**
 * Two factors, unless possession alone was asked for. Values that name nothing we know, or nothing that the client's own
 * method can reach, are refused now: the ID token could not carry one of them.
 */
function strength(
  wanted: string[],
  method: Asked['method'],
  acr: ProtocolSettings['acr'],
): Pick<Asked, 'possessionOnly' | 'method'> {
  if (wanted.length === 0) return { possessionOnly: method === 'device', ...(method && { method }) };
  const possession = wanted.includes(acr.possession);
  const twoFactor = wanted.includes(acr.twoFactor);
  // a PIN proves possession too, so it meets both
  const isReachable = method === 'device' ? possession : possession || twoFactor;
  if (!isReachable) throw refused('none of the acr_values can be met');
  return { possessionOnly: possession, ...(method && { method }) };
}

/** @throws the engine's InvalidRequest where `claims` names somebody else than the hint, and the client may know (OIDC Core 5.5.1) */
function whoIsMeant(deps: Pick<Deps, 'secrets'>, { oidc }: KoaContextWithOIDC, subject: Subject): Subject {
  const { claims } = oidc;
  if (isMeant(subject.userId, { claims, client: oidc.client!, secrets: deps.secrets })) return subject;
  const decoyId = subject.user ? subject.decoyId : subject.userId;
  if (decoyId === undefined) throw refused('the sub that claims asks for is not the one of the hint');
  return { userId: decoyId };
}

/** An object; in an unsigned request its JSON. */
function objectOf(name: string, value: unknown): Record<string, unknown> | undefined {
  if (value === undefined || isJsonObject(value)) return value;
  try {
    return parseJsonObject(String(value));
  } catch (cause) {
    throw refused(`${name} must be a JSON object`, cause);
  }
}

/** Not ignored where the client may not send one: it would take an approval for one of the document. */
function documentOf(client: Client, value: unknown, limits: DocumentLimits): Document | undefined {
  const given = objectOf('document', value);
  if (given === undefined) return undefined;
  if (client[clientMember.documents] !== true) throw refused('the client is not registered to send documents');
  try {
    return readDocument(given, limits);
  } catch (error) {
    const [problem] = error instanceof DomainError ? (error.members['invalid_params'] as InvalidParam[]) : [];
    throw problem ? refused(`${problem.name} ${problem.reason}`) : error;
  }
}

interface InvalidParam {
  name: string;
  reason: string;
}
