import type { PublicServerKey, RotateSigning, ServerKeys } from '../../domain/server-keys.ts';
import { JSON_TYPES, type ManagementRoute } from './call.ts';

export interface KeyRoutesDeps {
  serverKeys: Pick<ServerKeys, 'publicKeys' | 'rotateSigning'>;
}

const tag = 'keys';
const theKeys = { description: 'All keys, those of ID tokens first, newest first; a single page.', schema: 'KeyList' };
const uses = ['oidc', 'seal'] as const;

export function keyRoutes({ serverKeys }: KeyRoutesDeps): ManagementRoute[] {
  const list = () => ({ items: uses.flatMap((use) => serverKeys.publicKeys(use)).map(keyDocument), next_cursor: null });
  return [
    {
      method: 'GET',
      path: '/keys',
      operationId: 'listKeys',
      summary: 'List the keys that sign',
      description: 'Their public halves, and where each is in its life.',
      tag,
      scope: 'keys:read',
      responses: { 200: theKeys },
      handle: async () => ({ status: 200, body: list() }),
    },
    {
      method: 'POST',
      path: '/keys/rotate',
      operationId: 'rotateKeys',
      summary: 'Replace the keys that sign',
      description:
        'Successors are published now and sign when relying parties (or devices) have had time to see them. Repeating it while they wait changes nothing. After a loss, `revoke` takes the former keys back at once.',
      tag,
      scope: 'keys:write',
      body: { schema: 'KeyRotation', types: JSON_TYPES, required: false },
      responses: { 200: theKeys },
      async handle({ body, by }) {
        await serverKeys.rotateSigning(body as RotateSigning, by);
        return { status: 200, body: list() };
      },
    },
  ];
}

function keyDocument({ kid, use, alg, state, jwk, createdAt, activatesAt, retiredAt }: PublicServerKey) {
  const instant = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString());
  return {
    kid,
    use,
    alg,
    state,
    jwk,
    created_at: instant(createdAt),
    activates_at: state === 'next' ? instant(activatesAt) : null,
    retired_at: instant(retiredAt),
  };
}
