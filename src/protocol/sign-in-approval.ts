/**
 * An approval becomes login and consent. It is redeemed as a token request redeems it (`redemptions`): lease, write, commit, hand
 * over. What is handed over is the interaction's result, bound to this interaction; after a crash between any two steps the next
 * look at the page goes on.
 */
import { randomBytes } from 'node:crypto';
import type { Decision } from '../domain/operation.ts';
import type { User } from '../domain/user.ts';
import { SECOND } from '../support/clock.ts';
import { operationIdOf } from '../support/ids.ts';
import { allowedClaims, claimsBeyond, namesIn } from './claims.ts';
import type { Engine } from './provider.ts';
import type { SignInRecord, SignInRecords } from './sign-in-record.ts';
import type { SignInView } from './sign-in-types.ts';
import { claimsOf, resourcesIn, type SignInDeps, shown, type Visit } from './sign-in-visit.ts';
import { scope } from './vocabulary.ts';

export type RedeemApproval = (visit: Visit, record: SignInRecord) => Promise<SignInView>;

export function createSignInApproval(deps: SignInDeps, records: SignInRecords): RedeemApproval {
  const { redemptions, settings, log } = deps;

  /** Steps as at the token endpoint (architecture, section 4): lease → write → commit → hand over. */
  async function redeem(visit: Visit, record: SignInRecord): Promise<SignInView> {
    const { interaction, engine: current, client } = visit;
    const holder = randomBytes(9).toString('base64url');
    const operationId = operationIdOf(record.handle);
    const outcome = await redemptions.poll({ handle: record.handle, clientId: record.clientId, holder });
    switch (outcome.outcome) {
      case 'issue': {
        const result = await resultOf(current, visit, outcome.user, outcome.operation.decision!);
        const isOurs = await redemptions.commit({
          operationId,
          holder,
          response: JSON.stringify(result),
          binding: interaction.uid,
          replayUntil: interaction.exp * SECOND,
        });
        if (!isOurs) return shown(visit, record, 'waiting');
        await hand(visit, result, { operationId, holder });
        const { clientId } = client;
        log.info('sign_in.approved', { operationId, userId: outcome.user.id, clientId });
        return { step: 'continue', to: interaction.returnTo };
      }
      case 'repeat':
        // made for this very interaction, or not given at all
        if (outcome.binding !== interaction.uid) return shown(visit, record, 'expired');
        await hand(visit, JSON.parse(outcome.response), { operationId, holder });
        return { step: 'continue', to: interaction.returnTo };
      case 'pending':
      case 'busy':
      case 'slow_down':
        return shown(visit, record, 'waiting');
      case 'denied':
        return shown(visit, record, 'denied');
      default:
        return shown(visit, record, 'expired');
    }
  }

  /** The approval is the login and the consent: the person saw on the device who asks, and for what. */
  async function resultOf({ provider }: Engine, { interaction, client }: Visit, user: User, decision: Decision) {
    const grant = new provider.Grant({
      accountId: user.id,
      clientId: client.clientId,
      // as long as the browser may use it, and whatever comes of it in the last second
      expiresIn: deps.signIn.settings.sessionSeconds + settings.tokens.refreshSeconds + settings.tokens.accessSeconds,
    } as ConstructorParameters<typeof provider.Grant>[0]);
    grant.addOIDCScope(String(interaction.params['scope'] ?? scope.openid));
    for (const resource of resourcesIn(interaction)) {
      grant.addResourceScope(resource, String(interaction.params['scope'] ?? ''));
    }
    const claims = namesIn(allowedClaims(claimsOf(interaction), client));
    if (claims.length > 0) grant.addOIDCClaims(claims);
    // said to be refused, or the engine would ask for them again and again
    grant.rejectOIDCClaims(claimsBeyond(client));
    const { acr, amr, decidedAt } = decision;
    return {
      login: { accountId: user.id, acr, amr, ts: Math.floor(decidedAt / SECOND), remember: true },
      consent: { grantId: await grant.save() },
    };
  }

  async function hand({ engine: current, interaction }: Visit, result: Result, of: Redeemed): Promise<void> {
    const { session } = interaction;
    if (session?.uid && session.accountId !== result.login.accountId) {
      // Somebody else signs in here. The engine would show a page that submits itself; the former session simply ends.
      await (await current.provider.Session.findByUid(session.uid))?.destroy();
      interaction.session = undefined;
    }
    interaction.result = { ...interaction.lastSubmission, ...result };
    await interaction.persist();
    await records.forget(interaction.uid);
    await redemptions.delivered(of);
  }

  return redeem;
}

type Redeemed = { operationId: string; holder: string };
interface Result {
  login: { accountId: string; acr: string; amr: string[]; ts: number; remember: boolean };
  consent: { grantId: string };
}
