import type { Client } from 'oidc-provider';
import { partitionOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import { clientMember } from './vocabulary.ts';

/**
 * `auth_req_id`s as clients see them: handles, which begin with the partition of their person (`ids.ts`). A client that must not
 * know who exists, or who somebody is to other clients, must not see that: two hints whose requests begin alike would tell it that
 * there is somebody whom both mean (H-03, TH-04). Such a client gets two letters in place of the digits, encrypted by a key of the
 * server:
 *
 *     auth_req_id  LT + 43 random characters   each digit is a letter of G to V, of the partition xor a keyed hash of the 43
 *     handle       3f + another keyed hash of the 43
 *
 * So no text that the client could put together itself leads to the request, and trying all partitions tells it nothing.
 */
export interface RequestIds {
  /** Of a request that is about to begin; `drawn` is a new handle in the partition of its person. */
  of(client: Client, drawn: string): { authReqId: string; handle: string };
  /** Whichever way it is written. What is no id of ours stays what it is. */
  handleOf(authReqId: string): string;
  /** An operation's id as that client may see it; nothing takes it. */
  shownTo(client: Client, operationId: string): string;
}

const isDiscreet = (client: Client) =>
  client[clientMember.unknownUser] === 'decoy' || client.subjectType === 'pairwise';

const letters = 'GHIJKLMNOPQRSTUV';
const written = /^[G-V]{2}[\w-]{43}$/;

export function createRequestIds({ hmac }: Pick<Secrets, 'hmac'>): RequestIds {
  const maskOf = (rest: string) => Buffer.from(hmac('auth-req-id', rest).slice(0, 2), 'base64url')[0]!;
  const handleIn = (partition: string, rest: string) => partition + hmac('auth-req-handle', rest);

  function encrypted(id: string): string {
    const rest = id.slice(2);
    const byte = Number.parseInt(id.slice(0, 2), 16) ^ maskOf(rest);
    return letters[byte >> 4]! + letters[byte & 15] + rest;
  }

  return {
    of(client, drawn) {
      if (!isDiscreet(client)) return { authReqId: drawn, handle: drawn };
      return { authReqId: encrypted(drawn), handle: handleIn(partitionOf(drawn), drawn.slice(2)) };
    },
    handleOf(authReqId) {
      if (!written.test(authReqId)) return authReqId;
      const rest = authReqId.slice(2);
      const byte = letters.indexOf(authReqId[0]!) * 16 + letters.indexOf(authReqId[1]!);
      return handleIn((byte ^ maskOf(rest)).toString(16).padStart(2, '0'), rest);
    },
    shownTo: (client, operationId) => (isDiscreet(client) ? encrypted(operationId) : operationId),
  };
}
