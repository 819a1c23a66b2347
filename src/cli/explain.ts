/** Whatever was thrown, as a person reads it. Nothing here shows a stack: `--json` and exit status are for programs. */

import { DeviceError } from '../device-sdk/index.ts';
import { ManagementError } from '../support/management-client.ts';
import { assent } from './command-name.ts';
import { CliError, exit } from './errors.ts';

type Explained = [status: 1 | 2, message: string, advice?: string];

const newTicket = `Ask for a new enrollment link, then run: ${assent} device enroll <link>`;
const enrollAgain = `Nothing was sent. ${newTicket}`;

/** By code of a {@link DeviceError}; the server's and the SDK's own. */
const ofDevice: Record<string, Explained> = {
  network: [exit.usage, 'The server cannot be reached.', 'Nothing was changed here. Try again when it runs.'],
  unavailable: [exit.usage, 'The server cannot answer at the moment.', 'Nothing was changed here. Try again.'],
  rate_limited: [exit.usage, 'There were too many tries.', 'Nothing was changed. Try again later.'],
  server_unexpected: [exit.usage, 'The server answered something that cannot be used.', 'Is it an Assent server?'],
  ticket_unreadable: [
    exit.usage,
    'This is not an enrollment link.',
    'It looks like http://localhost:3002/#t=…&k=… (quote it: a shell reads # and &).',
  ],
  ticket_invalid: [
    exit.negative,
    'The link or code is used up, expired or wrong.',
    `Nothing was changed. ${newTicket}`,
  ],
  ticket_bound: [
    exit.negative,
    'Another device has used this link.',
    'If that was not you, tell the people who gave it to you. Nothing was changed here.',
  ],
  enrollment_conflict: [
    exit.negative,
    'This person has a device of this application already, and may have only one.',
    `The old one keeps working. Deactivate it first: ${assent} device list, ${assent} device deactivate <id>`,
  ],
  enrollment_denied: [
    exit.negative,
    'Another device of this person said no, or the question there is over.',
    `This computer was not enrolled. ${newTicket}`,
  ],
  enrollment_waiting: [
    exit.negative,
    'The enrollment still waits to be confirmed.',
    `The keys are kept. Go on with: ${assent} device enroll (without an address)`,
  ],
  no_approving_device: [
    exit.negative,
    'This application wants a new device to be approved by one that the person has, and there is none that can.',
    'The link can still be used. Enroll a device with a PIN in another application first.',
  ],
  attestation_refused: [
    exit.negative,
    'This application enrolls only devices whose platform vouches for their keys; a computer is none.',
    'Nothing was changed.',
  ],
  revocation_refused: [
    exit.negative,
    'A device may take away only one of the same person that was enrolled after it.',
    `Nothing was changed. An operator can: ${assent} device deactivate <id>`,
  ],
  keys_untrusted: [
    exit.negative,
    'This is another server, or this device was not used for too long: no key that it knows vouches for those of today.',
    enrollAgain,
  ],
  keys_lost: [exit.usage, 'The keys of this device are damaged.', enrollAgain],
  nothing_to_resume: [exit.usage, 'There is no enrollment to go on with.', newTicket],
  proof_required: [
    exit.negative,
    'The server asks for the PIN, or for a fresh enrollment link where there is none.',
    `Nothing was changed. See: ${assent} device status`,
  ],
  application_not_found: [exit.negative, 'There is no such application.', 'Nothing was changed.'],
  device_refused: [exit.negative, 'The server does not know this device (any longer).', enrollAgain],
  device_deactivated: [exit.negative, 'This device was deactivated.', newTicket],
  challenge_invalid: [exit.negative, 'The request cannot be shown by this version.', 'Nothing was approved.'],
  attempt_underway: [
    exit.negative,
    'Another answer of this device is still being checked.',
    'Nothing was counted, and nothing was changed. Try again in a moment.',
  ],
  challenge_stale: [exit.negative, 'The request has changed since it was shown.', 'Nothing was approved. Try again.'],
  clock_skew: [exit.usage, 'The clock of this computer is wrong.', 'Nothing was sent. Set the clock, then try again.'],
  method_unavailable: [
    exit.negative,
    'This device cannot prove what the request asks for.',
    'Nothing was approved. Enroll a device with a PIN.',
  ],
  claim_unreadable: [
    exit.usage,
    'This is neither a code nor a link with one.',
    'It looks like http://localhost:3002/#c=… (quote it: a shell reads #).',
  ],
  claim_not_found: [
    exit.negative,
    'Nothing is offered under this code, or nothing any longer.',
    'Nothing was approved. Take the code that the screen shows now.',
  ],
  claim_taken: [
    exit.negative,
    'Another device has taken this already.',
    'Nothing was approved. If that was not you, start again at the other screen.',
  ],
  method_not_available: [
    exit.negative,
    'This device cannot answer what is asked.',
    'Nothing was approved. It may need a PIN, or belong to another application.',
  ],
  operation_not_found: [exit.negative, 'There is no such request for this device.', `See: ${assent} device inbox`],
  operation_decided: [exit.negative, 'The request was answered before.', 'That answer stays.'],
  operation_expired: [exit.negative, 'The request has expired.', 'Nothing was approved. It must be started again.'],
  operation_cancelled: [exit.negative, 'The request was withdrawn.', 'Nothing was approved.'],
  operation_failed: [
    exit.negative,
    'The request is closed: a number or PIN was wrong.',
    'Nothing was approved. It must be started again.',
  ],
  pin_unchanged: [exit.usage, 'The new PIN is the old one.', 'Nothing was changed. Choose another.'],
  pin_not_digits: [exit.usage, 'A PIN consists of digits.', 'Nothing was enrolled yet. Choose another.'],
  pin_too_long: [exit.usage, 'This PIN is too long.', 'Nothing was enrolled yet. At most 32 digits.'],
  pin_weak: [
    exit.usage,
    'This PIN is easy to guess.',
    'Nothing was enrolled yet. Choose one without rows, repeats, years and dates.',
  ],
};

export function explain(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof DeviceError) return explainDevice(error);
  if (error instanceof ManagementError) return explainManagement(error);
  if (isUnreachable(error)) {
    const advice = 'Is it running? `npm start` starts it. Nothing was changed.';
    return new CliError(exit.usage, 'network', `The server cannot be reached${addressIn(error)}.`, {
      advice,
      cause: error,
    });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CliError(exit.usage, 'unexpected', `This did not work: ${message}`, { cause: error });
}

function explainDevice(error: DeviceError): CliError {
  const { code, members } = error;
  if (code === 'attempt_failed') return attemptFailed(error);
  if (code === 'device_locked') return deviceLocked(error);
  if (code === 'pin_too_short') {
    const message = `The PIN is too short: it needs at least ${members.pin_length} digits.`;
    return new CliError(exit.usage, code, message, { advice: 'Nothing was enrolled yet. Choose another.' });
  }
  const [status, message, advice] = ofDevice[code] ?? [exit.negative, error.message, 'Nothing was approved.'];
  return new CliError(status, code, message, { advice, cause: error });
}

/** Not told which of PIN and number was wrong: nobody who guesses may learn that. */
function attemptFailed(error: DeviceError): CliError {
  const { attemptsLeft, lockIsImminent } = error;
  const closed = 'Nothing was approved, and the request is closed. It must be started again.';
  const kept = attemptsLeft ? `Nothing was approved. ${triesLeft(attemptsLeft)}` : closed;
  const advice = lockIsImminent ? `${kept} ${lastTry}` : kept;
  const message = 'The PIN or the number was not right.';
  const told = { attempts_left: attemptsLeft, ...(lockIsImminent && { lock_imminent: true }) };
  return new CliError(exit.negative, 'attempt_failed', message, { advice, ...told, cause: error });
}

export const lastTry = 'One more wrong answer locks this device; then it needs a new enrollment link.';

export const triesLeft = (count: number) => (count === 1 ? 'One try is left.' : `${count} tries are left.`);

function deviceLocked(error: DeviceError): CliError {
  const byAttempts = error.reason === 'attempts';
  const message = byAttempts ? 'This device is locked: there were too many wrong answers.' : 'This device is locked.';
  const advice = byAttempts
    ? `It can approve nothing any longer. ${newTicket}`
    : 'It can approve nothing until an operator unlocks it. Its keys are kept.';
  return new CliError(exit.negative, error.code, message, { advice, reason: error.reason, cause: error });
}

function explainManagement(error: ManagementError): CliError {
  const { status, code, message, traceId } = error;
  if (code === 'code_wrong') return codeWrong(error);
  const advice =
    status === 401
      ? 'The key is not one of this server. Give --key or set ASSENT_MANAGEMENT_KEY.'
      : status >= 500
        ? 'Whether it was done is not known: look before you try again.'
        : 'Nothing was changed.';
  return new CliError(exit.usage, code, message, { advice, ...(traceId && { trace_id: traceId }), cause: error });
}

function codeWrong({ code, attemptsLeft }: ManagementError): CliError {
  const advice = attemptsLeft
    ? `The new device still waits. ${triesLeft(attemptsLeft)}`
    : `The enrollment is over. For a new link: ${assent} ticket <user>`;
  const message = 'These are not the digits that the new device shows.';
  return new CliError(exit.negative, code, message, { advice, attempts_left: attemptsLeft });
}

function isUnreachable(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const isFetch = error instanceof TypeError && /fetch failed/.test(error.message);
  return isFetch || error.name === 'TimeoutError' || isUnreachable(error.cause);
}

/** ` at 127.0.0.1:3000`, where the system says to whom it tried to talk. */
function addressIn(error: Error): string {
  const cause = error.cause as { address?: string; port?: number; errors?: unknown[]; cause?: unknown } | undefined;
  if (!cause) return '';
  const { address, port } = (cause.errors?.[0] ?? cause) as { address?: string; port?: number };
  if (address === undefined) return cause instanceof Error ? addressIn(cause) : '';
  return ` at ${address.includes(':') ? `[${address}]` : address}:${port}`;
}
