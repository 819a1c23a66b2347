import { type Act, acts } from '../../domain/device-messages/index.ts';
import type { RouteSpec } from '../route.ts';

/** Everything below `/device/v1`; the OpenAPI document is made from it. */
export type DeviceRoute = RouteSpec;

const summaries: Record<Act, string> = {
  redeem: 'Bind a ticket to the key of a new device',
  enroll: 'Bring the further keys of a new device',
  session: 'Get a session key, so that reads need no signature',
  inbox: 'What waits for this device',
  events: 'The inbox as a stream of server-sent events',
  present: 'A fresh challenge for one operation',
  document: 'A piece of the document that an operation is about',
  decide: 'Approve or deny an operation',
  claim: 'Take what is offered under a code (QR), to be asked it on this device',
  status: 'How the server sees this device; confirms an enrollment',
  methods: 'Activate, change or remove the PIN of this device',
  rotate: 'Bring keys that follow the present ones',
  tickets: 'Create a ticket that enrolls another device of the same person',
  unenroll: 'End the enrollment of this device',
};

const problems = {
  400: 'Unreadable or invalid. Plain where the message could not be opened, sealed otherwise.',
  401: 'The device is not known, or its signature does not verify.',
  403: 'The device proved its key and is not usable, a proof could not be verified, or one is missing.',
  404: 'No such operation for this device, no document of it, no such application, or nothing that is offered under this code.',
  409: 'Not possible in the current state: closed operation, stale challenge, used message id, second device, offer that another device has.',
  413: 'Longer than 56 KiB.',
  415: 'Not `application/jose`.',
};

export const deviceRoutes: readonly DeviceRoute[] = [
  ...acts.map(callRoute),
  {
    method: 'GET',
    path: '/keys',
    operationId: 'getKeys',
    summary: 'The current server keys, signed by every live seal key',
    tag: 'Keys',
    query: {
      for: {
        type: 'string',
        description:
          'With box keys of its own (`device.ownBox`): whose, as the link (`t.<o>`) or `redeem` (`keys_for`) said.',
        examples: ['d.7fAAAAAAAAAAAAAAAAAAAAAA'],
      },
    },
    responses: { 200: { description: '`{sets: [JWS]}`', schema: 'KeySets', type: 'application/json' } },
  },
  {
    method: 'GET',
    path: '/jwks.json',
    operationId: 'getSealKeys',
    summary: 'Seal keys, retired ones included, for verifiers of evidence',
    tag: 'Keys',
    responses: { 200: { description: 'A JWK set', schema: 'JwkSet', type: 'application/json' } },
  },
];

function callRoute(act: Act): DeviceRoute {
  const isStream = act === 'events';
  return {
    method: 'POST',
    path: `/${act}`,
    operationId: act,
    summary: summaries[act],
    tag: 'Calls',
    body: { schema: 'Message', types: ['application/jose'], required: true },
    responses: {
      200: isStream
        ? { description: 'Each `data` line is a message down.', schema: 'EventStream', type: 'text/event-stream' }
        : {
            description: 'A message down, under the response key of the request.',
            schema: 'Message',
            type: 'application/jose',
          },
    },
    problems,
  };
}
