/**
 * Whom a request is about (CIBA Core 7.2): exactly one hint → the person → their user code.
 *
 * A client with `assent_unknown_user: decoy` must not learn who exists (TH-04). Whatever depends on the person and would
 * refuse it – nobody is named, locked, no device, a code that is missing, wrong or locked – is answered with a request like
 * any other, which nobody is asked and which expires. The same number of reads, the same write, and the same partition each
 * time: two requests about one person begin alike.
 *
 * Limits hold alike too (S-02). What such a client may know of is counted by what it named, whoever that is: its own requests
 * and how many of them nobody answered. What depends on others, or on what the person did, makes a decoy of the request.
 */
import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { User } from '../domain/user.ts';
import { isId, partitionOf } from '../support/ids.ts';
import { orUndefined } from './accounts.ts';
import type { ProtocolDeps } from './deps.ts';
import { type Named, parseLoginHint, readSubjectIdentifier } from './hints.ts';
import { readIdTokenHint } from './id-token-hint.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { readLoginHintToken } from './login-hint-token.ts';
import { refused } from './refused.ts';
import { sectorOf, userOfPairwise } from './subjects.ts';
import { clientMember } from './vocabulary.ts';

export interface Subject {
  userId: string;
  /** undefined: a decoy. */
  user?: User;
  /** Only this device may answer. */
  deviceId?: string;
  /** Who is asked in their place where it shows later that they cannot or may not be; absent where the client may know. */
  decoyId?: string;
}

type Deps = Pick<
  ProtocolDeps,
  'issuer' | 'settings' | 'users' | 'devices' | 'userCodes' | 'clientRate' | 'serverKeys' | 'secrets' | 'clock'
> & { issuerKeys: IssuerKeys };

type Params = Partial<Record<'login_hint' | 'login_hint_token' | 'id_token_hint' | 'user_code', string>>;

interface Found {
  user?: User;
  deviceId?: string;
  /** What was named, in one spelling: decoys of one hint are one person. */
  key: string;
}

/** @throws errors of the engine: invalid_request, unknown_user_id, expired_login_hint_token, missing_user_code, invalid_user_code */
export async function identify(deps: Deps, ctx: KoaContextWithOIDC): Promise<Subject> {
  const params = ctx.oidc.params as Params;
  const client = ctx.oidc.client!;
  const named = await namedBy(deps, client, params);
  const found = await within(deps.clientRate?.take(client.clientId), find(deps, client, named));
  const { user } = found;
  const decoy = decoyOf(deps, client, found);
  // Locked and deactivated are answered like unknown (ruling 11).
  if (user?.state !== 'active') {
    if (!decoy) throw new errors.UnknownUserId();
    await checkUserCode(deps, client, decoy, params.user_code);
    return decoy;
  }
  const subject: Subject = {
    userId: user.id,
    user,
    ...(found.deviceId && { deviceId: found.deviceId }),
    ...(decoy && { decoyId: decoy.userId }),
  };
  const refusal = await checkUserCode(deps, client, subject, params.user_code);
  if (!refusal) return subject;
  if (!decoy) throw refusal;
  return decoy;
}

/** Both at once: a start has no round trip to spare. Beyond the limit nothing is said of what was found. */
async function within<T>(limit: Promise<void> | undefined, finding: Promise<T>): Promise<T> {
  const [taken, found] = await Promise.allSettled([limit, finding]);
  if (taken.status === 'rejected') throw taken.reason;
  if (found.status === 'rejected') throw found.reason;
  return found.value;
}

/**
 * Somebody who is not there, always the same for one hint. The client's own limits are kept under this name (S-02): under the
 * person's, two hints that share a limit would tell that there is somebody whom both mean. undefined: the client may be told.
 */
function decoyOf({ secrets }: Pick<Deps, 'secrets'>, client: Client, { user, key }: Found): Subject | undefined {
  if (client[clientMember.unknownUser] !== 'decoy') return undefined;
  const digest = secrets.hmac('decoy', key);
  const partition = user
    ? partitionOf(user.id)
    : Buffer.from(digest, 'base64url')
        .subarray(32 - 1)
        .toString('hex');
  return { userId: partition + digest.slice(0, 22) };
}

/** CIBA Core 7.1: exactly one, wherever it stands. */
async function namedBy(deps: Deps, client: Client, params: Params): Promise<Named | undefined> {
  const { login_hint, login_hint_token, id_token_hint } = params;
  const hints = [login_hint, login_hint_token, id_token_hint].filter((hint) => hint !== undefined);
  if (hints.length === 0) {
    throw refused('missing one of required parameters login_hint_token, id_token_hint, or login_hint');
  }
  if (hints.length > 1) {
    throw refused('only one of required parameters login_hint_token, id_token_hint, or login_hint must be provided');
  }
  const { issuer, settings, serverKeys } = deps;
  if (login_hint !== undefined) return parseLoginHint(login_hint, issuer);
  if (id_token_hint !== undefined) {
    const sub = await readIdTokenHint(id_token_hint, { issuer, clientId: client.clientId, serverKeys });
    return { kind: 'sub', value: sub };
  }
  const { issuers } = settings.hints;
  return readSubjectIdentifier(await readLoginHintToken(login_hint_token!, { ...deps, issuers }), issuer);
}

/** Two reads, whoever is named and whether they exist: time tells nothing either. */
async function find(deps: Deps, client: Client, named: Named | undefined): Promise<Found> {
  if (!named) return { key: '' };
  const key = `${named.kind}:${named.value.toLowerCase()}`;
  switch (named.kind) {
    case 'sub': {
      const userId = userIdOf(deps, client, named.value);
      return { key, ...(userId && (await userOf(deps, userId))) };
    }
    case 'device': {
      const device = await orUndefined(deps.devices.get(named.value), 'device_not_found');
      const isActive = device?.state === 'active';
      if (!isActive) return { key, ...(await userOf(deps, decoyOf(deps, client, { key })?.userId)) };
      return { key, deviceId: device.id, ...(await userOf(deps, device.userId)) };
    }
    default: {
      const user = await deps.users.find(named.kind, named.value);
      if (user) return { key, user };
      // a look-up that finds no entry has not read the record, and a record that is not there is not opened
      await userOf(deps, decoyOf(deps, client, { key })?.userId);
      openNothing(deps.secrets);
      return { key };
    }
  }
}

async function userOf({ users }: Deps, userId: string | undefined): Promise<{ user?: User }> {
  if (userId === undefined || !isId(userId)) return {};
  const user = await orUndefined(users.get(userId), 'user_not_found');
  return user ? { user } : {};
}

/** As long as opening the record of a person takes. */
function openNothing(secrets: Deps['secrets']): void {
  const sealed = secrets.seal('decoy', profileOfNobody, 'decoy');
  JSON.parse(secrets.open('decoy', sealed, 'decoy').toString());
}
const profileOfNobody = JSON.stringify({ username: 'nobody', name: 'Nobody', attributes: {}, proofing: [] });

/** A `sub` as this client knows it. */
function userIdOf({ secrets }: Deps, client: Client, sub: string): string | undefined {
  if (client.subjectType !== 'pairwise') return sub;
  return userOfPairwise(secrets, sectorOf(client), sub);
}

/** U-01 to U-03: only where the server, the client and the person have it. */
async function checkUserCode(
  { settings, userCodes }: Deps,
  client: Client,
  { userId, user }: Subject,
  code: string | undefined,
): Promise<Error | undefined> {
  const isAsked = settings.ciba.userCode.enabled && client.backchannelUserCodeParameter === true;
  if (!isAsked) return undefined;
  // made whether needed or not: making one takes longer than finding out, and time would tell
  const refusals = { missing: new errors.MissingUserCode(), wrong: new errors.InvalidUserCode() };
  const result = await userCodes.check({ userId, clientId: client.clientId, expected: user?.userCodeHash, code });
  return result === 'missing' || result === 'wrong' ? refusals[result] : undefined;
}
