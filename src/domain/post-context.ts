/**
 * What a person is told only after success (F058): an order number, what to do next. It is written with the start, lies
 * under the operation's own key (context.ts), and leaves the server once there is an approval or an active device, for
 * that device alone. No part of `ctx`: nobody signs it, and no delivery, event or log knows of it.
 */
import type { Clock } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import { unshowable } from './binding-message.ts';
import { openPostContext } from './context.ts';
import type { Device } from './device.ts';
import { sealContext } from './device-messages/sealed.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import { DomainError } from './errors.ts';
import type { Operation } from './operation.ts';
import type { UserState } from './user.ts';

export interface PostContext {
  /** One line. */
  title?: string;
  /** Lines end with a line feed. */
  text: string;
  mime?: 'text/plain';
}

/** In code points. */
export const postContextLimits = { title: 80, text: 2000 };

/** @throws DomainError invalid_request, members.invalid_params */
export function checkPostContext(given: PostContext): PostContext {
  const { title, text, mime } = given;
  const invalid_params = [
    ...(title === undefined ? [] : problemOf('title', title, title)),
    ...problemOf('text', text, text.replaceAll('\n', '')),
    ...(mime === undefined || mime === 'text/plain' ? [] : [invalid('mime', 'must be text/plain')]),
  ];
  if (invalid_params.length > 0) throw new DomainError('invalid_request', { members: { invalid_params } });
  return { ...(title !== undefined && { title }), text, ...(mime && { mime }) };
}

/** @param shown what must be characters that can be seen: the text without its line feeds */
function problemOf(member: 'title' | 'text', text: string, shown: string): InvalidParam[] {
  const max = postContextLimits[member];
  // a code point has at most two UTF-16 units: what is far too long is not walked through
  const isTooLong = text.length > 2 * max || [...text].length > max;
  if (shown.trim() === '' || isTooLong) return [invalid(member, `must have 1 to ${max} characters`)];
  if (!unshowable.test(shown)) return [];
  return [invalid(member, 'must not have control, format, private or broken characters')];
}

interface InvalidParam {
  name: string;
  reason: string;
}

function invalid(member: keyof PostContext, reason: string): InvalidParam {
  return { name: `post_context.${member}`, reason };
}

interface Deps {
  issuer: string;
  secrets: Pick<Secrets, 'open'>;
  serverKeys: Pick<DeviceServerKeys, 'seal'>;
  clock: Clock;
}

/** Whom it is for. A device that was locked or taken away meanwhile reads nothing any longer. */
interface Reader {
  device: Device;
  userState: UserState;
}

/**
 * As it travels: a JWE to `enc`. The caller knows that the operation succeeded, and by this device.
 *
 * @returns undefined where there is none, or none any longer
 */
export function postContextFor(
  { issuer, secrets, serverKeys, clock }: Deps,
  { device, userState }: Reader,
  operation: Pick<Operation, 'id' | 'context' | 'postContext'>,
): string | undefined {
  const { enc } = device.keys;
  if (!operation.postContext || !enc || device.state !== 'active' || userState !== 'active') return undefined;
  const text = openPostContext(secrets, operation);
  if (text === undefined) return undefined;
  const about = { issuer, deviceId: device.id, op: operation.id, now: clock() };
  return sealContext(enc, serverKeys.seal(), { ...about, ...(JSON.parse(text) as PostContext) });
}
