/**
 * A document that a person is asked to agree to or to sign. Its title, its kind and its hash stand in the signed context; its content
 * lies apart, sealed under the operation's own key, and is fetched apart (documents.ts). What is known by its hash alone is shown as
 * such (device-protocol, section 4).
 */
import { sha256Base64url } from '../support/bytes.ts';
import { isJsonObject, type JsonObject } from '../support/strict-json.ts';
import { blank, unshowable } from './binding-message.ts';
import { DomainError } from './errors.ts';

/** `text`: shown where the request is shown. `file`: opened apart. `external`: only its hash is known here. */
export type DocumentDisplay = 'text' | 'file' | 'external';

/** As it stands in `ctx`. */
export interface ShownDocument {
  /** One line, in the client's words. */
  title: string;
  mime: string;
  /** Base64url SHA-256 of the content. */
  sha256: string;
  /** In bytes; absent where the content is not here. */
  size?: number;
  display: DocumentDisplay;
}

export interface Document {
  shown: ShownDocument;
  /** Absent with `external`. */
  content?: Buffer;
}

export interface DocumentLimits {
  /** Of the content. */
  maxBytes: number;
}

/** In code points. */
export const maxTitle = 120;
const maxMime = 100;

/** What a device can show or hand over. Nothing that brings a program along: no HTML, no SVG. */
const displays: Record<string, Exclude<DocumentDisplay, 'external'>> = {
  'text/plain': 'text',
  'application/pdf': 'file',
  'image/png': 'file',
  'image/jpeg': 'file',
};
export const documentTypes: readonly string[] = Object.keys(displays);

const members = ['title', 'mime', 'content', 'content_sha256'];
const mimeForm = /^[a-z0-9][\w.+-]*\/[a-z0-9][\w.+-]*$/;
const base64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * Reads `{title, mime, content | content_sha256}`. `content` is the text itself for `text/plain` and base64 or base64url for all
 * others; `content_sha256` is base64url.
 *
 * @param name of the member that holds it, for `invalid_params`
 * @throws DomainError invalid_request, members.invalid_params
 */
export function readDocument(value: unknown, { maxBytes }: DocumentLimits, name = 'document'): Document {
  if (!isJsonObject(value)) throw problem(name, 'must be an object with title, mime, and content or content_sha256');
  const unknown = Object.keys(value).find((member) => !members.includes(member));
  if (unknown !== undefined) throw problem(`${name}.${unknown}`, 'is not a member of a document');
  const title = titleIn(value, name);
  const { content, content_sha256: hash } = value;
  if ((content === undefined) === (hash === undefined)) {
    throw problem(`${name}.content`, 'either this or content_sha256 must be there');
  }
  return hash === undefined
    ? withContent(value, title, { maxBytes, name })
    : { shown: { title, mime: mimeIn(value, name), sha256: hashIn(value, name), display: 'external' } };
}

function withContent(
  value: JsonObject,
  title: string,
  { maxBytes, name }: DocumentLimits & { name: string },
): Document {
  const mime = mimeIn(value, name);
  const display = displays[mime];
  if (!display) throw problem(`${name}.mime`, `must be one of ${documentTypes.join(', ')}`);
  const text = value['content'];
  if (typeof text !== 'string' || text === '') throw problem(`${name}.content`, 'must be a text that is not empty');
  const content = display === 'text' ? plainText(text, name) : decoded(text, name);
  if (content.length > maxBytes) throw problem(`${name}.content`, `must have at most ${maxBytes} bytes`);
  return { shown: { title, mime, sha256: sha256Base64url(content), size: content.length, display }, content };
}

function titleIn({ title }: JsonObject, name: string): string {
  // a code point has at most two UTF-16 units: what is far too long is not walked through
  const isText = typeof title === 'string' && title.length <= 2 * maxTitle && [...title].length <= maxTitle;
  if (!isText || blank.test(title)) throw problem(`${name}.title`, `must have 1 to ${maxTitle} characters`);
  if (unshowable.test(title)) throw problem(`${name}.title`, 'must not have control, format or broken characters');
  return title;
}

function mimeIn({ mime }: JsonObject, name: string): string {
  const isType = typeof mime === 'string' && mime.length <= maxMime && mimeForm.test(mime);
  if (!isType) throw problem(`${name}.mime`, 'must be a media type in lower case, without parameters');
  return mime;
}

function hashIn({ content_sha256: hash }: JsonObject, name: string): string {
  const bytes = typeof hash === 'string' ? Buffer.from(hash, 'base64url') : undefined;
  if (bytes?.length !== 32 || bytes.toString('base64url') !== hash) {
    throw problem(`${name}.content_sha256`, 'must be the base64url SHA-256 of the content');
  }
  return hash;
}

/** Lines and tabs are fine; what hides, reorders or breaks what is read is not, as in a binding message. */
function plainText(text: string, name: string): Buffer {
  const shown = text.replace(/\r?\n|\t/g, '');
  if (unshowable.test(shown) || blank.test(shown)) {
    throw problem(`${name}.content`, 'must have something to read, and no control, format or broken characters');
  }
  return Buffer.from(text);
}

function decoded(text: string, name: string): Buffer {
  // of one length more than a multiple of four, a character stands for nothing
  if (!base64.test(text) || text.replaceAll('=', '').length % 4 === 1) {
    throw problem(`${name}.content`, 'must be base64 or base64url');
  }
  return Buffer.from(text, 'base64');
}

function problem(name: string, reason: string): DomainError {
  return new DomainError('invalid_request', { detail: reason, members: { invalid_params: [{ name, reason }] } });
}
