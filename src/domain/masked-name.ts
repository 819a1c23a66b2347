import type { User } from './user.ts';

const hidden = '•••';

/**
 * Enough for the owner to see that the ticket is theirs, too little for a finder to learn whose it is: the first letter
 * of each word of the name, or of the user name or address.
 */
export function maskedName({
  name,
  username,
  email,
  phone,
}: Pick<User, 'name' | 'username' | 'email' | 'phone'>): string {
  if (name !== undefined) return name.split(/\s+/).filter(Boolean).slice(0, 3).map(masked).join(' ');
  if (username !== undefined) return masked(username);
  if (email !== undefined) return masked(email);
  return phone === undefined ? hidden : hidden + phone.slice(-2);
}

function masked(word: string): string {
  const [first = ''] = word;
  return first + hidden;
}
