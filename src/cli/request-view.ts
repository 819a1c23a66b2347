/** A request as the person sees it before answering: who, what, the text of the client marked as theirs, the number. */
import type { ChallengeView, PostContext } from '../device-sdk/index.ts';
import { documentLines } from './documents.ts';
import { duration, plain } from './text.ts';

const purposes: Record<string, string> = {
  authentication: 'asks to sign you in.',
  authorization: 'asks you to approve this.',
  signature: 'asks you to sign this.',
};

export function requestLines(view: ChallengeView): string[] {
  const { client, bindingMessage, context, transaction, origin, claimed, match } = view;
  const reported = [origin?.place, origin?.browser, origin?.os, origin?.ip].filter((part) => part !== undefined);
  return [
    '',
    `  ${plain(client.name)} ${purposes[view.purpose] ?? 'asks you to approve this.'}`,
    `  Registered as ${plain(client.id)}.`,
    ...(bindingMessage === undefined ? [] : ['', `  It says:   ${quoted(bindingMessage)}`]),
    // the server's own words
    ...(context === undefined ? [] : ['', ...context.text.split('\n').map((line) => `  ${plain(line)}`)]),
    ...transactionLines(transaction ?? {}),
    ...documentLines(view),
    ...(reported.length === 0 ? [] : [`  Reported by the service: ${plain(reported.join(', '))}`]),
    ...(claimed ? ['', '  It came of a code on another screen. Approve only if you opened that page yourself.'] : []),
    ...(match.options ? ['', `  Numbers:   ${match.options.map(plain).join('   ')}`] : []),
    '',
    `  Request ${view.op}, ${duration(view.expiresAt - Date.now() / 1000)} left`,
    '',
  ];
}

/** The sentences; the rest by name. The details as JSON are for the token: `--json` shows them. */
function transactionLines({ texts, authorization_details: _json, ...rest }: Record<string, unknown>): string[] {
  const sentences = Array.isArray(texts) ? texts.map((text) => `  ${plain(String(text))}`) : [];
  const members = Object.entries(rest).map(([name, value]) => `  ${plain(name)}: ${plain(String(value))}`);
  return [...sentences, ...members];
}

/** What the service has to say once it is done. */
export function afterLines(after: PostContext | undefined): string[] {
  if (!after) return [];
  const { title, text } = after;
  return [
    '',
    ...[...(title === undefined ? [] : [title]), ...text.split('\n')].map((line) => `  │ ${plain(line)}`),
    '',
  ];
}

export function requestDocument(view: ChallengeView) {
  const { op, kind, purpose, client, bindingMessage, document, context, transaction, origin, claimed, match, methods } =
    view;
  return {
    op,
    kind,
    purpose,
    client,
    binding_message: bindingMessage,
    document,
    context,
    transaction,
    origin,
    claimed,
    match,
    methods,
    expires_at: new Date(view.expiresAt * 1000).toISOString(),
  };
}

export function quoted(text: string): string {
  return `“${plain(text)}”`;
}
