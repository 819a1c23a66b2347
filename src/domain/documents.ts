/**
 * Giving a device the document of an operation (device-protocol, section 4), a piece for each call: the whole of it would not fit into
 * a message. The device puts the pieces together and lets nobody approve before they match the hash in `ctx`.
 *
 * Reads only, under a session like `present`, and for whom `present` is: so long as the operation waits, and for no other device.
 */
import { sha256Base64url } from '../support/bytes.ts';
import type { Clock } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import { answerableBy } from './answer-case.ts';
import { refuseClosed } from './answer-refusals.ts';
import type { ClientStanding } from './client-standing.ts';
import { openDocument } from './context.ts';
import { type DocumentAnswer, sealDocumentPart, textOf } from './device-messages/index.ts';
import { integerOf, invalid } from './device-messages/payload.ts';
import type { DeviceRequest } from './device-requests.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import { DomainError } from './errors.ts';
import type { Inbox } from './inbox.ts';
import type { OperationStore } from './ports/operations.ts';

export interface Documents {
  /** @throws DomainError message_invalid | operation_* | document_not_found, also where only its hash is known */
  part(request: DeviceRequest): Promise<DocumentAnswer>;
}

interface Deps {
  issuer: string;
  store: { operations: Pick<OperationStore, 'document'> };
  inbox: Pick<Inbox, 'methodsFor'>;
  clients: Pick<ClientStanding, 'refuseStopped'>;
  serverKeys: Pick<DeviceServerKeys, 'seal'>;
  secrets: Secrets;
  clock: Clock;
}

export function createDocuments({ issuer, store, inbox, clients, serverKeys, secrets, clock }: Deps): Documents {
  return {
    async part(request) {
      const { payload } = request;
      const op = textOf(payload, 'op');
      const offset = payload.offset === undefined ? 0 : integerOf(payload, 'offset');
      const { operation, device } = answerableBy(inbox, request.device, op);
      refuseClosed(operation, clock());
      await clients.refuseStopped(operation);
      const { context } = operation;
      const sealed = await store.operations.document(op);
      if (sealed === undefined || !context) throw new DomainError('document_not_found');
      const content = openDocument(secrets, { id: op, context }, sealed);
      if (offset >= content.length) throw invalid('offset is beyond the end');
      const sha256 = sha256Base64url(content);
      const part = { issuer, deviceId: device.id, op, sha256, content, offset };
      return { document: sealDocumentPart(device.keys.enc!, serverKeys.seal(), part) };
    },
  };
}
