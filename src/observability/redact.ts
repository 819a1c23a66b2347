/** What stands in the log instead of a secret. */
export const masked = '[masked]';

// Compared without case, `-` and `_`: authReqId, auth_req_id and AUTH-REQ-ID are one name.
const secretKeys = new Set(
  [
    'authorization cookie set_cookie dpop proxy_authorization api_key key private_key master_key',
    'client_secret secret password passphrase client_assertion assertion request id_token_hint login_hint_token',
    'login_hint user_code auth_req_id access_token refresh_token id_token token registration_token device_token',
    'push_token subscription code activation_code otp pin match_code ticket ticket_uri client_notification_token',
    'email phone phone_number binding_message address name given_name family_name d p q dp dq qi k',
    'challenge jws jwe jwk ticket_secret session nonce',
  ].flatMap((names) => names.split(' ').map(plain)),
);

// Long enough to be a key, a token or a code of ours: 22 characters of base64url are 128 bits.
const secretLookingKey = /(secret|token|password|assertion|cookie|credential|passphrase|pin|otp)$/;

function plain(key: string): string {
  return key.replaceAll(/[-_]/g, '').toLowerCase();
}

function isSecretKey(key: string): boolean {
  const name = plain(key);
  return secretKeys.has(name) || secretLookingKey.test(name);
}

/** Secrets and personal data that are recognised wherever they stand, also in the middle of a message. */
const shapes: [RegExp, string][] = [
  // JWS and JWE in compact form: a header in base64url begins with eyJ ({"); JWE may have an empty second part
  [/\beyJ[\w-]+\.[\w-]*\.[\w-]+(?:\.[\w-]+){0,2}/g, '[jose]'],
  [/\b(bearer|basic|dpop)\s+[\w+/=.~-]{8,}/gi, '$1 [masked]'],
  [/(\b(?:rediss?|https?)(?:\+\w+)?:\/\/)[^\s/@]+@/gi, '$1[masked]@'],
  [/([?&#](?:[\w-]*(?:token|secret|code|assertion|auth_req_id|ticket|hint)|t)=)[^&\s"']+/gi, '$1[masked]'],
  // from the beginning of a run only: to try again inside it would take the square of its length
  [/(?<![\w.%+-])[\w.%+-]+@[\w-]+(?:\.[\w-]+)+/g, '[email]'],
  [/(?<![\w+])\+[1-9]\d{6,14}\b/g, '[phone]'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, '[private key]'],
];

/** Something of this stands in each of the shapes. Most texts have none of it, and need not be tried seven times. */
const suspicious = /eyJ|bearer|basic|dpop|:\/\/|[=@+]|-----BEGIN/i;

export function redactText(text: string): string {
  if (!suspicious.test(text)) return text;
  return shapes.reduce((result, [shape, mask]) => result.replace(shape, mask), text);
}

// A log line is for people: what is deeper, longer or wider is noise, or an attack on the disk.
const maxDepth = 6;
const maxText = 4_000;
const maxItems = 100;

/**
 * A copy that can be written to a log: secrets masked by key and by shape, errors with their causes, circles and
 * endless things cut.
 */
export function redact(value: unknown, depth = 0, parents: readonly object[] = []): unknown {
  if (typeof value === 'string') return redactText(value.length > maxText ? `${value.slice(0, maxText)}…` : value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  if (typeof value !== 'object' || value === null) return value;
  if (parents.includes(value)) return '[circular]';
  if (depth >= maxDepth) return '[deep]';
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[no date]' : value.toISOString();
  if (value instanceof URL) return redactText(value.href);

  const inside = [...parents, value];
  const next = (item: unknown) => redact(item, depth + 1, inside);
  if (Array.isArray(value)) return value.slice(0, maxItems).map(next);
  if (value instanceof Map || value instanceof Set) return next([...value]);
  return redactMembers(value instanceof Error ? errorMembers(value) : Object.entries(value), next);
}

function redactMembers(members: [string, unknown][], next: (item: unknown) => unknown): Record<string, unknown> {
  const shown = members
    .slice(0, maxItems)
    .map(([key, value]) => [redactText(key), hidesSecret(key, value) ? masked : next(value)] as const);
  return Object.fromEntries(shown);
}

function hidesSecret(key: string, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean' || !isSecretKey(key)) return false;
  // `code` is also what our own refusals are called: device_locked is no secret, 493021 is
  return !(key === 'code' && typeof value === 'string' && /^[a-z]+(_[a-z]+)*$/.test(value));
}

function errorMembers(error: Error): [string, unknown][] {
  // `code` names the kind of an error here, not a secret; its own members (status, detail …) are worth reading
  const { name, message, stack, cause, ...own } = error as Error & { code?: unknown };
  const { code, ...others } = own;
  const kind = typeof code === 'string' || typeof code === 'number' ? [['errorCode', code] as [string, unknown]] : [];
  const rest: [string, unknown][] = [...kind, ...Object.entries(others)];
  const because: [string, unknown][] = cause === undefined ? [] : [['cause', cause]];
  return [['error', error.name], ['message', message], ...rest, ['stack', stackOf(stack)], ...because];
}

/** The places only: the first lines of a stack repeat the message. */
function stackOf(stack: string | undefined): string[] {
  const places = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return places.slice(0, 12).map((line) => line.trim());
}
