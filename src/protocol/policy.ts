/**
 * The integrator's word on a request, before anybody is asked: allow it, refuse it, or ask for more. Only CIBA requests:
 * who signs in to a browser asked for it themselves.
 *
 * It is somebody else's code in the way of every request, so it gets a deadline, and whatever it does but answer starts
 * nothing: 503, and the client comes again.
 */
import type { ShownDocument } from '../domain/document.ts';
import { DomainError } from '../domain/errors.ts';
import { SECOND } from '../support/clock.ts';
import { systemTimers, type Timers } from '../support/timers.ts';
import type { Asked } from './asked.ts';
import type { ProtocolDeps } from './deps.ts';
import { ProtocolError } from './errors.ts';
import type { Details } from './rich-requests.ts';

/** What is known when everything in the request has been checked. */
export interface PolicyRequest {
  clientId: string;
  /** Absent where nobody will be asked, because the client must not learn that there is nobody. */
  userId?: string;
  /** How the person was named. */
  hint: 'login_hint' | 'login_hint_token' | 'id_token_hint';
  scope: string;
  /** The `acr_values` of the request; empty: what the server asks for by itself. */
  acr: readonly string[];
  bindingMessage?: string;
  authorizationDetails?: Details;
  /** FAPI-CIBA 5.2.2: whatever the client tells of the circumstances. */
  requestContext?: Record<string, unknown>;
  /** As the person is to see it; without its content. */
  document?: ShownDocument;
}

/** What a policy may call a refusal: errors of CIBA Core 13, and RFC 9396's own. */
const refusals = {
  access_denied: 403,
  unauthorized_client: 400,
  invalid_request: 400,
  invalid_scope: 400,
  invalid_binding_message: 400,
  invalid_authorization_details: 400,
  unknown_user_id: 400,
  missing_user_code: 400,
  invalid_user_code: 400,
  expired_login_hint_token: 400,
} as const;

export type PolicyAnswer =
  | 'allow'
  /** For a request that nobody should be bothered with: 403 `access_denied`. */
  | 'deny'
  /** The description reaches the client. */
  | { deny: keyof typeof refusals; description?: string }
  /** Allow it, if the person proves at least this much: one of the names in `acr` of the configuration. */
  | { acr: string };

/** The default export of the module that `plugins.policy` names. */
export type Policy = (request: PolicyRequest) => PolicyAnswer | Promise<PolicyAnswer>;

// Whoever waits is a client with a person in front of it, and most give up after ten.
const deadlineMs = 5 * SECOND;

type Deps = Pick<ProtocolDeps, 'policy' | 'settings' | 'timers'>;

/** The request as it may go on. @throws ProtocolError for a refusal; DomainError unavailable where the policy fails */
export async function obeyPolicy(
  { policy, settings, timers }: Deps,
  asked: Asked,
  request: PolicyRequest,
): Promise<Asked> {
  if (!policy) return asked;
  // a copy: what is shown and what is signed is what was checked
  const answer = await answerOf(policy, structuredClone(request), timers ?? systemTimers);
  if (answer === 'allow') return asked;
  if (isStepUp(answer, settings.acr)) return answer.acr === settings.acr.twoFactor ? withTwoFactors(asked) : asked;
  const refusal = refusalOf(answer);
  const decoyId = asked.subject.user ? asked.subject.decoyId : asked.subject.userId;
  if (decoyId === undefined) throw refusal;
  // The policy may have looked at the person, and this client must not learn who exists: nobody is asked, and it expires.
  return { ...asked, subject: { userId: decoyId } };
}

async function answerOf(policy: Policy, request: PolicyRequest, timers: Timers): Promise<unknown> {
  let giveUp = () => {};
  const late = new Promise<never>((_, reject) => {
    giveUp = timers.after(deadlineMs, () => reject(new Error(`no answer in ${deadlineMs} ms`)));
  });
  try {
    return await Promise.race([(async () => policy(request))(), late]);
  } catch (cause) {
    throw new DomainError('unavailable', { detail: 'plugins.policy failed', cause });
  } finally {
    giveUp();
  }
}

function isStepUp(answer: unknown, names: { possession: string; twoFactor: string }): answer is { acr: string } {
  const acr = (answer as { acr?: unknown } | null)?.acr;
  return acr === names.possession || acr === names.twoFactor;
}

function withTwoFactors(asked: Asked): Asked {
  if (asked.method === 'device') throw new ProtocolError('access_denied', refusedByPolicy, { status: 403 });
  return { ...asked, possessionOnly: false };
}

const refusedByPolicy = 'The request was refused by policy.';

/** @throws DomainError unavailable for an answer that is none */
function refusalOf(answer: unknown): ProtocolError {
  const { deny, description = refusedByPolicy } =
    answer === 'deny' ? { deny: 'access_denied' } : ((answer ?? {}) as { deny?: unknown; description?: unknown });
  if (typeof deny !== 'string' || !Object.hasOwn(refusals, deny) || typeof description !== 'string') {
    throw new DomainError('unavailable', { detail: 'plugins.policy gave no answer that is known' });
  }
  return new ProtocolError(deny, description, { status: refusals[deny as keyof typeof refusals] });
}
