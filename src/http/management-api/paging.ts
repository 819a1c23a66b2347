import type { Page } from '../../domain/ports/users.ts';
import { type Secrets, sameText } from '../../support/secrets.ts';
import { invalidRequest } from '../problem.ts';
import type { Schema } from '../route.ts';

export const pageQuery = {
  limit: {
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
    description: 'How many at most.',
  },
  cursor: { type: 'string', minLength: 1, maxLength: 512, description: '`next_cursor` of the page before.' },
} satisfies Record<string, Schema & { description: string }>;

const DEFAULT_LIMIT = 50;
const MAC_LENGTH = 22;

/**
 * Cursors are the store's own, with a MAC: one that was made up, cut off or taken from another list never reaches the
 * store and is a 400, the same with every store.
 */
export function createPaging(secrets: Secrets) {
  const macOf = (list: string, cursor: string) => secrets.hmac('cursor', `${list}\0${cursor}`).slice(0, MAC_LENGTH);
  return {
    /** @throws DomainError invalid_request */
    pageOf(list: string, query: Record<string, unknown>): Page {
      const { limit = DEFAULT_LIMIT, cursor } = query as { limit?: number; cursor?: string };
      if (cursor === undefined) return { limit };
      const [mac, text] = [cursor.slice(0, MAC_LENGTH), cursor.slice(MAC_LENGTH)];
      if (sameText(mac, macOf(list, text))) return { limit, cursor: text };
      throw invalidRequest([{ name: 'cursor', reason: 'must be the next_cursor of a former answer' }]);
    },
    listDocument<T, D>(list: string, page: { items: T[]; nextCursor?: string }, documentOf: (item: T) => D) {
      const { items, nextCursor } = page;
      const next = nextCursor === undefined ? null : macOf(list, nextCursor) + nextCursor;
      return { items: items.map(documentOf), next_cursor: next };
    },
  };
}

export type Paging = ReturnType<typeof createPaging>;
