/** What goes over the wire between this command and the server, as far as a person may see it. */
import type { CustomFetch } from 'openid-client';

export interface Exchange {
  method: string;
  url: string;
  /** Of the form, and how the client proved who it is; secrets masked. */
  sent: Record<string, string>;
  status: number;
  /** JSON members; tokens masked. */
  received: Record<string, unknown>;
}

const secretMembers = ['client_secret', 'client_assertion', 'access_token', 'id_token', 'refresh_token'];
const mask = '••••••';

/** Enough to recognize it, not enough to use it. */
export function masked(secret: string): string {
  return secret.length > 24 ? `${secret.slice(0, 6)}${mask}` : mask;
}

/** A fetch that shows each exchange after it has happened. Nothing is changed on the way. */
export function shownFetch(show: (exchange: Exchange) => void): CustomFetch {
  return async (url, options) => {
    const response = await fetch(url, options as RequestInit);
    const text = await response.clone().text();
    const { method, headers, body } = options;
    show({ method, url, sent: sentOf(headers, body), status: response.status, received: receivedOf(text) });
    return response;
  };
}

function sentOf(headers: Record<string, string>, body: unknown): Record<string, string> {
  const authorization = new Headers(headers).get('authorization');
  const form = body instanceof URLSearchParams || typeof body === 'string' ? new URLSearchParams(body) : [];
  return maskedMembers({
    ...(authorization && { authorization: withoutSecret(authorization) }),
    ...Object.fromEntries([...form].map(([name, value]) => [name, name === 'document' ? shortened(value) : value])),
  });
}

/** A document goes on for pages. */
function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 100)}… (${text.length} characters)` : text;
}

/** Basic: the client's name may be read, its secret not (RFC 6749, section 2.3.1). */
function withoutSecret(authorization: string): string {
  const [scheme = '', value = ''] = authorization.split(' ');
  if (scheme.toLowerCase() !== 'basic') return `${scheme} ${masked(value)}`;
  const [id = ''] = Buffer.from(value, 'base64').toString().split(':');
  return `Basic ${decodeURIComponent(id)}:${mask}`;
}

function receivedOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? maskedMembers(value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function maskedMembers<T extends Record<string, unknown>>(members: T): T {
  const entries = Object.entries(members).map(([name, value]) => [
    name,
    secretMembers.includes(name) ? masked(String(value)) : value,
  ]);
  return Object.fromEntries(entries) as T;
}
