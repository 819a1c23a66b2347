/** What the demo asks of the management API, with the development key: a ticket for a user named by user name. */
export interface ManagementAccess {
  url: string;
  key: string;
}

/**
 * A fresh enrollment link for `username`.
 *
 * @returns the authenticator's address with the ticket in its fragment, or undefined if there is no such user
 */
export async function enrollmentLink(management: ManagementAccess, username: string): Promise<string | undefined> {
  const ask = (path: string, body?: unknown) =>
    fetch(new URL(`/management/v1${path}`, management.url), {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${management.key}`, 'content-type': 'application/json' },
      body: body ? JSON.stringify(body) : null,
      // The listener is in this process; a second is plenty, and a page must not hang.
      signal: AbortSignal.timeout(5_000),
    });
  const found = await ask(`/users?username=${encodeURIComponent(username)}`);
  // what cannot be a user name names nobody
  if (found.status === 400) return undefined;
  const { items } = (await documentOf(found)) as { items: { id: string }[] };
  const user = items[0];
  if (!user) return undefined;
  const ticket = await documentOf(await ask(`/users/${user.id}/enrollment-tickets`, { application: 'assent-web' }));
  return String(ticket.ticket_uri);
}

async function documentOf(response: Response): Promise<Record<string, unknown>> {
  if (!response.ok) throw new Error(`management API: ${response.status} for ${new URL(response.url).pathname}`);
  return (await response.json()) as Record<string, unknown>;
}
