import type { EnrollmentSource } from '../device-sdk/index.ts';
import { usage } from './errors.ts';

const deadlineMs = 10_000;
const maxRedirects = 5;
const link = /https?:\/\/[^\s"'<>#]*#[^\s"'<>]*\bt=[^\s"'<>]+/;
const code = /^[0-9A-Za-z]{4}[- ]?[0-9A-Za-z]{4}[- ]?[0-9A-Za-z]$/;

/**
 * What to enroll with, from what a person has: a ticket link, anything that contains one (what `assent ticket` prints), an
 * address that leads to one (`/demo/enroll?user=alice`), or an activation code.
 *
 * @throws CliError ticket_unreadable | user_missing
 */
export async function enrollmentSource(
  text: string,
  { user, authenticator }: { user?: string; authenticator: () => Promise<string> },
): Promise<EnrollmentSource> {
  const [found] = link.exec(text) ?? [];
  if (found) return found;
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return followToLink(new URL(text));
  if (!code.test(text)) throw unreadable(`${text} is neither an enrollment link nor an activation code.`);
  if (user === undefined) {
    const advice = 'Add --user with your user name, e-mail address or phone number.';
    throw usage('user_missing', 'An activation code needs to know whose it is.', { advice });
  }
  return { authenticatorUrl: await authenticator(), user, activationCode: text };
}

/** A browser would follow the redirects and keep the fragment to itself, so they are followed by hand. */
async function followToLink(start: URL): Promise<string> {
  let url = start;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(deadlineMs) });
    const location = response.headers.get('location');
    const refusal = location ? '' : await refusalIn(response);
    await response.body?.cancel().catch(() => undefined);
    if (!location || !URL.canParse(location, url.href))
      throw unreadable(`${start} leads to no enrollment link${refusal}.`);
    url = new URL(location, url);
    if (link.test(url.href)) return url.href;
  }
  throw unreadable(`${start} leads to no enrollment link.`);
}

async function refusalIn(response: Response): Promise<string> {
  if (!response.headers.get('content-type')?.includes('problem+json')) return ` (it answered ${response.status})`;
  const { detail } = (await response.json().catch(() => ({}))) as { detail?: unknown };
  return typeof detail === 'string' ? `: ${detail.replace(/\.$/, '')}` : ` (it answered ${response.status})`;
}

function unreadable(message: string) {
  const advice =
    'Nothing was changed. A link looks like http://localhost:3002/#t=…&k=… (quote it: a shell reads # and &).';
  return usage('ticket_unreadable', message, { advice });
}
