import type { KeyRing } from '../../domain/key-ring.ts';
import type { ManagementRoute } from './call.ts';

export interface MasterKeyRoutesDeps {
  keyRing: Pick<KeyRing, 'status' | 'rotate' | 'forget' | 'reload'>;
}

const tag = 'keys';
const theMasterKeys = { description: 'Slots and generations as they are now.', schema: 'MasterKeys' };

/** How a master key is replaced: docs/keys.md. */
export function masterKeyRoutes({ keyRing }: MasterKeyRoutesDeps): ManagementRoute[] {
  const document = () => {
    const { inUse, slots, generations } = keyRing.status();
    return {
      in_use: inUse,
      slots: slots.map(({ id, createdAt }) => ({ id, created_at: instant(createdAt) })),
      generations: generations.map(({ id, createdAt, sealsFrom }) => ({
        id,
        created_at: instant(createdAt),
        // the first one has always sealed
        seals_from: instant(Math.max(sealsFrom, createdAt)),
      })),
    };
  };
  return [
    {
      method: 'GET',
      path: '/keys/master',
      operationId: 'listMasterKeys',
      summary: 'List the master keys that open the store',
      description: 'By their ids, which say nothing about them.',
      tag,
      scope: 'keys:read',
      responses: { 200: theMasterKeys },
      async handle() {
        await keyRing.reload();
        return { status: 200, body: document() };
      },
    },
    {
      method: 'POST',
      path: '/keys/master/rotate',
      operationId: 'rotateMasterKeys',
      summary: 'Seal what is new under new key material',
      description:
        'Makes a new generation of the root, which every process uses some seconds later. What was sealed before stays readable. Needs to know every master key that opens the store: forget the others first.',
      tag,
      scope: 'keys:write',
      responses: { 200: theMasterKeys },
      problems: { 409: 'The store has a slot of a master key that this server was not started with.' },
      async handle({ by }) {
        await keyRing.rotate(by);
        return { status: 200, body: document() };
      },
    },
    {
      method: 'DELETE',
      path: '/keys/master/slots/{id}',
      operationId: 'forgetMasterKey',
      summary: 'Forget a former master key',
      description: 'It opens the store no longer: a server that is started with it alone is refused.',
      tag,
      scope: 'keys:write',
      responses: { 200: theMasterKeys },
      problems: {
        404: 'No master key with this id opens the store.',
        409: 'It is the one that this server was started with.',
      },
      async handle({ params, by }) {
        await keyRing.forget(params['id']!, by);
        return { status: 200, body: document() };
      },
    },
  ];
}

const instant = (at: number) => new Date(at).toISOString();
