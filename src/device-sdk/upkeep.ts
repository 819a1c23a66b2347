/**
 * What a device changes about itself: its PIN, its keys; and a ticket for another device (device-protocol, section 8).
 *
 * A new PIN is kept beside the old one until the server has answered. Where the answer is lost, the server is asked which
 * key counts, by its random name: no PIN is tried for that, and nothing that is kept tells a right PIN from a wrong one. The
 * message itself is not kept: beside what is stored, its proofs would. So a change that may still arrive is waited for.
 */
import type { Prove } from './caller.ts';
import { DeviceError } from './errors.ts';
import { newKeyPair, thumbprint, usableKey } from './keys.ts';
import { type Live, wasAnswered } from './live.ts';
import { signedProof } from './messages.ts';
import { newPinKey, pinKey, type StoredPin } from './pin-key.ts';
import { checkNewPin } from './pin-policy.ts';
import type { StoredDevice } from './storage.ts';
import type { StatusAnswer, TicketsAnswer } from './wire.ts';

/** A ticket for another device of the same person. Whoever opens it can approve as them. */
export interface EnrollmentTicket {
  /** the registration that it stands for */
  operationId: string;
  /** a link, to be shown as a QR code or opened */
  uri: string;
  /** to be typed, together with the user's name */
  activationCode: string;
  /** ISO 8601 */
  expiresAt: string;
}

/** A server takes a message within 120 s of its making; clocks that were set in between are allowed for. */
export const mayArriveSeconds = 600;

/** @see Device.changePin */
export async function changePin(live: Live, { pin, newPin }: { pin: string; newPin: string }): Promise<void> {
  const { stored, status } = await current(live);
  const old = await keyFor(stored, pin);
  if (pin === newPin) throw new DeviceError('pin_unchanged');
  checkNewPin(newPin, lengthIn(status));
  const made = await newPinKey(newPin, live.exportable);
  await withNewPin(live, made.stored, 'change', undefined, async (payload) => [
    await signedProof(old, payload),
    await signedProof(made.key, payload, made.publicJwk),
  ]);
}

/** @see Device.addPin */
export async function addPin(live: Live, { newPin, ticket }: { newPin: string; ticket: string }): Promise<void> {
  const { stored, status } = await current(live);
  if (stored.pin) throw new DeviceError('state_conflict', { detail: 'This device has a PIN already.' });
  checkNewPin(newPin, lengthIn(status));
  const made = await newPinKey(newPin, live.exportable);
  await withNewPin(live, made.stored, 'activate', ticketIn(ticket), async (payload) => [
    await signedProof(made.key, payload, made.publicJwk),
  ]);
}

/** @see Device.removePin */
export async function removePin(live: Live, { pin }: { pin: string }): Promise<void> {
  const { stored } = await current(live);
  const old = await keyFor(stored, pin);
  await withNewPin(live, undefined, 'remove', undefined, async (payload) => [await signedProof(old, payload)]);
}

/** @see Device.rotate */
export async function rotate(live: Live, { pin, ticket }: { pin?: string; ticket?: string }): Promise<void> {
  const stored = await settledPin(live);
  const [sig, enc] = [await newKeyPair('sig', live.exportable), await newKeyPair('enc', live.exportable)];
  const key = { kid: await thumbprint(sig.publicJwk), privateKey: await usableKey(sig.privateKey, 'sig') };
  const own = stored.pin ? await keyFor(stored, pin) : undefined;
  const prove: Prove = async (payload) => [
    await signedProof(key, payload),
    ...(own ? [await signedProof(own, payload)] : []),
  ];
  const members = {
    keys: { sig: sig.publicJwk, enc: enc.publicJwk },
    ...(ticket !== undefined && { ticket: ticketIn(ticket) }),
  };
  const rotating = { sig, enc, at: live.caller.now() };
  await live.rotate(rotating, (caller) => caller.signed('rotate', members, prove));
}

/** @see Device.createTicket */
export async function createTicket(
  live: Live,
  { pin, application, ttlSeconds }: { pin: string; application?: string; ttlSeconds?: number },
): Promise<EnrollmentTicket> {
  const key = await keyFor(await settledPin(live), pin);
  const members = { application, ttl_seconds: ttlSeconds };
  const prove: Prove = async (payload) => [await signedProof(key, payload)];
  const ticket = (await live.caller.signed('tickets', members, prove)) as unknown as TicketsAnswer;
  return {
    operationId: ticket.operation_id,
    uri: ticket.ticket_uri,
    activationCode: ticket.activation_code,
    expiresAt: ticket.expires_at,
  };
}

/**
 * The record with the PIN that counts. Asks the server where an earlier change was interrupted, so that no try is spent on
 * a PIN that counts no longer.
 */
export async function settledPin(live: Live): Promise<StoredDevice> {
  const stored = await live.reload();
  return stored.pinChange ? (await current(live)).stored : stored;
}

async function current(live: Live): Promise<{ stored: StoredDevice; status: StatusAnswer }> {
  const status = (await live.caller.signed('status', {})) as unknown as StatusAnswer;
  await live.reload();
  const stored = await live.update((held) => settledBy(held, status.device, live.caller.now()));
  return { stored, status };
}

function settledBy(held: StoredDevice, { pin: has, methods }: StatusAnswer['device'], now: number): StoredDevice {
  const { pinChange, ...rest } = held;
  const arrived = pinChange?.next.find(({ kid }) => kid === has?.kid);
  if (arrived) return { ...rest, pin: arrived };
  const { pin, ...withoutPin } = rest;
  // removed, or deleted with a lock: what is here can prove nothing any longer
  if (pin && !has && !methods.includes('pin')) return withoutPin;
  return pinChange && now > pinChange.until ? rest : held;
}

/** @param next undefined: the PIN goes */
async function withNewPin(
  live: Live,
  next: StoredPin | undefined,
  action: 'activate' | 'change' | 'remove',
  ticket: string | undefined,
  prove: Prove,
): Promise<void> {
  const until = live.caller.now() + mayArriveSeconds;
  await live.update((held) => ({
    ...held,
    pinChange: { next: [...(held.pinChange?.next ?? []), ...(next ? [next] : [])], until },
  }));
  const members = { action, method: 'pin', ...(next && { key: { kid: next.kid } }), ticket };
  try {
    await live.caller.signed('methods', members, prove);
  } catch (error) {
    if (!wasAnswered(error) || !(await hasArrivedAfterAll(live, next))) throw error;
  }
  await live.update(({ pinChange: _done, pin: _old, ...held }) => ({ ...held, ...(next && { pin: next }) }));
}

/**
 * A refusal is final for the message that got it. But a clock that was put right made two of them, and the first may have
 * been done.
 */
async function hasArrivedAfterAll(live: Live, next: StoredPin | undefined): Promise<boolean> {
  const status = (await live.caller.signed('status', {}).catch(() => undefined)) as unknown as StatusAnswer | undefined;
  if (!status) return false; // it stays open, and is settled when the PIN is next asked for
  if (next && status.device.pin?.kid === next.kid) return true;
  await live.update(({ pinChange, ...held }) => {
    const others = pinChange?.next.filter(({ kid }) => kid !== next?.kid) ?? [];
    return { ...held, ...(pinChange && others.length > 0 && { pinChange: { ...pinChange, next: others } }) };
  });
  return false;
}

async function keyFor({ pin: stored }: StoredDevice, pin: string | undefined) {
  if (!stored) throw new DeviceError('method_unavailable');
  if (!pin) throw new DeviceError('pin_required');
  return pinKey(stored, pin);
}

const lengthIn = ({ policy }: StatusAnswer): number => policy?.pin_length ?? 6;

/** Of a link, or as it is. */
function ticketIn(text: string): string {
  const at = text.indexOf('#');
  const ticket = at < 0 ? text.trim() : new URLSearchParams(text.trim().slice(at + 1)).get('t');
  if (!ticket) throw new DeviceError('ticket_unreadable');
  return ticket;
}
