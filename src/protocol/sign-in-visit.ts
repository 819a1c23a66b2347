/** One page of one browser, what is read from the parameters of its interaction, and how the page looks in each state. */
import type { ClaimsParameter, Client, Provider } from 'oidc-provider';
import type { User } from '../domain/user.ts';
import { allowedClaims } from './claims.ts';
import type { ProtocolDeps } from './deps.ts';
import type { Engine } from './provider.ts';
import { knownScopes } from './resources.ts';
import { sharedWith } from './shared.ts';
import type { SignInRecord } from './sign-in-record.ts';
import type { EndOfSignIn, SignInRequest, SignInView } from './sign-in-types.ts';

export type SignInDeps = ProtocolDeps & { signIn: NonNullable<ProtocolDeps['signIn']> };

export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

export const maxHintLength = 256;

export interface Visit {
  engine: Engine;
  interaction: Interaction;
  client: Client;
  record: SignInRecord | undefined;
}

export type State = 'waiting' | 'approved' | EndOfSignIn;

export function shown(visit: Visit, record: SignInRecord, state: Exclude<State, 'approved'>): SignInView {
  const { who, matchCode, startedAt, expiresAt } = record;
  const request = requestOf(visit);
  const named = who === undefined ? {} : { who };
  if (state === 'waiting') return { ...request, step: 'waiting', ...named, matchCode, startedAt, expiresAt };
  return { ...request, step: 'ended', ...named, why: state };
}

export function requestOf({ interaction, client, engine }: Visit): SignInRequest {
  const { params } = interaction;
  return {
    ...sharedWith(client, {
      // where there is a resource the engine leaves in what nobody knows, and grants nothing for it
      scope: knownScopes(String(params['scope'] ?? ''), engine.settings.resources),
      claims: allowedClaims(claimsOf(interaction), client),
      resources: resourcesIn(interaction).filter((resource) => resource !== engine.provider.issuer),
    }),
    uiLocales: String(params['ui_locales'] ?? '')
      .split(' ')
      .filter((each) => each !== ''),
    returnTo: originOf(String(params['redirect_uri'])),
  };
}

/** An app's own scheme has no origin. */
function originOf(uri: string): string {
  const { origin, protocol } = new URL(uri);
  return origin === 'null' ? protocol : origin;
}

/** RFC 8707. Their scopes stand among the others, on the page and on the device. */
export function resourcesIn({ params }: Interaction): string[] {
  return [params['resource'] ?? []].flat().map(String);
}

/** The engine has parsed it before. */
export function claimsOf({ params }: Interaction): ClaimsParameter | undefined {
  return typeof params['claims'] === 'string' ? JSON.parse(params['claims']) : undefined;
}

export const nameOf = ({ name, username, email, phone, id }: User) => name ?? username ?? email ?? phone ?? id;
