/**
 * What pings and pushes say. A ping names the request, and the client fetches the rest (CIBA Core 10.2). A push brings
 * the tokens (10.3) or the error (12): made here, outside any request, on the way that a token call takes as well.
 *
 *     lease ──> issue ──> commit ──> POST ──> delivered
 *
 * A crash before `commit` leaves tokens that nobody knows; after it, the same response is sent again. Never two.
 */
import type { Client } from 'oidc-provider';
import type { Addressed, NotificationMessage, Notifications } from '../domain/notification.ts';
import { notificationKeysOf, notificationSecret } from '../domain/notification-secrets.ts';
import type { OutboxEntry } from '../domain/ports/outbox.ts';
import type { TokenOutcome } from '../domain/redemptions.ts';
import { SECOND } from '../support/clock.ts';
import { whyDenied } from './denial.ts';
import type { ProtocolDeps } from './deps.ts';
import { serverContext } from './engine-patches.ts';
import { asOAuthError } from './errors.ts';
import { grantIdOf, issueTokens, repeated, type StoredResponse } from './issuance.ts';
import { type NotificationRecord, openNotification } from './notification-record.ts';
import type { Engine } from './provider.ts';
import { createRequestIds } from './request-ids.ts';

type Deps = Pick<ProtocolDeps, 'redemptions' | 'secrets' | 'clock' | 'log'>;
type Issue = Extract<TokenOutcome, { outcome: 'issue' }>;
type Repeat = Extract<TokenOutcome, { outcome: 'repeat' }>;

/** One attempt at a push. */
interface Push {
  record: NotificationRecord;
  operationId: string;
  holder: string;
  secrets: string[];
}

/** Another attempt has it, and is dead or about to be done. */
const busyMs = SECOND;

export function createNotifications(deps: Deps, engine: () => Engine): Notifications {
  const { redemptions, secrets, clock, log } = deps;
  const ids = createRequestIds(secrets);

  async function push(push: Push): Promise<NotificationMessage> {
    const { record, operationId, holder } = push;
    const { authReqId, clientId } = record;
    const outcome = await redemptions.poll({ handle: ids.handleOf(authReqId), clientId, holder, by: 'push' });
    switch (outcome.outcome) {
      case 'issue':
      case 'repeat':
        return handOver(push, outcome);
      case 'busy':
        return { message: 'later', afterMs: busyMs };
      case 'delivered':
        return { message: 'done' };
      case 'denied':
        // tokens of an attempt whose fate nobody knows, made before the user or the device was locked
        await revoke(operationId);
        return saying(push, 'access_denied', whyDenied(outcome.reason));
      case 'expired':
        return saying(push, 'expired_token', 'The authentication request has expired.');
      default:
        return { message: 'none', reason: outcome.outcome };
    }
  }

  async function handOver(push: Push, outcome: Issue | Repeat): Promise<NotificationMessage> {
    const { record, operationId, holder, secrets: signedUnder } = push;
    const of = { operationId, holder };
    try {
      const response = outcome.outcome === 'issue' ? await issue(push, outcome) : repeated(outcome.response, clock());
      if (!response) return { message: 'later', afterMs: busyMs };
      const delivered = () => redemptions.delivered(of);
      return {
        message: 'send',
        body: { auth_req_id: record.authReqId, ...response },
        secrets: signedUnder,
        delivered,
        failed: () => redemptions.release(of),
        async abandoned() {
          await revoke(operationId);
          await delivered();
        },
      };
    } catch (error) {
      await redemptions.release(of);
      const { status, detail, description } = asOAuthError(error);
      if (status >= 500) throw error;
      // what the client asked for, or how it is registered, makes tokens impossible; trying again would not help
      log.warn('ciba.push_impossible', { operationId, clientId: record.clientId, detail });
      return saying(push, 'transaction_failed', description);
    }
  }

  /** undefined: another attempt has leased meanwhile, and what was issued here stays unknown to everybody. */
  async function issue({ record, operationId, holder }: Push, { operation, user }: Issue) {
    const { clientId, authReqId } = record;
    const client = (await engine().provider.Client.find(clientId))!;
    const ctx = serverContext(engine().provider, client);
    const response = await issueTokens(engine(), ctx, { operation, user, proof: undefined, pushed: authReqId }, deps);
    const committed = await redemptions.commit({
      operationId,
      holder,
      response: JSON.stringify(response satisfies StoredResponse),
      binding: '',
      // for as long as there may be another attempt
      replayUntil: operation.retainUntil,
    });
    if (committed) log.info('ciba.redeemed', { operationId, userId: user.id, clientId });
    return committed ? response.body : undefined;
  }

  function revoke(operationId: string): Promise<unknown> {
    return Promise.resolve(engine().storage.adapter('Grant').destroy(grantIdOf(secrets, operationId)));
  }

  /** As it is registered now: a secret that leaked is of no use for what is sent from then on. */
  function secretsOf(client: Client): string[] {
    return notificationKeysOf(client).map((name) => notificationSecret(secrets, client.clientId, name));
  }

  return {
    address: (entry): Addressed => openNotification(secrets, entry),

    async message(entry: OutboxEntry) {
      const record = openNotification(secrets, entry);
      const client = await engine().provider.Client.find(record.clientId);
      // promise 5
      if (!client) {
        if (entry.kind === 'push') await revoke(entry.operationId);
        return { message: 'none', reason: 'client_inactive' };
      }
      const signedUnder = secretsOf(client);
      if (entry.kind === 'ping') return toSend({ auth_req_id: record.authReqId }, signedUnder);
      const { operationId, id, attempts } = entry;
      return push({ record, operationId, holder: `${id}.${attempts}`, secrets: signedUnder });
    },
  };
}

/** CIBA Core 12. */
function saying({ record, secrets }: Push, error: string, description: string): NotificationMessage {
  return toSend({ error, error_description: description, auth_req_id: record.authReqId }, secrets);
}

function toSend(body: Record<string, unknown>, secrets: string[]): NotificationMessage {
  const nothing = async () => {};
  return { message: 'send', body, secrets, delivered: nothing, failed: nothing, abandoned: nothing };
}
