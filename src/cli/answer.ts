/** Approving and denying, with what has to be asked for it. */

import type { ChallengeView, DecideResult, Device } from '../device-sdk/index.ts';
import { codeOf } from '../device-sdk/index.ts';
import { assent } from './command-name.ts';
import { negative, usage } from './errors.ts';
import type { Terminal } from './terminal.ts';

export interface Given {
  pin?: string;
  match?: string;
}

export type Reason = 'not_me' | 'incorrect_data' | 'cancelled';
export const reasons: readonly Reason[] = ['not_me', 'incorrect_data', 'cancelled'];

/** @throws CliError match_required | match_unknown | pin_required | not_approved; DeviceError */
export async function approve(
  device: Device,
  view: ChallengeView,
  given: Given,
  terminal: Terminal,
): Promise<DecideResult> {
  const match = await numberFor(view, given, terminal);
  const pin = await pinFor(device, view, given, terminal);
  // possession alone, nothing typed: a look at what is shown is all that stands between a request and its approval
  if (terminal.interactive && match === undefined && pin === undefined) await confirmed(terminal);
  return device.decide(view, { decision: 'approve', pin, match }).catch((error: unknown) => {
    if (codeOf(error) === 'pin_required') throw pinMissing();
    throw error;
  });
}

async function numberFor({ match }: ChallengeView, given: Given, terminal: Terminal): Promise<string | undefined> {
  if (match.mode === 'none') return undefined;
  const { options } = match;
  const isPossible = (text: string) =>
    options ? options.includes(text) : new RegExp(`^\\d{${digits[match.mode]}}$`).test(text);
  const hint = options ? `one of ${options.join(', ')}` : `${digits[match.mode]} digits`;
  if (given.match !== undefined) {
    if (isPossible(given.match)) return given.match;
    const advice = `It must be ${hint}. Nothing was sent, and no try was spent.`;
    throw usage('match_unknown', `${given.match} is not a number that can be right.`, { advice, options });
  }
  if (!terminal.interactive) {
    const advice = `Add --match with the number that is shown there (${hint}). Nothing was approved.`;
    throw usage('match_required', 'The request asks for a number, and there is nobody to ask.', { advice, options });
  }
  for (;;) {
    const typed = await terminal.ask(`Which number do you see or hear there (${hint})? `);
    if (isPossible(typed)) return typed;
    terminal.say(`It must be ${hint}.`);
  }
}

const digits = { none: 0, choose: 2, type2: 2, type6: 6 };

async function pinFor(
  device: Device,
  { methods }: ChallengeView,
  given: Given,
  terminal: Terminal,
): Promise<string | undefined> {
  if (given.pin !== undefined) return given.pin;
  if (!device.hasPin || !methods.includes('pin')) return undefined;
  if (!terminal.interactive) {
    // the weaker answer is enough where the request says so
    if (methods.includes('device')) return undefined;
    throw pinMissing();
  }
  for (;;) {
    const pin = await terminal.askHidden('PIN: ');
    if (pin !== '') return pin;
  }
}

function pinMissing() {
  return usage('pin_required', 'The request asks for the PIN, and there is nobody to ask.', {
    advice: 'Add --pin. Nothing was approved.',
  });
}

async function confirmed(terminal: Terminal): Promise<void> {
  const typed = await terminal.ask('Approve this (yes or no)? ');
  if (/^y(es)?$/i.test(typed)) return;
  throw negative('not_approved', 'Not approved.', {
    advice: `The request still waits. To refuse it: ${assent} device deny`,
  });
}
