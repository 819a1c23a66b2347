import { postContextLimits } from '../../domain/post-context.ts';
import type { Schema } from '../route.ts';
import { clientSchemas } from './client-schemas.ts';

/** Wire names are snake_case here and in documents.ts, and nowhere further in. */

const instant = (description: string, example = '2026-11-20T10:15:00.000Z'): Schema => ({
  type: 'string',
  format: 'date-time',
  description: `${description} RFC 3339, UTC.`,
  examples: [example],
});
const orNull = (schema: Schema): Schema => ({ ...schema, type: [schema.type as string, 'null'] });
const id = (description: string, example: string): Schema => ({ type: 'string', description, examples: [example] });

const userId = id(
  'Identifier of the user; opaque, never reused. It is the `sub` of ID tokens.',
  '3fV6d0cGkqS9ZrPzb2mYxQ1w',
);
const deviceId = id('Identifier of the device; opaque, never reused.', '3fq1Zb8sVtY0mPf3aK9hWc2g');
const operationId = id('Identifier of the registration operation behind the ticket.', '3fTn4hJq0dXk7LsB5vGy8RuA');
const applicationId: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: 128,
  description: 'Identifier of an application in the configuration.',
  examples: ['assent-web'],
};

const identifiers = {
  username: {
    type: 'string',
    minLength: 1,
    maxLength: 64,
    description: 'Name to sign in with: `^[a-z0-9][a-z0-9._-]{0,63}$` after lower-casing. Unique over all users.',
    examples: ['alice'],
  },
  external_ref: {
    type: 'string',
    minLength: 1,
    maxLength: 256,
    description: 'Your own identifier of this person, kept exactly as given. Unique over all users.',
    examples: ['crm-20417'],
  },
  email: {
    type: 'string',
    minLength: 3,
    maxLength: 254,
    description: 'E-mail address. Unique over all users; letter case does not make another address.',
    examples: ['alice@example.test'],
  },
  phone: {
    type: 'string',
    minLength: 3,
    maxLength: 40,
    description: 'Phone number in international form; kept and returned as E.164. Unique over all users.',
    examples: ['+31612345678'],
  },
} satisfies Record<string, Schema>;

const profile = {
  name: {
    type: 'string',
    minLength: 1,
    maxLength: 256,
    description:
      'Name as people write it. Shown to nobody but the person, and never in full before a device is enrolled.',
    examples: ['Alice Jansen'],
  },
  language: {
    type: 'string',
    minLength: 2,
    maxLength: 35,
    description: 'Language that the person reads, a BCP 47 tag.',
    examples: ['nl'],
  },
} satisfies Record<string, Schema>;

const attributeName = {
  type: 'string',
  minLength: 1,
  maxLength: 128,
  description: 'Name of an attribute: 1 to 128 characters, none of them a control; not `__proto__`.',
} satisfies Schema;
const ATTRIBUTE_TEXT = 1024;

const proofingMembers = {
  mechanism: {
    type: 'string',
    minLength: 1,
    maxLength: 256,
    description: 'How the identity was established; any name, for example `passport-nfc`, `bank-branch`, `eid`.',
    examples: ['passport-nfc'],
  },
  reference: {
    type: 'string',
    minLength: 1,
    maxLength: 256,
    description: 'Where the proof can be found again: a case number or a transaction of the proofing service.',
    examples: ['case-7781'],
  },
  level: {
    type: 'string',
    minLength: 1,
    maxLength: 256,
    description: 'Level of assurance in the words of that mechanism.',
    examples: ['eidas-substantial'],
  },
  at: instant('When it happened. Absent: now.'),
} satisfies Record<string, Schema>;
const proofing: Schema = {
  type: 'array',
  maxItems: 32,
  description:
    'How the identity was established outside of Assent. None is mandatory; several may stand beside each other.',
  items: { $ref: '#/components/schemas/Proofing' },
};

const list = (item: string, of: string): Schema => ({
  type: 'object',
  description: `One page of ${of}.`,
  required: ['items', 'next_cursor'],
  additionalProperties: false,
  properties: {
    items: { type: 'array', description: `The ${of}.`, items: { $ref: `#/components/schemas/${item}` } },
    next_cursor: {
      type: ['string', 'null'],
      description: 'Pass it as `cursor` for the next page; null on the last one.',
    },
  },
});

const describedBy = (description: string, properties: Record<string, Schema>, optional: string[] = []): Schema => ({
  type: 'object',
  description,
  additionalProperties: false,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
});

const nullable = (members: Record<string, Schema>) =>
  Object.fromEntries(Object.entries(members).map(([name, schema]) => [name, orNull(schema)]));

const newUser = { ...identifiers, ...profile };

const userCode = {
  type: 'string',
  minLength: 4,
  maxLength: 64,
  writeOnly: true,
  description:
    'What the person tells clients that ask for it (CIBA `user_code`), so that not everybody who knows their name can ask them something. Kept as a hash; never returned.',
  examples: ['blue-harbor-42'],
} satisfies Schema;

export const managementSchemas = {
  NewUser: {
    type: 'object',
    description:
      'A person to be added. Every member is optional; without an identifier only the id finds the user again.',
    additionalProperties: false,
    properties: {
      ...newUser,
      user_code: userCode,
      attributes: { $ref: '#/components/schemas/Attributes' },
      proofing,
    },
  },
  UserPatch: {
    type: 'object',
    description: 'What to change. A member that is absent stays as it is; null removes it.',
    additionalProperties: false,
    properties: {
      ...nullable({ ...newUser, user_code: userCode }),
      attributes: { $ref: '#/components/schemas/AttributesPatch' },
      proofing: orNull({ ...proofing, description: 'Replaces all proofing records; null removes them.' }),
    },
  },
  User: describedBy('A person in the identity store.', {
    id: userId,
    state: {
      type: 'string',
      enum: ['active', 'locked', 'deactivated'],
      description: '`locked` can be undone, `deactivated` cannot.',
    },
    ...nullable(newUser),
    attributes: { $ref: '#/components/schemas/Attributes' },
    proofing,
    created_at: instant('When the user was created.'),
    updated_at: instant('When the record last changed.'),
  }),
  UserList: list('User', 'users'),
  Attributes: {
    type: 'object',
    description:
      'Your own key-value pairs about the person: text up to 1024 code points, finite numbers, booleans; at most 64.',
    maxProperties: 64,
    propertyNames: attributeName,
    additionalProperties: { type: ['string', 'number', 'boolean'], maxLength: ATTRIBUTE_TEXT },
    examples: [{ address: 'Keizersgracht 1, Amsterdam', newsletter: false }],
  },
  AttributesPatch: {
    type: 'object',
    description: 'Attributes to add or change; null removes one. Those not named stay as they are.',
    maxProperties: 128,
    propertyNames: attributeName,
    additionalProperties: { type: ['string', 'number', 'boolean', 'null'], maxLength: ATTRIBUTE_TEXT },
    examples: [{ address: 'Herengracht 2, Amsterdam', newsletter: null }],
  },
  Proofing: describedBy('One way in which the identity of a person was established.', proofingMembers, [
    'reference',
    'level',
    'at',
  ]),
  Device: describedBy('One enrolled installation of an application. Its keys are not shown.', {
    id: deviceId,
    user_id: userId,
    application: applicationId,
    state: {
      type: 'string',
      enum: ['pending', 'active', 'locked', 'deactivated'],
      description: '`pending`: enrollment is not complete. `locked` can be undone, `deactivated` cannot.',
    },
    lock_reason: {
      type: ['string', 'null'],
      enum: ['admin', 'attempts', null],
      description: 'Why it is locked: by this API, or by too many wrong PINs or numbers; else null.',
    },
    methods: {
      type: 'array',
      items: { type: 'string', description: 'Name of a method.' },
      description: 'How the person proves presence on it.',
      examples: [['device', 'pin']],
    },
    name: { type: ['string', 'null'], description: 'What the device calls itself; trusted for nothing.' },
    model: { type: ['string', 'null'], description: 'Model, as the device says.' },
    os: { type: ['string', 'null'], description: 'Operating system, as the device says.' },
    app_version: { type: ['string', 'null'], description: 'Version of the app, as the device says.' },
    created_at: instant('When the ticket was redeemed.'),
    activated_at: orNull(instant('When the keys were confirmed; null before.')),
    last_used_at: orNull(instant('When it last took part in something; null before.')),
    attestation: {
      anyOf: [{ $ref: '#/components/schemas/Attestation' }, { type: 'null', description: 'Nothing is known.' }],
      description: 'What its platform said of its key when it was enrolled; null where nothing was asked or sent.',
    },
  }),
  Attestation: describedBy('What a platform said of a device’s key, and what the verifier made of it.', {
    kind: { type: 'string', description: 'The form of the statement.', examples: ['android-key'] },
    verdict: {
      type: 'string',
      enum: ['trusted', 'untrusted', 'unverified'],
      description: '`unverified`: there is no verifier, or it could not tell.',
    },
    level: {
      type: ['string', 'null'],
      enum: ['software', 'hardware', null],
      description: 'Where the key lies, as far as the verifier says.',
    },
    detail: { type: ['string', 'null'], description: 'In the words of the verifier.' },
    at: instant('When it was looked at.'),
  }),
  DeviceList: list('Device', 'devices'),
  NewTicket: {
    type: 'object',
    description: 'What the new device is for.',
    additionalProperties: false,
    properties: {
      application: {
        ...applicationId,
        description: `${applicationId.description as string} Absent: the first active one.`,
      },
      ttl_seconds: {
        type: 'integer',
        minimum: 30,
        maximum: 600,
        description: 'Seconds for which the ticket can be used. Absent: as configured.',
        examples: [300],
      },
      post_context: { $ref: '#/components/schemas/PostContext' },
    },
  },
  PostContext: {
    type: 'object',
    description:
      'What the new device shows once it is active, and not before; encrypted until then, and shown nowhere else. No control, format or private characters.',
    additionalProperties: false,
    required: ['text'],
    properties: {
      title: {
        type: 'string',
        minLength: 1,
        maxLength: postContextLimits.title,
        description: 'One line above the text.',
        examples: ['Welcome to Example Bank'],
      },
      text: {
        type: 'string',
        minLength: 1,
        maxLength: postContextLimits.text,
        description: 'Plain text; lines end with a line feed.',
        examples: ['Your first payment will be asked for here.'],
      },
      mime: { type: 'string', enum: ['text/plain'], description: 'Nothing else is shown.' },
    },
  },
  Ticket: describedBy('A ticket that enrolls one device. Shown once; it cannot be read again.', {
    operation_id: operationId,
    ticket_uri: {
      type: 'string',
      description: 'Link that opens the authenticator with the ticket in its fragment. Never send it by e-mail.',
      examples: ['http://localhost:3002/#t=…&k=…'],
    },
    activation_code: {
      type: 'string',
      description: 'To be typed, together with an identifier of the user, where the link cannot be opened or scanned.',
      examples: ['7KQ2-MZ4T-C'],
    },
    expires_at: instant('From when on the ticket is worth nothing.'),
    qr_svg: { type: 'string', description: 'The link as a QR code, an SVG document.' },
    confirm: {
      type: 'string',
      enum: ['off', 'code'],
      description: '`code`: the new device will show six digits, which are to be sent to `…/{operation_id}/confirm`.',
    },
  }),
  TicketConfirmation: {
    type: 'object',
    description: 'What the new device shows.',
    additionalProperties: false,
    required: ['code'],
    properties: {
      code: { type: 'string', pattern: '^[0-9]{6}$', description: 'Six digits.', examples: ['417293'] },
    },
  },
  TicketStatus: describedBy('What became of a ticket; without its secret.', {
    operation_id: operationId,
    user_id: userId,
    application: { ...applicationId, type: ['string', 'null'] },
    state: {
      type: 'string',
      enum: ['pending', 'approved', 'denied', 'expired', 'cancelled', 'failed'],
      description:
        '`approved`: a device was enrolled with it. `failed`: too many wrong codes or digits. `cancelled`: another device of the user said no.',
    },
    device_id: {
      type: ['string', 'null'],
      description: 'The device that redeemed it, also before that device is active; null before.',
    },
    confirmed_at: orNull(instant('When the digits of its device were typed here; null before.')),
    created_at: instant('When the ticket was made.'),
    expires_at: instant('From when on it is worth nothing.'),
    finished_at: orNull(instant('When it was used up or ended otherwise; null before.')),
  }),
  Operation: describedBy('One thing that was asked of one person, without what it said.', {
    operation_id: { ...operationId, description: 'Identifier of the operation.' },
    kind: {
      type: 'string',
      enum: ['registration', 'authentication', 'authorization', 'signature'],
      description: 'What was asked.',
    },
    state: {
      type: 'string',
      enum: ['pending', 'approved', 'denied', 'expired', 'cancelled', 'failed'],
      description: 'What became of it. `failed`: its tries are used up.',
    },
    client_id: { type: 'string', description: 'Who asked; for a registration whoever made the ticket.' },
    user: describedBy('Who was asked. Of a code that was offered nobody: what came of it is an operation of its own.', {
      id: userId,
    }),
    device: {
      ...describedBy(
        'Who answered; for a registration the device that came of it, for a code that was offered the one that took it; null before.',
        {
          id: { type: 'string', description: 'Identifier of the device.' },
        },
      ),
      type: ['object', 'null'],
    },
    application: { ...applicationId, type: ['string', 'null'] },
    method_used: { type: ['string', 'null'], description: 'How presence was proved; null where nobody approved.' },
    acr: { type: ['string', 'null'], description: 'The level that was reached; null where nobody approved.' },
    amr: {
      type: ['array', 'null'],
      items: { type: 'string', description: 'RFC 8176.' },
      description: 'What was proved; null where nobody approved.',
    },
    deny_reason: {
      type: ['string', 'null'],
      description: 'What the person said: `not_me`, `incorrect_data` or `cancelled`; null where they said nothing.',
    },
    end_reason: { type: ['string', 'null'], description: 'Why it ended so, where there is more to say.' },
    created_at: instant('When it was asked.'),
    expires_at: instant('Until when it could be answered and redeemed.'),
    finished_at: orNull(instant('When it ended; null before.')),
  }),
  PinProofReason: describedBy('Why it is opened.', {
    reason: {
      type: 'string',
      minLength: 1,
      maxLength: 200,
      pattern: '^(?=.*\\S)[^\\p{C}\\p{Zl}\\p{Zp}]+$',
      description: 'One line for the audit trail: the number of the case, not the name of a person.',
      examples: ['dispute 2026-1187'],
    },
  }),
  PinProof: describedBy('What shows a third party that the right PIN was typed for an approval.', {
    operation_id: { ...operationId, description: 'Identifier of the operation.' },
    evidence: {
      type: 'string',
      description:
        'JWS by a seal key (`/device/v1/jwks.json`); it names the key of the device (`device.cnf.jwk`), and holds the decision.',
    },
    decision: {
      type: 'string',
      description: 'JWS by the key of the device; `proofs_sha256` in its header lists the hash of the proof.',
    },
    pin_proof: {
      type: 'string',
      description: 'JWS by the PIN key over the hash of the decision’s payload (`payload_sha256`) and a salt.',
    },
    pin_key: describedBy('Public half of the PIN key, a JWK.', {
      kty: { type: 'string', description: '`EC`.' },
      crv: { type: 'string', description: '`P-256`.' },
      x: { type: 'string', description: 'Coordinate, base64url.' },
      y: { type: 'string', description: 'Coordinate, base64url.' },
      kid: { type: 'string', description: 'As the proof names it.' },
    }),
  }),
  ...clientSchemas,
} satisfies Record<string, Schema>;

export type ManagementSchemaName = keyof typeof managementSchemas;
