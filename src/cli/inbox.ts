/** What waits for a device, and waiting for it. */

import type { ChallengeView, Device, InboxEvent } from '../device-sdk/index.ts';
import { codeOf } from '../device-sdk/index.ts';
import { assent } from './command-name.ts';
import { negative, usage } from './errors.ts';
import { showProgress } from './progress.ts';
import { quoted } from './request-view.ts';
import type { Terminal } from './terminal.ts';
import { duration, plain } from './text.ts';

/** Every request that can still be answered, soonest to expire first. */
export async function pendingRequests(device: Device): Promise<ChallengeView[]> {
  const { operations } = await device.inbox();
  const views = await Promise.all(operations.map(({ op }) => device.present(op).catch(unlessClosed)));
  return views.filter((view) => view !== undefined).sort((a, b) => a.expiresAt - b.expiresAt);
}

/**
 * The request to answer: the named one, else the only one; where there is none yet, the first that arrives.
 *
 * @throws CliError nothing_to_answer | several_requests
 */
export async function requestToAnswer(
  device: Device,
  { op, waitSeconds, quiet }: { op?: string; waitSeconds: number; quiet: boolean },
  terminal: Terminal,
): Promise<ChallengeView> {
  if (op !== undefined) return device.present(op);
  const [first, ...others] = await pendingRequests(device);
  if (first && others.length === 0) return first;
  if (first) return chooseOne([first, ...others], terminal);
  const arrived = waitSeconds > 0 ? await waitForRequest(device, { waitSeconds, quiet }, terminal) : undefined;
  if (arrived !== undefined) return device.present(arrived);
  const waited = waitSeconds > 0 ? ` Nothing came in ${duration(waitSeconds)}.` : '';
  throw negative('nothing_to_answer', `There is nothing to answer.${waited}`, {
    advice: `The device stays enrolled. To test it, start a sign-in: ${assent} ciba login --client demo-helpdesk --hint alice`,
  });
}

async function chooseOne(views: ChallengeView[], terminal: Terminal): Promise<ChallengeView> {
  const lines = views.map((view, i) => `  ${i + 1}  ${summary(view)}  ${view.op}`);
  if (!terminal.interactive) {
    const advice = `Name one of them:\n${lines.join('\n')}`;
    throw usage('several_requests', `${views.length} requests wait.`, {
      advice,
      operations: views.map(({ op }) => op),
    });
  }
  terminal.say(`${views.length} requests wait:\n${lines.join('\n')}`);
  for (;;) {
    const chosen = views[Number(await terminal.ask('Which one? ')) - 1];
    if (chosen) return chosen;
    terminal.say(`Enter a number from 1 to ${views.length}.`);
  }
}

export function summary({ client, bindingMessage }: ChallengeView): string {
  return plain(client.name) + (bindingMessage === undefined ? '' : `: ${quoted(bindingMessage)}`);
}

/** On the event stream, so that it is there at once. */
async function waitForRequest(
  device: Device,
  { waitSeconds, quiet }: { waitSeconds: number; quiet: boolean },
  terminal: Terminal,
): Promise<string | undefined> {
  const progress = quiet
    ? undefined
    : showProgress(
        terminal,
        (elapsed) => `Nothing to answer yet. Waiting for a request … ${elapsed} of ${waitSeconds} s`,
      );
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), waitSeconds * 1000);
  let found: string | undefined;
  const onEvent = (event: InboxEvent) => {
    const op = event.event === 'operation' ? event.op : event.event === 'inbox' ? event.operations[0]?.op : undefined;
    if (op === undefined) return;
    found ??= op;
    over.abort();
  };
  try {
    await device.events(onEvent, { signal: over.signal });
    return found;
  } finally {
    clearTimeout(timer);
    progress?.stop();
  }
}

const closedCodes = [
  'operation_not_found',
  'operation_decided',
  'operation_expired',
  'operation_cancelled',
  'operation_failed',
];

/** Answered elsewhere between two calls: not here any longer, and no failure. */
export function unlessClosed(error: unknown): undefined {
  if (closedCodes.includes(codeOf(error) ?? '')) return undefined;
  throw error;
}
