import type { Schema } from '../route.ts';

/** RFC 7591, OpenID Connect Registration, CIBA Core 4, RFC 8705, RFC 9449, RFC 9396; members of ours begin with `assent_`. */

const text = (description: string, example: string): Schema => ({
  type: 'string',
  minLength: 1,
  maxLength: 2048,
  description,
  examples: [example],
});
const flag = (description: string): Schema => ({ type: 'boolean', description });
const one = (description: string, values: string[]): Schema => ({ type: 'string', enum: values, description });
const texts = (description: string, example: string): Schema => ({
  type: 'array',
  maxItems: 100,
  description,
  items: { type: 'string', minLength: 1, maxLength: 2048, description: 'One of them.' },
  examples: [[example]],
});
const seconds = (description: string, maximum: number): Schema => ({
  type: 'integer',
  minimum: 0,
  maximum,
  description: `${description} In seconds.`,
});

const identity = {
  client_id: text('Identifier. Absent: one is made. It cannot be changed.', 's6BhdRkqt3'),
  client_name: text('Name that people see on their device: at most 120 characters on one line.', 'Example Bank'),
  client_uri: text('Address of its home page.', 'https://client.example'),
  logo_uri: text('Address of its logo.', 'https://client.example/logo.png'),
  policy_uri: text('Address of its privacy policy.', 'https://client.example/privacy'),
  tos_uri: text('Address of its terms of service.', 'https://client.example/terms'),
  contacts: texts('E-mail addresses of people responsible for it.', 'ops@client.example'),
  software_id: text('Identifier of the software.', '4NRB1-0XZABZI9E6-5SM3R'),
  software_version: text('Version of the software.', '2.1'),
  application_type: one('Kind of application.', ['web', 'native']),
};

const authentication = {
  token_endpoint_auth_method: one('How it authenticates at every endpoint.', [
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
  ]),
  token_endpoint_auth_signing_alg: text(
    'The one algorithm of its assertions. Absent: any that the server knows.',
    'ES256',
  ),
  jwks: {
    type: 'object',
    description: 'Its public keys, at most 50; RSA between 2048 and 4096 bits with the exponent 65537.',
    required: ['keys'],
    properties: {
      keys: { type: 'array', description: 'JWKs.', items: { type: 'object', description: 'A public JWK.' } },
    },
  },
  jwks_uri: text('Where its public keys are found; not beside `jwks`.', 'https://client.example/jwks.json'),
  tls_client_auth_subject_dn: text('Subject of its certificate, RFC 4514.', 'CN=client.example,O=Example'),
  tls_client_auth_san_dns: text('DNS name in its certificate.', 'client.example'),
  tls_client_auth_san_uri: text('URI in its certificate.', 'https://client.example/id'),
  tls_client_auth_san_ip: text('IP address in its certificate.', '203.0.113.9'),
  tls_client_auth_san_email: text('E-mail address in its certificate.', 'client@client.example'),
  assent_assertion_audience: one('Whom its assertions may be made for. Absent: as the server is configured.', [
    'core',
    'rfc10070',
  ]),
};

const tokens = {
  grant_types: texts('Grants that it may use.', 'urn:openid:params:grant-type:ciba'),
  response_types: texts('Response types that it may use at the authorization endpoint.', 'code'),
  redirect_uris: texts(
    'Where the authorization endpoint may send the browser: https, or http on the own machine.',
    'https://client.example/callback',
  ),
  post_logout_redirect_uris: texts('Where the browser may go after signing out.', 'https://client.example/'),
  scope: text('Scopes that it may ask for, separated by spaces. Absent: all.', 'openid offline_access'),
  subject_type: one('Whether its `sub` is its sector’s own.', ['public', 'pairwise']),
  sector_identifier_uri: text('List of its sector; its host names the sector.', 'https://client.example/sector.json'),
  id_token_signed_response_alg: text('Algorithm of its ID tokens.', 'ES256'),
  id_token_encrypted_response_alg: one(
    'Its ID tokens are encrypted, to a key of `jwks` or `jwks_uri`, with this one.',
    ['ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW', 'RSA-OAEP', 'RSA-OAEP-256'],
  ),
  id_token_encrypted_response_enc: one('How their content is encrypted. Absent: A128CBC-HS256.', [
    'A128CBC-HS256',
    'A256CBC-HS512',
    'A128GCM',
    'A256GCM',
  ]),
  userinfo_signed_response_alg: text('Algorithm of signed userinfo answers. Absent: not signed.', 'ES256'),
  request_object_signing_alg: text('Algorithm of its request objects.', 'ES256'),
  tls_client_certificate_bound_access_tokens: flag('Its tokens are of use only with its certificate.'),
  dpop_bound_access_tokens: flag('It must bind its tokens to a DPoP key.'),
  require_pushed_authorization_requests: flag('Its authorization requests come by way of `/oauth/par` only.'),
  authorization_details_types: texts('Types of authorization details that it may ask for.', 'payment_initiation'),
  default_acr_values: texts('Asked for when a request names none.', 'urn:assent:acr:two-factor'),
  default_max_age: seconds('Oldest acceptable authentication.', 315_360_000),
  require_auth_time: flag('`auth_time` stands in every ID token.'),
};

const ciba = {
  backchannel_token_delivery_mode: one('How it learns the result.', ['poll', 'ping', 'push']),
  backchannel_client_notification_endpoint: text(
    'Where it is pinged or pushed to; https.',
    'https://client.example/cb',
  ),
  backchannel_authentication_request_signing_alg: text('It signs its requests with this one.', 'ES256'),
  backchannel_user_code_parameter: flag('It sends user codes.'),
  assent_active: flag('Switched on; false: it gets nothing.'),
  assent_documents: flag('It may send documents that people are to agree to.'),
  assent_hold_seconds: seconds('Its token requests wait this long for the decision.', 25),
  assent_introspect: one('Whose tokens it may introspect. `own`: its own, and those whose audience is its client_id.', [
    'own',
    'any',
  ]),
  assent_unknown_user: one('What it gets where nobody can be asked.', ['error', 'decoy']),
  assent_match: one('Whether and how numbers are matched.', ['none', 'choose', 'type2', 'type6']),
  assent_method: one('How the person must prove presence. Absent: as they can.', ['device', 'pin']),
  assent_notification_keys: {
    ...texts('Names of the secrets under which pings and pushes are signed, newest first.', '2026-11'),
    maxItems: 2,
    uniqueItems: true,
    items: { type: 'string', pattern: '^[\\w.-]{1,32}$', description: 'A name.' },
  },
};

const members = { ...identity, ...authentication, ...tokens, ...ciba };

const orNull = (schema: Schema): Schema => ({
  ...schema,
  type: [schema.type as string, 'null'],
  ...(schema.enum !== undefined && { enum: [...(schema.enum as string[]), null] }),
});

const instant: Schema = {
  type: 'string',
  format: 'date-time',
  description: 'RFC 3339, UTC.',
  examples: ['2026-11-20T10:15:00.000Z'],
};

export const clientSchemas = {
  ClientMetadata: {
    type: 'object',
    description: 'Client metadata. What is left out has the default of its specification.',
    additionalProperties: false,
    properties: members,
  },
  ClientPatch: {
    type: 'object',
    description: 'Metadata to change; null removes one. Those not named stay as they are.',
    additionalProperties: false,
    properties: Object.fromEntries(Object.entries(members).map(([name, schema]) => [name, orNull(schema)])),
  },
  Client: {
    type: 'object',
    description: 'A client as it is in force, with what only the server knows.',
    required: ['client_id', 'assent_source', 'assent_secrets', 'assent_updated_at'],
    properties: {
      ...members,
      // those of the configuration may have what cannot be registered
      token_endpoint_auth_method: text('How it authenticates at every endpoint.', 'private_key_jwt'),
      client_secret: text('Its secret, when it was just made. Shown this once.', '6Gm0b2…'),
      client_secret_expires_at: { type: 'integer', description: '0: the secret does not expire.' },
      client_id_issued_at: { type: 'integer', description: 'When it was registered, epoch seconds.' },
      assent_source: one('Where it comes from; those of the configuration are changed there.', [
        'configuration',
        'registered',
      ]),
      assent_secrets: {
        type: 'array',
        description: 'Its secrets, newest first, without themselves. Empty for clients of the configuration.',
        items: {
          type: 'object',
          description: 'One secret.',
          required: ['created_at', 'expires_at'],
          properties: { created_at: instant, expires_at: orNull(instant) },
        },
      },
      assent_updated_at: orNull(instant),
    },
  },
  ClientList: {
    type: 'object',
    description: 'One page of clients.',
    required: ['items', 'next_cursor'],
    additionalProperties: false,
    properties: {
      items: { type: 'array', description: 'The clients.', items: { $ref: '#/components/schemas/Client' } },
      next_cursor: {
        type: ['string', 'null'],
        description: 'Pass it as `cursor` for the next page; null on the last one.',
      },
    },
  },
  Delivery: {
    type: 'object',
    description: 'One attempt to tell a client that its request has ended. Neither its token nor what was sent.',
    additionalProperties: false,
    required: ['operation_id', 'mode', 'attempt', 'outcome', 'status', 'reason', 'duration_ms', 'at'],
    properties: {
      operation_id: text('The operation that has ended.', '7fQx0c9G2mVbTn4yRkLwZpA'),
      mode: one('How.', ['ping', 'push']),
      attempt: { type: 'integer', minimum: 1, description: 'Which attempt it was.' },
      outcome: one('`delivered`: answered with 2xx. `failed`: it is tried again. `abandoned`: it is not.', [
        'delivered',
        'failed',
        'abandoned',
      ]),
      status: { type: ['integer', 'null'], description: 'HTTP status of the answer; null: there was none.' },
      reason: orNull(text('Why it failed.', 'status 503')),
      duration_ms: { type: ['integer', 'null'], description: 'How long the call took; null: there was none.' },
      at: instant,
    },
  },
  DeliveryList: {
    type: 'object',
    description: 'One page of attempts.',
    required: ['items', 'next_cursor'],
    additionalProperties: false,
    properties: {
      items: { type: 'array', description: 'The attempts.', items: { $ref: '#/components/schemas/Delivery' } },
      next_cursor: {
        type: ['string', 'null'],
        description: 'Pass it as `cursor` for the next page; null on the last one.',
      },
    },
  },
  Key: {
    type: 'object',
    description: 'A key that signs, without its private half.',
    additionalProperties: false,
    required: ['kid', 'use', 'alg', 'state', 'jwk', 'created_at', 'activates_at', 'retired_at'],
    properties: {
      kid: text('Its identifier.', 'Zc0vJ2mDqk8'),
      use: one('`oidc`: ID tokens. `seal`: challenges and evidence for devices.', ['oidc', 'seal']),
      alg: text('Its algorithm.', 'ES256'),
      state: one(
        '`next`: published, does not sign yet. `retired`: published, does not sign anymore. `destroyed`: nobody can sign with it.',
        ['next', 'current', 'retired', 'destroyed'],
      ),
      jwk: { type: 'object', description: 'Its public half, a JWK.' },
      created_at: instant,
      activates_at: orNull(instant),
      retired_at: orNull(instant),
    },
  },
  KeyList: {
    type: 'object',
    description: 'All keys that sign.',
    required: ['items', 'next_cursor'],
    additionalProperties: false,
    properties: {
      items: { type: 'array', description: 'The keys.', items: { $ref: '#/components/schemas/Key' } },
      next_cursor: { type: 'null', description: 'There is one page.' },
    },
  },
  KeyRotation: {
    type: 'object',
    description: 'Which keys are replaced, and how soon.',
    additionalProperties: false,
    properties: {
      use: one(
        '`oidc`: of ID tokens, which is meant where it is absent. `seal`: of challenges and evidence; with `revoke`, devices must be enrolled again.',
        ['oidc', 'seal'],
      ),
      alg: one('Only this algorithm. Absent: all.', ['ES256', 'RS256', 'PS256', 'EdDSA']),
      immediate: flag('The successor signs at once. Relying parties that keep the key set must fetch it again.'),
      revoke: flag(
        'For a key that was lost: the former is destroyed at once, and nobody believes its signatures anymore.',
      ),
    },
  },
  NotificationSecretList: {
    type: 'object',
    description: 'The secrets under which pings and pushes to a client are signed.',
    required: ['items', 'next_cursor'],
    additionalProperties: false,
    properties: {
      items: {
        type: 'array',
        description: 'As many as `assent_notification_keys` has names, in its order.',
        items: {
          type: 'object',
          description: 'One secret.',
          additionalProperties: false,
          required: ['name', 'secret'],
          properties: {
            name: text('Its name.', '2026-11'),
            secret: text('As libraries for Standard Webhooks take it.', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'),
          },
        },
      },
      next_cursor: { type: 'null', description: 'There is one page.' },
    },
  },
  MasterKeys: {
    type: 'object',
    description: 'Which master keys open the store, and the generations of the root that they open. No key material.',
    additionalProperties: false,
    required: ['in_use', 'slots', 'generations'],
    properties: {
      in_use: text('Id of the master key that the server was started with.', 'q3Zk0x_1Aa'),
      slots: {
        type: 'array',
        description: 'Each master key that opens the store.',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['id', 'created_at'],
          properties: { id: text('Of the master key.', 'q3Zk0x_1Aa'), created_at: instant },
        },
      },
      generations: {
        type: 'array',
        description:
          'Oldest first. The first one is for look-ups, for ever; what is new is sealed with the last one whose time has come.',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['id', 'created_at', 'seals_from'],
          properties: {
            id: text('Stands in front of what it has sealed.', 'x9qYEz'),
            created_at: instant,
            seals_from: instant,
          },
        },
      },
    },
  },
  SecretRotation: {
    type: 'object',
    description: 'How the former secret ends.',
    additionalProperties: false,
    properties: {
      overlap_seconds: { ...seconds('How long the former secret is still accepted.', 2_592_000), examples: [3600] },
    },
  },
} satisfies Record<string, Schema>;
