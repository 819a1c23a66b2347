/**
 * Names on the wire, each written once: grant types, parameters, error codes, paths, and our own extension names.
 * Everything else in this folder speaks camelCase.
 */

export const grantType = {
  ciba: 'urn:openid:params:grant-type:ciba',
  refreshToken: 'refresh_token',
} as const;

export const scope = { openid: 'openid', offlineAccess: 'offline_access' } as const;

/** Parameters of the token call that we read ourselves; client authentication has its own. */
export const tokenParameters = ['grant_type', 'auth_req_id', 'resource', 'authorization_details'] as const;
/** Of `DELETE /bc-authorize`. */
export const cancelParameters = ['auth_req_id'] as const;
/** Of `POST /bc-authorize/deliveries`. */
export const deliveriesParameters = ['auth_req_id', 'limit', 'cursor'] as const;
export const clientAuthenticationParameters = [
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
] as const;

/** Our client metadata beside RFC 7591. */
export const clientMember = {
  match: 'assent_match',
  method: 'assent_method',
  active: 'assent_active',
  unknownUser: 'assent_unknown_user',
  hold: 'assent_hold_seconds',
  introspect: 'assent_introspect',
  audience: 'assent_assertion_audience',
  notificationKeys: 'assent_notification_keys',
  documents: 'assent_documents',
} as const;
/** TH-04: whether the client may learn that a hint names nobody. */
export const unknownUserModes = ['error', 'decoy'] as const;
/** Whose tokens the client may look at. */
export const introspectModes = ['own', 'any'] as const;
export const matchModes = ['none', 'choose', 'type2', 'type6'] as const;
export const clientMethods = ['device', 'pin'] as const;
/** */
export const assertionPolicies = ['core', 'rfc10070'] as const;
/** 0 to 25: proxies and clients usually give up after 30 (CIBA Core 10.1). */
export const holdSeconds = Array.from({ length: 26 }, (_, seconds) => seconds);

/** CIBA Core 13 and 11, RFC 6749 5.2, and what else these endpoints may say. */
export type OAuthErrorCode =
  | 'access_denied'
  | 'authorization_pending'
  | 'expired_token'
  | 'invalid_binding_message'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_request'
  | 'server_error'
  | 'slow_down'
  | 'unauthorized_client'
  | 'unknown_user_id'
  | (string & {});

/** surfaces.md, section 2. Fixed: SDKs know `/bc-authorize` and `/oauth/token` by heart. */
export const path = {
  authentication: '/bc-authorize',
  deliveries: '/bc-authorize/deliveries',
  token: '/oauth/token',
  introspection: '/oauth/introspect',
  revocation: '/oauth/revoke',
  userinfo: '/userinfo',
  authorization: '/authorize',
  pushedAuthorization: '/oauth/par',
  logout: '/logout',
  /** Between `/authorize` and its answer; served by `http`. */
  signIn: '/sign-in',
  openidConfiguration: '/.well-known/openid-configuration',
  oauthConfiguration: '/.well-known/oauth-authorization-server',
  jwks: '/.well-known/jwks.json',
  registration: '/oauth/register',
  resource: '/fapi/resource',
} as const;

/** The engine's names of its routes. */
export const route = {
  authentication: 'backchannel_authentication',
  token: 'token',
  introspection: 'introspection',
  revocation: 'revocation',
  pushedAuthorization: 'pushed_authorization_request',
  discovery: 'discovery',
  jwks: 'jwks',
  /** Ours. */
  resource: 'resource',
} as const;
