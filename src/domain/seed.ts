import { DomainError } from './errors.ts';
import { bySystem } from './new-event.ts';
import type { NewUser, Users } from './users.ts';

/**
 * Creates the users of the development configuration that do not exist yet. One whom somebody changed since, or whose
 * other identifiers another user has by now, is left alone: a start never undoes what people did.
 *
 * @returns user names that were created
 */
export async function seedUsers(
  users: Pick<Users, 'find' | 'create'>,
  wanted: (NewUser & { username: string })[],
): Promise<string[]> {
  const created: string[] = [];
  for (const user of wanted) {
    if (await users.find('username', user.username)) continue;
    if (await isCreated(users, user)) created.push(user.username);
  }
  return created;
}

async function isCreated(users: Pick<Users, 'create'>, user: NewUser): Promise<boolean> {
  try {
    await users.create(user, bySystem);
    return true;
  } catch (error) {
    if (error instanceof DomainError && error.code === 'identifier_taken') return false;
    throw error;
  }
}
