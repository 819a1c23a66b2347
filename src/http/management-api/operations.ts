import type { Operations } from '../../domain/operations.ts';
import type { Clock } from '../../support/clock.ts';
import type { ManagementRoute } from './call.ts';
import { operationDocument } from './documents.ts';

interface Parts {
  operations: Pick<Operations, 'get'>;
  clock: Clock;
}

/** What became of a request, for who runs the server. What it said is between the client, the person and the evidence. */
export function operationRoutes({ operations, clock }: Parts): ManagementRoute[] {
  return [
    {
      method: 'GET',
      path: '/operations/{id}',
      operationId: 'getOperation',
      summary: 'See what became of an operation',
      description:
        'Who was asked by whom, and who answered with which device, how. The text that the person saw is not part of it.',
      tag: 'operations',
      scope: 'operations:read',
      responses: { 200: { description: 'The operation.', schema: 'Operation' } },
      problems: { 404: 'No such operation, or its record has been deleted.' },
      handle: async ({ params }) => ({
        status: 200,
        body: operationDocument(await operations.get(params.id!), clock()),
      }),
    },
  ];
}
