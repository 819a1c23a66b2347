/**
 * Browser sign-in on the engine's interactions: who → an operation like any other → its approval becomes login and consent.
 *
 * The approval is redeemed as a token request redeems it (`redemptions`): lease, write, commit, hand over. What is handed over is
 * the interaction's result, bound to this interaction; after a crash between any two steps the next look at the page goes on.
 */
import { randomBytes } from 'node:crypto';
import { type ClaimsParameter, type Client, errors, type Provider } from 'oidc-provider';
import { DomainError, type DomainErrorCode } from '../domain/errors.ts';
import { readIdentifier } from '../domain/identifiers.ts';
import type { Decision } from '../domain/operation.ts';
import type { User } from '../domain/user.ts';
import { SECOND } from '../support/clock.ts';
import { newHandle, newId, operationIdOf, partitionOf } from '../support/ids.ts';
import { systemTimers } from '../support/timers.ts';
import { orUndefined } from './accounts.ts';
import { allowedClaims, claimsBeyond, isMeant, namesIn } from './claims.ts';
import type { ProtocolDeps } from './deps.ts';
import type { Engine } from './provider.ts';
import { knownScopes } from './resources.ts';
import { sharedWith } from './shared.ts';
import { createSignInRecords, type SignInRecord } from './sign-in-record.ts';
import type { Ask, BrowserRequest, Refused, SignIn, SignInRequest, SignInView } from './sign-in-types.ts';
import { clientMember, scope } from './vocabulary.ts';

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

const maxHintLength = 256;
/** Far above the time that a start takes. */
const leaseMs = 10 * SECOND;
/** Of whoever waits for another form of the same page; a beat apart. */
const maxLooks = 100;

type Deps = ProtocolDeps & { signIn: NonNullable<ProtocolDeps['signIn']> };

/** One page of one browser. */
interface Visit {
  engine: Engine;
  interaction: Interaction;
  client: Client;
  record: SignInRecord | undefined;
}

/** `engine` gives the one that serves at that moment. */
export function createSignIn(deps: Deps, engine: () => Engine): SignIn {
  const { clock, operations, redemptions, users, secrets, settings, idempotency, beat, log } = deps;
  const { timers = systemTimers } = deps;
  const records = createSignInRecords(deps);

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
    const state = await stateOf(interaction.uid, record);
    if (state === 'approved') return redeem(visit, record);
    return shown(visit, record, state);
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
   * two names must not tell that they are one person's.
   */
  async function stateOf(uid: string, record: SignInRecord): Promise<State> {
    const [operation, newest] = await Promise.all([
      orUndefined(operations.get(operationIdOf(record.handle)), 'operation_not_found'),
      records.latest(record.latestKey),
    ]);
    if (operation?.state === 'approved') return 'approved';
    if (operation?.state === 'denied') return operation.decision?.reason === 'not_me' ? 'not_me' : 'denied';
    if (operation?.state === 'failed') return 'failed';
    if (operation?.state === 'cancelled' && newest !== undefined && newest !== uid) return 'replaced';
    return clock() >= record.expiresAt ? 'expired' : 'waiting';
  }

  /** Steps as at the token endpoint (architecture, section 4): lease → write → commit → hand over. */
  async function redeem(visit: Visit, record: SignInRecord): Promise<SignInView> {
    const { interaction, engine: current, client } = visit;
    const holder = randomBytes(9).toString('base64url');
    const operationId = operationIdOf(record.handle);
    const outcome = await redemptions.poll({ authReqId: record.handle, clientId: record.clientId, holder });
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

  async function start(visit: Visit, ask: Ask, account: User | undefined): Promise<void> {
    const { interaction, client } = visit;
    const typed = account ? nameOf(account) : ask.who!.trim();
    const found = account ?? (await whois(typed));
    // locked and deactivated are like unknown (ruling 11)
    const user = found?.state === 'active' ? found : undefined;
    const nobody = decoyId(typed, user);
    const handle = newHandle(partitionOf(nobody));
    const { matchCode, operation, unasked } = await operations.start({
      handle,
      kind: 'authentication',
      ...(user ? { userId: user.id, orDecoy: nobody } : { userId: nobody, decoy: true }),
      clientId: client.clientId,
      shown: {
        client: { id: client.clientId, name: client.clientName ?? client.clientId },
        purpose: 'authentication',
        context: deps.consent(requestOf(visit), user?.language ? [user.language] : ask.languages),
        origin: ask.origin,
      },
      ...strengthOf(interaction, client, settings.acr),
      match: deps.signIn.settings.match,
      lifetimeSeconds: settings.ciba.expiry.defaultSeconds,
      intervalSeconds: settings.ciba.intervalSeconds,
      by: { actor: `client:${client.clientId}`, traceId: deps.traceId?.() },
    });
    const record: SignInRecord = {
      handle,
      clientId: client.clientId,
      who: typed,
      matchCode,
      startedAt: operation.createdAt,
      expiresAt: operation.expiresAt,
      latestKey: latestKeyOf(client, typed),
    };
    await records.write(interaction.uid, record, interaction.exp * SECOND);
    const operationId = operationIdOf(record.handle);
    log.info('sign_in.asked', { clientId: client.clientId, operationId, ...(unasked && { unasked }) });
  }

  /**
   * A form that was sent twice asks once: whoever comes second waits for the first, and sees what came of it. Held by a lease, so
   * that a process that dies holds up nobody for long.
   */
  async function oneAtATime(uid: string, ask: () => Promise<void>): Promise<void> {
    const name = { scope: 'sign-in', key: uid };
    if (!(await isOurTurn(name))) return;
    try {
      if (!(await records.read(uid))) await ask();
    } finally {
      await idempotency.abandon(name).catch((error: unknown) => log.warn('sign_in.held', { error }));
    }
  }

  async function isOurTurn(name: { scope: string; key: string }): Promise<boolean> {
    for (let looks = 0; looks < maxLooks; looks++) {
      const now = clock();
      const until = now + leaseMs;
      const { result } = await idempotency.begin({ ...name, requestHash: '', now, leaseUntil: until, until });
      if (result === 'fresh') return true;
      await beat();
    }
    return false;
  }

  async function whois(typed: string): Promise<User | undefined> {
    const identifier = typed.length <= maxHintLength ? readIdentifier(typed) : undefined;
    const found = identifier && (await users.find(identifier.kind, identifier.value));
    // a look-up that finds no entry has not read the record
    if (!found) await orUndefined(users.get(decoyId(typed)), 'user_not_found');
    return found;
  }

  /** An id that is nobody's, always the same for one name; in the partition of the person, if there is one. */
  function decoyId(typed: string, user?: User): string {
    const digest = Buffer.from(secrets.hmac('sign-in-decoy', normal(typed)), 'base64url');
    const partition = user ? partitionOf(user.id) : digest.subarray(0, 1).toString('hex');
    return newId(partition, () => digest.subarray(1, 17));
  }

  function latestKeyOf({ clientId }: Client, typed: string): string {
    return secrets.hmac('sign-in-latest', `${clientId}\0${normal(typed)}`);
  }

  /** Whoever started again, or left, is not asked any longer. */
  async function withdraw({ record, client }: Visit): Promise<void> {
    if (!record) return;
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
      return orRefused(oneAtATime(browser.uid, () => start(visit, ask, account)).finally(beat));
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

    async watch(browser, changed) {
      const visit = await visitOf(browser);
      const record = visit?.record;
      if (!record) return undefined;
      let isOver = false;
      const stop = () => {
        isOver = true;
        giveUp();
        unwatch();
      };
      const look = async () => {
        const state = await stateOf(browser.uid, record).catch(() => 'waiting');
        if (isOver || state === 'waiting') return;
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

type State = 'waiting' | 'approved' | Extract<SignInView, { step: 'ended' }>['why'];
type Redeemed = { operationId: string; holder: string };
interface Result {
  login: { accountId: string; acr: string; amr: string[]; ts: number; remember: boolean };
  consent: { grantId: string };
}

function shown(visit: Visit, record: SignInRecord, state: Exclude<State, 'approved'>): SignInView {
  const { who, matchCode, startedAt, expiresAt } = record;
  const request = requestOf(visit);
  if (state === 'waiting') return { ...request, step: 'waiting', who, matchCode, startedAt, expiresAt };
  return { ...request, step: 'ended', who, why: state };
}

function requestOf({ interaction, client, engine }: Visit): SignInRequest {
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

/** Two factors, unless possession alone was asked for. */
function strengthOf({ params }: Interaction, client: Client, acr: ProtocolDeps['settings']['acr']) {
  const method = client[clientMember.method] as 'device' | 'pin' | undefined;
  const wanted = String(params['acr_values'] ?? '').split(' ');
  return { possessionOnly: method === 'device' || wanted.includes(acr.possession), ...(method && { method }) };
}

/** RFC 8707. Their scopes stand among the others, on the page and on the device. */
function resourcesIn({ params }: Interaction): string[] {
  return [params['resource'] ?? []].flat().map(String);
}

/** The engine has parsed it before. */
function claimsOf({ params }: Interaction): ClaimsParameter | undefined {
  return typeof params['claims'] === 'string' ? JSON.parse(params['claims']) : undefined;
}

const normal = (typed: string) => {
  const identifier = readIdentifier(typed);
  return identifier ? `${identifier.kind}:${identifier.value}` : typed;
};

const nameOf = ({ name, username, email, phone, id }: User) => name ?? username ?? email ?? phone ?? id;

/** Asked too often; the only thing that is told of a start, and told of everybody alike. */
async function orRefused(work: Promise<void>): Promise<'asked' | Refused> {
  try {
    await work;
    return 'asked';
  } catch (error) {
    const why = error instanceof DomainError && refusals.get(error.code);
    if (!why) throw error;
    return { why, retryAfterSeconds: Number(error.members['retry_after']) };
  }
}

const refusals = new Map<DomainErrorCode, Refused['why']>([
  ['too_many_pending', 'busy'],
  ['rate_limited', 'often'],
]);

async function ofThisBrowser(found: Promise<Interaction>): Promise<Interaction | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return undefined;
    throw error;
  }
}
