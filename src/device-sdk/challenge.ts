/** A verified challenge as the person is to see it. Whatever is not in here is not shown. */
import { type Bytes, sha256 } from './bytes.ts';
import { DeviceError } from './errors.ts';
import { parseObject } from './messages.ts';
import type { MatchMode, Method } from './wire.ts';

export interface Match {
  mode: MatchMode;
  /** for `choose`: the numbers to choose from, in this order */
  options?: string[];
}

/** Plain data: may be put into a page, a history state or a message to a worker. Show texts as text, never as HTML. */
export interface ChallengeView {
  op: string;
  kind: string;
  purpose: string;
  /** the registered name stands above everything that the client wrote */
  client: { id: string; name: string };
  bindingMessage?: string;
  transaction?: Record<string, unknown>;
  document?: DocumentView;
  context?: { title?: string; text: string; mime?: string };
  /** purpose `enrollment`: the device that asks to be added, as it describes itself; trusted for nothing */
  enrolling?: { name?: string; model?: string; os?: string; application?: string };
  /** as reported by the service; not verified by anybody */
  origin?: { ip?: string; browser?: string; os?: string; place?: string };
  /** a device took it from another screen: tell the person to go on only if they opened that page themselves */
  claimed?: true;
  match: Match;
  /** preferred first */
  methods: Method[];
  /** epoch seconds, server's clock */
  issuedAt: number;
  expiresAt: number;
  /** the string that is signed for, as received */
  ctx: string;
  contextHash: string;
  challengeHash: string;
}

/** Plain data. What it says is bound by the challenge; the content comes by `Device.document`. */
export interface DocumentView {
  /** in the client's words */
  title: string;
  mime: string;
  /** base64url, of the content */
  sha256: string;
  /** bytes; absent where the service has no more than the hash */
  size?: number;
  /**
   * `text`: show the content as text beside the request. `file`: hand it over to be opened apart. `external`: nobody can show it
   * here; say so, with the hash, before an approval.
   */
  display: 'text' | 'file' | 'external';
}

export interface PostContext {
  title?: string;
  text: string;
  mime?: string;
}

/**
 * Read a challenge whose signature, issuer and audience are verified.
 *
 * @param now epoch seconds
 * @throws DeviceError challenge_invalid | operation_expired
 */
export async function readChallenge(
  payload: Bytes,
  claims: Record<string, unknown>,
  expected: { op: string; now: number },
): Promise<ChallengeView> {
  const { op, iat, exp, ctx, methods } = claims;
  if (op !== expected.op || typeof ctx !== 'string' || typeof iat !== 'number' || typeof exp !== 'number')
    throw invalid('members');
  if (!Array.isArray(methods) || !methods.every((method) => typeof method === 'string')) throw invalid('methods');
  if (exp <= expected.now) throw new DeviceError('operation_expired');
  return {
    ...readContext(ctx, expected.op),
    match: readMatch(claims.match),
    methods: methods as Method[],
    issuedAt: iat,
    expiresAt: exp,
    ctx,
    contextHash: await sha256(ctx),
    challengeHash: await sha256(payload),
  };
}

/** Only what is understood is shown; a version that is not understood is not shown at all. */
function readContext(
  ctx: string,
  op: string,
): Omit<ChallengeView, 'match' | 'methods' | 'issuedAt' | 'expiresAt' | 'ctx' | 'contextHash' | 'challengeHash'> {
  const { v, op: named, kind, purpose, client, ...rest } = parseObject(ctx);
  if (v !== 1 || named !== op) throw invalid('ctx');
  const { id, name } = isObject(client) ? client : {};
  if (typeof kind !== 'string' || typeof purpose !== 'string' || typeof id !== 'string' || typeof name !== 'string')
    throw invalid('ctx members');
  return {
    op,
    kind,
    purpose,
    client: { id, name },
    ...(typeof rest.binding_message === 'string' && { bindingMessage: rest.binding_message }),
    ...(isObject(rest.transaction) && { transaction: rest.transaction }),
    ...(rest.document !== undefined && { document: readDocumentView(rest.document) }),
    ...(isContext(rest.context) && { context: rest.context }),
    ...(isObject(rest.enrolling) && { enrolling: textsOf(rest.enrolling) }),
    ...(isObject(rest.origin) && { origin: rest.origin }),
    ...(rest.claimed === true && { claimed: true as const }),
  };
}

/** A document that this version cannot show must not be approved unseen. */
function readDocumentView(document: unknown): DocumentView {
  const { title, mime, sha256: hash, size, display } = isObject(document) ? document : {};
  if (typeof title !== 'string' || typeof mime !== 'string' || typeof hash !== 'string') throw invalid('document');
  if (display === 'external') return { title, mime, sha256: hash, display };
  const isSize = typeof size === 'number' && Number.isSafeInteger(size) && size > 0;
  if (!isSize || (display !== 'text' && display !== 'file')) throw invalid('a document cannot be shown');
  return { title, mime, sha256: hash, size, display };
}

function readMatch(match: unknown): Match {
  if (match === undefined) return { mode: 'none' };
  const { mode, options } = isObject(match) ? match : {};
  if (mode === 'type2' || mode === 'type6') return { mode };
  if (mode !== 'choose' || !Array.isArray(options) || !options.every((option) => typeof option === 'string'))
    throw invalid('match');
  return { mode, options: options as string[] };
}

/** @throws DeviceError server_unexpected */
export function readPostContext({ title, text, mime }: Record<string, unknown>): PostContext {
  if (typeof text !== 'string') throw new DeviceError('server_unexpected', { detail: 'post_context' });
  return { text, ...(typeof title === 'string' && { title }), ...(typeof mime === 'string' && { mime }) };
}

function textsOf(members: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => typeof value === 'string')) as Record<
    string,
    string
  >;
}

function isContext(value: unknown): value is { title?: string; text: string; mime?: string } {
  return isObject(value) && typeof value.text === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(detail: string): DeviceError {
  return new DeviceError('challenge_invalid', { cause: detail });
}
