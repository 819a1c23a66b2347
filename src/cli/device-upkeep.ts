/** `assent device pin`, `rotate`, `ticket`: what a device changes about itself, and a ticket for another one. */

import { codeOf, type Device, DeviceError } from '../device-sdk/index.ts';
import { assent } from './command-name.ts';
import { type DeviceOption, openEnrolled } from './device.ts';
import { enrollmentSource } from './enrollment-source.ts';
import { CliError, usage } from './errors.ts';
import { explain, lastTry, triesLeft } from './explain.ts';
import { qrLines } from './people-commands.ts';
import type { Run } from './run.ts';
import { authenticatorOf } from './settings.ts';
import type { Terminal } from './terminal.ts';
import { duration, fields, plain } from './text.ts';

interface Common extends DeviceOption {
  pin?: string;
}

export async function pinCommand(
  { terminal, result }: Run,
  options: Common & { newPin?: string; remove?: boolean; ticket?: string },
) {
  const device = await openEnrolled(options, terminal);
  if (options.remove && (options.newPin !== undefined || options.ticket !== undefined)) {
    throw usage('usage', '--remove goes with neither --new-pin nor --ticket.', { advice: 'Nothing was changed.' });
  }
  const done = await changing('the PIN was changed', async () => {
    if (options.remove) return removed(device, options, terminal);
    return device.hasPin ? changed(device, options, terminal) : added(device, options, terminal);
  });
  result({ device_id: device.deviceId, pin: done }, [sentences[done]]);
}

const sentences = {
  changed: 'The PIN is changed. The old one approves nothing any longer.',
  added: 'This device has a PIN now.',
  removed: 'This device has no PIN any longer. It approves only what possession alone may approve.',
};

type Done = keyof typeof sentences;

async function changed(device: Device, options: Common & { newPin?: string }, terminal: Terminal): Promise<Done> {
  const pin = await presentPin(device, options, terminal);
  const newPin = options.newPin ?? (await chosenPin(terminal));
  await device.changePin({ pin, newPin });
  return 'changed';
}

async function added(
  device: Device,
  options: Common & { newPin?: string; ticket?: string },
  terminal: Terminal,
): Promise<Done> {
  const ticket = await linkIn(options.ticket, terminal);
  if (ticket === undefined) throw ticketMissing();
  await device.addPin({ newPin: options.newPin ?? (await chosenPin(terminal)), ticket });
  return 'added';
}

async function removed(device: Device, options: Common, terminal: Terminal): Promise<Done> {
  await device.removePin({ pin: await presentPin(device, options, terminal) });
  return 'removed';
}

export async function rotateCommand({ terminal, result }: Run, options: Common & { ticket?: string }) {
  const device = await openEnrolled(options, terminal);
  const ticket = device.hasPin ? undefined : await linkIn(options.ticket, terminal);
  if (!device.hasPin && ticket === undefined) throw ticketMissing();
  const pin = device.hasPin ? await presentPin(device, options, terminal) : undefined;
  await changing('the keys were changed', () => device.rotate({ pin, ticket }));
  result({ device_id: device.deviceId, rotated: true }, [
    'This device has new keys. The old ones, and copies of them, are worth nothing any longer.',
  ]);
}

export async function deviceTicketCommand(
  run: Run,
  options: Common & { application?: string; ttl?: number },
): Promise<void> {
  const { terminal } = run;
  const device = await openEnrolled(options, terminal);
  const pin = await presentPin(device, options, terminal);
  const { application, ttl: ttlSeconds } = options;
  const ticket = await changing('a link was made', () => device.createTicket({ pin, application, ttlSeconds }));
  const { operationId: operation_id, uri, activationCode, expiresAt: expires_at } = ticket;
  const document = { operation_id, ticket_uri: uri, activation_code: activationCode, expires_at };
  run.result(document, [
    `Whoever opens this can approve as ${plain(device.display.masked_user)}. Give it to nobody else.`,
    ...(terminal.showsPictures && !run.json ? await qrLines(uri) : []),
    ...fields({
      link: uri,
      'or code': `${activationCode}  (typed, with the user name)`,
      'valid for': duration((Date.parse(expires_at) - Date.now()) / 1000),
    }),
    'On another device, open the link. On this computer, under another name:',
    `  ${assent} device enroll --device NAME '${uri}'`,
  ]);
}

async function presentPin({ hasPin }: Device, { pin }: Common, terminal: Terminal): Promise<string> {
  if (!hasPin) {
    const advice = `Give it one: ${assent} device pin --ticket <link>. Nothing was changed.`;
    throw usage('method_unavailable', 'This device has no PIN.', { advice });
  }
  if (pin !== undefined) return pin;
  if (!terminal.interactive) {
    throw usage('pin_required', 'The PIN is needed, and there is nobody to ask.', {
      advice: 'Add --pin. Nothing was changed.',
    });
  }
  for (;;) {
    const typed = await terminal.askHidden('PIN: ');
    if (typed !== '') return typed;
  }
}

async function chosenPin(terminal: Terminal): Promise<string> {
  if (!terminal.interactive) {
    const advice = 'Add --new-pin. Nothing was changed.';
    throw usage('pin_required', 'A new PIN is needed, and there is nobody to ask.', { advice });
  }
  for (;;) {
    const first = await terminal.askHidden('The new PIN: ');
    if (first === (await terminal.askHidden('The same PIN again: '))) return first;
    terminal.say('The two are not the same. Once more.');
  }
}

/** A link, or an address that leads to one, as for `device enroll`. */
async function linkIn(text: string | undefined, { env }: Terminal): Promise<string | undefined> {
  if (text === undefined) return undefined;
  const source = await enrollmentSource(text, { user: '', authenticator: () => authenticatorOf(undefined, env) });
  if (typeof source === 'string') return source;
  throw usage('ticket_unreadable', 'An activation code enrolls a device, and nothing else.', {
    advice: 'Give the link. Nothing was changed.',
  });
}

function ticketMissing() {
  return usage('ticket_required', 'This device has no PIN, so a fresh enrollment link must stand in for it.', {
    advice: `Add --ticket <link>, for example of: ${assent} ticket <user>. It is used up. Nothing was changed.`,
  });
}

/** The words of refusals that elsewhere are about an approval or an enrollment. */
async function changing<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw inWords(error, what);
  }
}

function inWords(error: unknown, what: string): CliError {
  const explained = explain(error);
  if (!(error instanceof DeviceError)) return explained;
  const { status, code, message, details } = explained;
  const say = (text: string, advice: string) => new CliError(status, code, text, { ...details, advice, cause: error });
  if (code === 'attempt_failed') return say('The PIN was not right.', `Nothing was changed. ${whatIsLeft(error)}`);
  if (code === 'network') {
    return say(message, `Whether ${what} is not known. The next command finds out by itself.`);
  }
  if (code === 'method_unavailable') {
    return say('This device has no PIN (any longer).', `Give it one: ${assent} device pin --ticket <link>`);
  }
  if (codeOf(error)?.startsWith('pin_')) return say(message, 'Nothing was changed. Choose another.');
  if (code === 'device_locked' || code.startsWith('device_') || code === 'keys_lost') return explained;
  return say(message, 'Nothing was changed.');
}

function whatIsLeft({ attemptsLeft, lockIsImminent }: DeviceError): string {
  if (lockIsImminent) return lastTry;
  if (attemptsLeft === undefined) return 'Try again.';
  return attemptsLeft === 0 ? 'That was the last try: the device is locked.' : triesLeft(attemptsLeft);
}
