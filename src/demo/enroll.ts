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
  const call = async (path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(new URL(`/management/v1${path}`, management.url), {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${management.key}`, 'content-type': 'application/json' },
      body: body ? JSON.stringify(body) : null,
      // The listener is in this process; a second is plenty, and a page must not hang.
      signal: AbortSignal.timeout(5_000),
    });
    if (!response.ok) throw new Error(`management API: ${response.status} for ${path}`);
    return (await response.json()) as Record<string, unknown>;
  };
  const { items } = (await call(`/users?username=${encodeURIComponent(username)}`)) as { items: { id: string }[] };
  const user = items[0];
  if (!user) return undefined;
  const ticket = await call(`/users/${user.id}/enrollment-tickets`, { application: 'assent-web' });
  return String(ticket.ticket_uri);
}
