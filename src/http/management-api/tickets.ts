import QRCode from 'qrcode';
import type { Applications } from '../../domain/applications.ts';
import { DomainError } from '../../domain/errors.ts';
import type { Operation } from '../../domain/operation.ts';
import type { Operations } from '../../domain/operations.ts';
import type { PostContext } from '../../domain/post-context.ts';
import type { TicketConfirmation } from '../../domain/ticket-confirmation.ts';
import type { Tickets } from '../../domain/tickets.ts';
import type { Clock } from '../../support/clock.ts';
import { JSON_TYPES, type ManagementRoute } from './call.ts';
import { ticketDocument, ticketStatusDocument } from './documents.ts';

export interface TicketRoutesDeps {
  tickets: Pick<Tickets, 'create'>;
  ticketConfirmation: TicketConfirmation;
  operations: Pick<Operations, 'get'>;
  applications: Applications;
  clock: Clock;
}

const tag = 'enrollment-tickets';

export function ticketRoutes(deps: TicketRoutesDeps): ManagementRoute[] {
  const { tickets, ticketConfirmation, operations, applications, clock } = deps;
  return [
    {
      method: 'POST',
      path: '/users/{id}/enrollment-tickets',
      operationId: 'createEnrollmentTicket',
      summary: 'Create a ticket that enrolls one device of the user',
      description: 'Whoever redeems it can approve as this person: give it only to somebody whom you have recognised.',
      tag,
      scope: 'tickets:write',
      creates: true,
      body: { schema: 'NewTicket', types: JSON_TYPES, required: false },
      responses: {
        201: {
          description: 'The ticket, shown this once.',
          schema: 'Ticket',
          headers: { location: 'Where its state is found.' },
        },
      },
      problems: { 404: 'No such user or application.', 409: 'The user or the application is not active.' },
      async handle({ params, body, by }) {
        const { application, ttl_seconds: ttlSeconds, post_context: postContext } = body as NewTicketBody;
        const applicationId = application ?? firstActive(applications);
        const ticket = await tickets.create({ userId: params.id!, applicationId, ttlSeconds, postContext }, by);
        // M: still readable from a screen with a scratch, and small enough for old cameras
        const qrSvg = await QRCode.toString(ticket.uri, { type: 'svg', errorCorrectionLevel: 'M' });
        const location = `/management/v1/users/${params.id}/enrollment-tickets/${ticket.operationId}`;
        const confirm = applications.find(applicationId)?.enrollment?.confirm ?? 'off';
        return { status: 201, headers: { location }, body: { ...ticketDocument(ticket, qrSvg), confirm } };
      },
    },
    {
      method: 'GET',
      path: '/users/{id}/enrollment-tickets/{operation_id}',
      operationId: 'getEnrollmentTicket',
      summary: 'See what became of a ticket',
      tag,
      scope: 'tickets:read',
      responses: { 200: { description: 'Its state, without its secret.', schema: 'TicketStatus' } },
      problems: { 404: 'No such ticket of this user.' },
      async handle({ params }) {
        const operation = await operations.get(params.operation_id!);
        requireTicketOf(operation, params.id!);
        return { status: 200, body: ticketStatusDocument(operation, clock()) };
      },
    },
    {
      method: 'POST',
      path: '/users/{id}/enrollment-tickets/{operation_id}/confirm',
      operationId: 'confirmEnrollmentTicket',
      summary: 'Type the six digits that the new device shows',
      description:
        'The device becomes active with its next message. The third wrong try ends the enrollment. Repeating it once the digits were right changes nothing.',
      tag,
      scope: 'tickets:write',
      body: { schema: 'TicketConfirmation', types: JSON_TYPES, required: true },
      responses: { 200: { description: 'The ticket’s state.', schema: 'TicketStatus' } },
      problems: {
        403: 'The digits are wrong (`code_wrong`, with `attempts_left`).',
        404: 'No such ticket of this user.',
        409: 'The ticket is over, no device shows digits yet, or none are asked for.',
      },
      async handle({ params, body, by }) {
        const { code } = body as { code: string };
        const asked = { userId: params.id!, operationId: params.operation_id!, code };
        return { status: 200, body: ticketStatusDocument(await ticketConfirmation.confirm(asked, by), clock()) };
      },
    },
  ];
}

interface NewTicketBody {
  application?: string;
  ttl_seconds?: number;
  post_context?: PostContext;
}

function firstActive(applications: Applications): string {
  const application = applications.list().find(({ active }) => active);
  if (!application) throw new DomainError('application_not_found');
  return application.id;
}

function requireTicketOf({ kind, userId }: Operation, id: string): void {
  if (kind !== 'registration' || userId !== id) throw new DomainError('operation_not_found');
}
