/**
 * Browser sign-in on the engine's interactions: who → an operation like any other (`sign-in-start.ts`), or a code that an
 * authenticator claims (`sign-in-scan.ts`) → its approval becomes login and consent (`sign-in-approval.ts`). Here is what the page can do, and what it shows at each step.
 */
import { errors } from 'oidc-provider';
import { readIdentifier } from '../domain/identifiers.ts';
import type { User } from '../domain/user.ts';
import { operationIdOf } from '../support/ids.ts';
import { systemTimers } from '../support/timers.ts';
import { orUndefined } from './accounts.ts';
import { isMeant } from './claims.ts';
import type { Engine } from './provider.ts';
import { createSignInApproval } from './sign-in-approval.ts';
import { createSignInRecords, type SignInRecord } from './sign-in-record.ts';
import { createSignInScan } from './sign-in-scan.ts';
import { createSignInStart } from './sign-in-start.ts';
import { createSignInTurns } from './sign-in-turns.ts';
import type { BrowserRequest, SignIn, SignInView } from './sign-in-types.ts';
import {
  claimsOf,
  type Interaction,
  maxHintLength,
  nameOf,
  requestOf,
  type SignInDeps,
  type State,
  shown,
  type Visit,
} from './sign-in-visit.ts';

/** `engine` gives the one that serves at that moment. */
export function createSignIn(deps: SignInDeps, engine: () => Engine): SignIn {
  const { clock, operations, users, secrets } = deps;
  const { timers = systemTimers } = deps;
  const records = createSignInRecords(deps);
  const inTurn = createSignInTurns(deps, records);
  const start = createSignInStart(deps, records, inTurn);
  const scan = createSignInScan(deps, records, inTurn);
  const redeem = createSignInApproval(deps, records);

  async function visitOf({ req, res, uid }: BrowserRequest): Promise<Visit | undefined> {
    const current = engine();
    const interaction = await ofThisBrowser(current.provider.interactionDetails(req, res));
    if (interaction?.uid !== uid) return undefined;
    const client = await current.provider.Client.find(String(interaction.params['client_id']));
    return client && { engine: current, interaction, client, record: await records.read(uid) };
  }

  async function view(visit: Visit): Promise<SignInView> {
    const { interaction, record } = visit;
    if (interaction.result) return { step: 'continue', to: interaction.returnTo };
    if (!record) return identify(visit);
    const now = await asItIs(interaction.uid, record);
    if (now.state === 'approved') return redeem(visit, now.record);
    if (now.state === 'offered') {
      const { startedAt, expiresAt } = record;
      return { ...requestOf(visit), step: 'scan', link: scan.linkOf(record), startedAt, expiresAt };
    }
    return shown(visit, now.record, now.state);
  }

  /** Of an offer that was claimed, what came of it. */
  async function asItIs(
    uid: string,
    record: SignInRecord,
  ): Promise<{ state: State | 'offered'; record: SignInRecord }> {
    const current = record.isOffer ? await scan.claimed(record) : record;
    if (current === 'offered') return { state: 'offered', record };
    if (current === 'gone') return { state: 'expired', record };
    return { state: await stateOf(uid, current), record: current };
  }

  async function identify(visit: Visit): Promise<SignInView> {
    const { interaction } = visit;
    const account = await accountOf(visit);
    const hint = String(interaction.params['login_hint'] ?? '').replace(/^(?:email|tel):/i, '');
    return {
      ...requestOf(visit),
      step: 'identify',
      hint: hint.length <= maxHintLength && readIdentifier(hint) ? hint : '',
      ...(account && { account: nameOf(account) }),
      scan: deps.signIn.settings.scan,
    };
  }

  /** Whoever is signed in in this browser, if they may be asked and are who the request is about. */
  async function accountOf({ interaction, client }: Visit): Promise<User | undefined> {
    const { session } = interaction;
    if (!session?.accountId) return undefined;
    if (!isMeant(session.accountId, { claims: claimsOf(interaction), client, secrets })) return undefined;
    const user = await orUndefined(users.get(session.accountId), 'user_not_found');
    return user?.state === 'active' ? user : undefined;
  }

  /**
   * An operation that was replaced says so where the newer sign-in names the person as this one did. Elsewhere it goes on waiting:
   * two names must not tell that they are one person's. One that was claimed has no name: only its own device can replace it.
   */
  async function stateOf(uid: string, record: SignInRecord): Promise<State> {
    const [operation, newest] = await Promise.all([
      orUndefined(operations.get(operationIdOf(record.handle)), 'operation_not_found'),
      record.latestKey === undefined ? undefined : records.latest(record.latestKey),
    ]);
    if (operation?.state === 'approved') return 'approved';
    if (operation?.state === 'denied') return operation.decision?.reason === 'not_me' ? 'not_me' : 'denied';
    if (operation?.state === 'failed') return 'failed';
    if (operation?.state === 'cancelled' && newest !== undefined && newest !== uid) return 'replaced';
    if (operation?.endReason === 'superseded' && operation.claimOf !== undefined) return 'replaced';
    return clock() >= record.expiresAt ? 'expired' : 'waiting';
  }

  /** Whoever started again, or left, is not asked any longer. */
  async function withdraw({ record, client }: Visit): Promise<void> {
    if (!record) return;
    if (record.isOffer) return scan.withdraw(record);
    const by = { actor: `client:${client.clientId}`, traceId: deps.traceId?.() };
    const cancel = { operationId: operationIdOf(record.handle), clientId: record.clientId, by };
    await orUndefined(operations.cancel(cancel), 'operation_not_found', 'operation_decided');
  }

  return {
    async view(browser) {
      const visit = await visitOf(browser);
      return visit && view(visit);
    },

    async ask(browser, ask) {
      const visit = await visitOf(browser);
      if (!visit) return undefined;
      if (visit.record || visit.interaction.result) return 'asked';
      const account = ask.who === undefined ? await accountOf(visit) : undefined;
      if (!account && !ask.who?.trim()) return 'asked';
      return start(visit, ask, account);
    },

    async scan(browser, ask) {
      const visit = await visitOf(browser);
      if (!visit) return undefined;
      const isAsked = visit.record || visit.interaction.result;
      return !isAsked && deps.signIn.settings.scan ? scan.offer(visit, ask) : 'asked';
    },

    async again(browser) {
      const visit = await visitOf(browser);
      if (!visit) return undefined;
      await withdraw(visit);
      await records.forget(browser.uid);
      return true;
    },

    async leave(browser) {
      const visit = await visitOf(browser);
      if (!visit) return undefined;
      const { interaction } = visit;
      if (!interaction.result) {
        await withdraw(visit);
        await records.forget(browser.uid);
        interaction.result = { error: 'access_denied', error_description: 'the person did not sign in' };
        await interaction.persist();
      }
      return interaction.returnTo;
    },

    async watch(browser, shows, changed) {
      const visit = await visitOf(browser);
      if (!visit?.record) return undefined;
      const { record } = await asItIs(browser.uid, visit.record);
      const shown = shows === 'scan' ? 'offered' : 'waiting';
      let isOver = false;
      const stop = () => {
        isOver = true;
        giveUp();
        unwatch();
      };
      const look = async () => {
        const { state } = await asItIs(browser.uid, record).catch(() => ({ state: shown }));
        if (isOver || state === shown) return;
        stop();
        changed();
      };
      const giveUp = timers.after(Math.max(0, record.expiresAt - clock()), () => void look());
      const unwatch = deps.watchOperation(operationIdOf(record.handle), () => void look());
      // it may have ended before anybody listened
      await look();
      return stop;
    },
  };
}

async function ofThisBrowser(found: Promise<Interaction>): Promise<Interaction | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return undefined;
    throw error;
  }
}
