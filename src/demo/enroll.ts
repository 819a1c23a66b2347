import {
  createManagementClient,
  type ManagementAccess,
  ManagementError,
  type ManagementTicket,
} from '../support/management-client.ts';

export type { ManagementAccess };

/**
 * A fresh enrollment link for the user of that name.
 *
 * @returns the authenticator's address with the ticket in its fragment, or undefined if there is no such user
 */
export async function enrollmentLink(access: ManagementAccess, named: string): Promise<string | undefined> {
  const management = createManagementClient(access);
  const user = await management.findUser(named).catch((error: unknown) => {
    // what cannot be a name names nobody
    if (error instanceof ManagementError && error.status === 400) return undefined;
    throw error;
  });
  if (!user) return undefined;
  const path = `/users/${user.id}/enrollment-tickets`;
  const ticket = await management.call<ManagementTicket>(path, { body: { application: 'assent-web' } });
  return ticket.ticket_uri;
}
