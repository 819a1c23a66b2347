import type { By } from './users.ts';

export interface NewTicket {
  userId: string;
  applicationId: string;
  /** 30 to 600; default from the configuration. */
  ttlSeconds?: number;
}

/** Shown once, stored nowhere: an operation of kind `registration` remembers only hashes. */
export interface Ticket {
  operationId: string;
  /** `<authenticator origin>/#t=<ticket>&k=<RFC 7638 thumbprint of the current box key>` */
  uri: string;
  /** 8 characters of Base32 (40 random bits) and a checksum character, grouped `XXXX-XXXX-X`. */
  activationCode: string;
  expiresAt: number;
}

export interface Tickets {
  /** @throws DomainError user_not_found | application_not_found | state_conflict (user not active) | invalid_request (ttl) */
  create(ticket: NewTicket, by: By): Promise<Ticket>;
  /** The registration operation behind a ticket's text, whatever its state; undefined for what is no ticket of ours. */
  operationIdOf(ticket: string): string | undefined;
  /**
   * The pending registration that an activation code of this user opens; reserves a try first. Unknown user, no ticket
   * and wrong code are one answer.
   * @throws DomainError ticket_invalid | rate_limited
   */
  byActivationCode(user: string, code: string, address: string): Promise<string>;
}
