import type { Client } from 'oidc-provider';
import type { Secrets } from '../support/secrets.ts';
import { clientMember } from './vocabulary.ts';

/**
 * `auth_req_id`s as clients see them: handles, which begin with the partition of their person (`ids.ts`). A client that must not
 * know who exists, or who somebody is to other clients, must not see that: two hints whose requests begin alike would tell it that
 * there is somebody whom both mean (H-03, TH-04). For such clients the two digits are written as letters that depend on all the
 * rest, by a key of the server:
 *
 *     handle       3f + 43 characters
 *     auth_req_id  LT + the same 43    each digit is a letter of G to V, of the partition xor the keyed hash of the 43
 */
export interface RequestIds {
  /** Of a handle, for that client; ids of operations are written alike. */
  idFor(client: Client, handle: string): string;
  /** Whichever way it is written. What is no id of ours stays what it is. */
  handleOf(authReqId: string): string;
}

const isDiscreet = (client: Client) =>
  client[clientMember.unknownUser] === 'decoy' || client.subjectType === 'pairwise';

const letters = 'GHIJKLMNOPQRSTUV';
const written = /^[G-V]{2}/;

export function createRequestIds({ hmac }: Pick<Secrets, 'hmac'>): RequestIds {
  const maskOf = (rest: string) => Buffer.from(hmac('auth-req-id', rest).slice(0, 2), 'base64url')[0]!;
  return {
    idFor(client, handle) {
      if (!isDiscreet(client)) return handle;
      const rest = handle.slice(2);
      const byte = Number.parseInt(handle.slice(0, 2), 16) ^ maskOf(rest);
      return letters[byte >> 4]! + letters[byte & 15] + rest;
    },
    handleOf(authReqId) {
      if (!written.test(authReqId)) return authReqId;
      const rest = authReqId.slice(2);
      const byte = letters.indexOf(authReqId[0]!) * 16 + letters.indexOf(authReqId[1]!);
      return (byte ^ maskOf(rest)).toString(16).padStart(2, '0') + rest;
    },
  };
}
