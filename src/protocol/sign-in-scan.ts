/**
 * Sign-in without a name: the page offers a code, an authenticator claims it, and from then on it is a sign-in like any other. Who
 * claimed it is told to nobody here before they have approved: neither that they exist nor what they are called (S-09, TH-04).
 */
import { SECOND } from '../support/clock.ts';
import { askedOf } from './sign-in-asked.ts';
import type { SignInRecord, SignInRecords } from './sign-in-record.ts';
import type { InTurn } from './sign-in-turns.ts';
import type { Ask } from './sign-in-types.ts';
import type { SignInDeps, Visit } from './sign-in-visit.ts';
import { clientMember } from './vocabulary.ts';

export interface SignInScan {
  /** Nobody is asked yet. `often`: this page has shown as many codes as it may. */
  offer(visit: Visit, ask: Pick<Ask, 'origin' | 'languages'>): Promise<'asked' | 'often'>;
  /** `offered`: nobody has claimed it; `gone`: nobody will; else the record of what came of it. */
  claimed(offered: SignInRecord): Promise<SignInRecord | 'offered' | 'gone'>;
  linkOf(offered: SignInRecord): string;
  withdraw(offered: SignInRecord): Promise<void>;
}

/** Of one interaction. Whoever looks for their phone needs a few; each leaves a record and an event, and nobody is known by name. */
const maxOffers = 10;

export function createSignInScan(deps: SignInDeps, records: SignInRecords, inTurn: InTurn): SignInScan {
  const { log, signIn } = deps;
  const { offers, settings } = signIn;

  const by = (clientId: string) => ({ actor: `client:${clientId}`, traceId: deps.traceId?.() });

  return {
    async offer(visit, ask) {
      const { interaction, client } = visit;
      const { clientId } = client;
      let outcome = 'asked' as 'asked' | 'often';
      await inTurn(interaction.uid, async () => {
        const before = await records.offers(interaction.uid);
        if (before >= maxOffers) {
          outcome = 'often';
          return;
        }
        const isLong = [settings.match, client[clientMember.match]].includes('type6');
        const asked = askedOf(deps, visit, ask, ask.languages);
        const { code, operationId, createdAt, expiresAt } = await offers.offer(
          { ...asked, match: isLong ? 'type6' : 'type2' },
          by(clientId),
        );
        const record = { handle: code, isOffer: true, clientId, matchCode: undefined, startedAt: createdAt, expiresAt };
        await records.write(interaction.uid, record, interaction.exp * SECOND, before + 1);
        log.info('sign_in.offered', { clientId, operationId });
      });
      return outcome;
    },

    async claimed({ handle: code, clientId }) {
      const offer = await offers.look(code);
      if (offer?.state === 'pending') return 'offered';
      if (!offer?.claimed) return 'gone';
      const { handle, matchCode, at: startedAt, expiresAt } = offer.claimed;
      return { handle, clientId, matchCode, startedAt, expiresAt };
    },

    linkOf: ({ handle }) => offers.linkOf(handle),

    withdraw: ({ handle: code, clientId }) => offers.withdraw({ code, clientId, by: by(clientId) }),
  };
}
