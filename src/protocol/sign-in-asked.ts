/** What of a sign-in is asked, whoever is asked it: the person that was named, or whoever claims it. */
import type { Client } from 'oidc-provider';
import type { StartOperation } from '../domain/operations.ts';
import type { Ask } from './sign-in-types.ts';
import { type Interaction, requestOf, type SignInDeps, type Visit } from './sign-in-visit.ts';
import { clientMember } from './vocabulary.ts';

/** @param languages of who reads it on the device, by preference */
export function askedOf(
  deps: Pick<SignInDeps, 'consent' | 'settings'>,
  visit: Visit,
  { origin }: Pick<Ask, 'origin'>,
  languages: string[],
) {
  const { interaction, client } = visit;
  const { ciba, acr } = deps.settings;
  const context = deps.consent(requestOf(visit), languages);
  return {
    kind: 'authentication',
    clientId: client.clientId,
    shown: {
      client: { id: client.clientId, name: client.clientName ?? client.clientId },
      purpose: 'authentication',
      ...(context && { context }),
      origin,
    },
    ...strengthOf(interaction, client, acr, ciba.requests),
    lifetimeSeconds: ciba.expiry.defaultSeconds,
    intervalSeconds: ciba.intervalSeconds,
  } satisfies Partial<StartOperation>;
}

type Settings = SignInDeps['settings'];

/** Two factors, unless possession alone was asked for, and is enough. */
function strengthOf(
  { params }: Interaction,
  client: Client,
  acr: Settings['acr'],
  { mustBeTwoFactor }: Settings['ciba']['requests'],
) {
  const method = client[clientMember.method] as 'device' | 'pin' | undefined;
  const wanted = String(params['acr_values'] ?? '').split(' ');
  const isEnough = method === 'device' || (wanted.includes(acr.possession) && !mustBeTwoFactor);
  return { possessionOnly: isEnough, ...(method && { method }) };
}
