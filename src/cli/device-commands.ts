/** `assent device …`: the software authenticator. */

import type { ChallengeView, Device, InboxEvent, Notice } from '../device-sdk/index.ts';
import { approve, type Given, type Reason } from './answer.ts';
import { assent } from './command-name.ts';
import { type DeviceOption, type EnrollOptions, enroll, openEnrolled } from './device.ts';
import { readDocument } from './documents.ts';
import { pendingRequests, requestToAnswer, summary, unlessClosed } from './inbox.ts';
import { noticeLines } from './notices.ts';
import { afterLines, requestDocument, requestLines } from './request-view.ts';
import type { Run } from './run.ts';
import { duration, fields, plain, table } from './text.ts';

type Common = DeviceOption & { json?: boolean };

export async function enrollCommand({ terminal, result }: Run, address: string | undefined, options: EnrollOptions) {
  const { device, file, replaced, postContext } = await enroll(address, options, terminal);
  const { deviceId, display, issuer } = device;
  const { masked_user: user, application } = display;
  result({ device_id: deviceId, issuer, user, application, file, replaced, post_context: postContext }, [
    `This computer is now a device of ${plain(user)} at ${plain(display.issuer)}.`,
    ...fields({ device: deviceId, keys: file, 'in place of': replaced }),
    ...afterLines(postContext),
    `Answer requests with: ${assent} device approve${sameDevice(options)}`,
  ]);
}

export async function statusCommand({ terminal, result }: Run, options: Common) {
  const enrolled = await openEnrolled(options, terminal);
  const { device } = await enrolled.status();
  const { issuer, display } = enrolled;
  const { id, state, reason, methods, name } = device;
  const shown = { device: id, name, state, reason, methods: methods.join(', '), user: display.masked_user, issuer };
  result({ device_id: id, name, state, reason, methods, user: display.masked_user, issuer }, fields(shown, ''));
}

export async function inboxCommand({ terminal, result }: Run, options: Common) {
  const device = await openEnrolled(options, terminal);
  const { notices } = await device.inbox();
  const views = await pendingRequests(device);
  const now = Date.now() / 1000;
  const rows = views.map((view) => ({
    request: view.op,
    left: duration(view.expiresAt - now),
    'who asks, for what': summary(view),
  }));
  result({ operations: views.map(requestDocument), notices }, [
    ...notices.flatMap(noticeLines),
    ...(rows.length === 0 ? ['Nothing to answer.'] : table(rows)),
  ]);
}

/** What another screen offers becomes a request of this device; answered like any other. */
export async function claimCommand({ terminal, result }: Run, link: string, options: Common) {
  const device = await openEnrolled(options, terminal);
  const view = await device.claim(link);
  const number = view.match.mode === 'none' ? '' : ' --match <the number on that screen>';
  result(requestDocument(view), [
    ...requestLines(view),
    `Only if you have that screen before you: ${assent} device approve ${view.op}${number}${sameDevice(options)}`,
    `Otherwise: ${assent} device deny ${view.op} --reason not_me${sameDevice(options)}`,
  ]);
}

export async function dismissCommand({ terminal, result }: Run, options: Common) {
  const device = await openEnrolled(options, terminal);
  const { notices } = await device.inbox();
  for (const { id } of notices) await device.dismissNotice(id);
  result({ dismissed: notices.map(({ id }) => id) }, [`${notices.length} notices are put away.`]);
}

export async function revokeCommand({ terminal, result }: Run, other: string, options: Common) {
  const device = await openEnrolled(options, terminal);
  await device.revoke(other);
  result({ device_id: other, state: 'deactivated' }, [`Device ${other} can answer nothing any longer.`]);
}

interface AnswerOptions extends Common {
  wait?: number;
  /** Where the document of the request is to be written. */
  document?: string;
}

export async function approveCommand(run: Run, op: string | undefined, options: AnswerOptions & Given) {
  const { device, view } = await shown(run, op, options);
  await readDocument(device, view, { terminal: run.terminal, out: options.document, quiet: run.json });
  const { state, postContext } = await approve(device, view, options, run.terminal);
  run.result({ op: view.op, state, post_context: postContext }, [
    `Approved. ${plain(view.client.name)} now sees that ${approvedAs[view.purpose] ?? 'it is you'}.`,
    ...afterLines(postContext),
  ]);
}

export async function denyCommand(run: Run, op: string | undefined, options: AnswerOptions & { reason?: Reason }) {
  const { device, view } = await shown(run, op, options);
  const { reason } = options;
  const { state } = await device.decide(view, { decision: 'deny', reason });
  const seen = reason ? deniedAs[reason] : 'you refused';
  run.result({ op: view.op, state, reason }, [`Denied. ${plain(view.client.name)} now sees that ${seen}.`]);
}

const approvedAs: Record<string, string> = {
  authorization: 'you approved this',
  signature: 'you signed this',
  enrollment: 'you approved this',
};

const deniedAs: Record<Reason, string> = {
  not_me: 'you did not start this',
  incorrect_data: 'something in the request is not right',
  cancelled: 'you changed your mind',
};

/** For advice: what is to be done next is to be done by the same device. */
const sameDevice = ({ device }: DeviceOption) =>
  device === undefined || device === 'default' ? '' : ` --device ${device}`;

/** Nothing is answered before it was shown. */
async function shown(
  { terminal, json }: Run,
  op: string | undefined,
  options: AnswerOptions,
): Promise<{ device: Device; view: ChallengeView }> {
  const device = await openEnrolled(options, terminal);
  const waitSeconds = options.wait ?? (json ? 0 : 60);
  const view = await requestToAnswer(device, { op, waitSeconds, quiet: json }, terminal);
  if (!json) for (const line of requestLines(view)) terminal.print(line);
  return { device, view };
}

/** Every request and what becomes of it, until Ctrl+C or for `--wait` seconds. */
export async function watchCommand({ terminal, json, line }: Run, options: AnswerOptions) {
  const device = await openEnrolled(options, terminal);
  const over = new AbortController();
  const timer = options.wait === undefined ? undefined : setTimeout(() => over.abort(), options.wait * 1000);
  const stop = () => over.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const told = new Set<string>();
  const tell = async (op: string) => {
    if (told.has(op)) return;
    told.add(op);
    const view = await device.present(op).catch(unlessClosed);
    if (!view) return;
    const same = `${op}${sameDevice(options)}`;
    const answer = `  Answer: ${assent} device approve ${same}   or   ${assent} device deny ${same}`;
    line({ event: 'operation', ...requestDocument(view) }, [...requestLines(view), answer]);
  };
  const tellNotice = (notice: Notice) => {
    if (told.has(notice.id)) return;
    told.add(notice.id);
    line({ event: 'notice', notice }, noticeLines(notice));
  };
  const onEvent = async (event: InboxEvent) => {
    if (event.event === 'inbox') {
      for (const notice of event.notices) tellNotice(notice);
      for (const { op } of event.operations) await tell(op);
    } else if (event.event === 'notice') tellNotice(event.notice);
    else if (event.event === 'operation') await tell(event.op);
    else if (event.event === 'closed') line({ ...event }, [`Request ${event.op} is closed: ${event.state}.`]);
    else line({ ...event }, [`This device is ${event.state}.`]);
  };
  if (!json) terminal.say(`Watching for ${plain(device.display.masked_user)}. Stop with Ctrl+C.`);
  try {
    await device.events(onEvent, { signal: over.signal });
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

export async function unenrollCommand({ terminal, result }: Run, options: Common) {
  const device = await openEnrolled(options, terminal);
  await device.unenroll();
  result({ device_id: device.deviceId, state: 'deactivated' }, [
    `Device ${device.deviceId} is no longer enrolled. Its keys are erased.`,
  ]);
}
