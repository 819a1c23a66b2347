/** The document of a request: fetched in pieces, and nothing of it is given out that does not match the challenge. */
import { type Bytes, fromBase64url, sha256 } from './bytes.ts';
import type { Caller } from './caller.ts';
import type { ChallengeView, DocumentView } from './challenge.ts';
import { DeviceError } from './errors.ts';
import { typ } from './wire.ts';

/** Far above what a server takes; a device's memory is not the server's to fill. */
const maxBytes = 16 * 1024 * 1024;

/** @throws DeviceError document_changed | operation_* | device_* | server_unexpected */
export async function fetchDocument(caller: Caller, { op }: ChallengeView, document: DocumentView): Promise<Bytes> {
  const { size = 0 } = document;
  if (size > maxBytes) throw changed('size');
  const content = new Uint8Array(size);
  for (let offset = 0; offset < size; ) {
    const piece = await fetchPiece(caller, { op, offset }, document);
    if (piece.length === 0 || offset + piece.length > size) throw changed('length');
    content.set(piece, offset);
    offset += piece.length;
  }
  if ((await sha256(content)) !== document.sha256) throw changed('sha256');
  return content;
}

async function fetchPiece(
  caller: Caller,
  asked: { op: string; offset: number },
  { sha256: hash, size }: DocumentView,
): Promise<Bytes> {
  const answer = await caller.inSession('document', asked);
  const { claims } = await caller.openSealed(String(answer.document), typ.document);
  const { op, offset, data } = claims;
  if (op !== asked.op || offset !== asked.offset || typeof data !== 'string') throw changed('piece');
  // the service's own word that this is another one: no need to fetch it all
  if (claims.sha256 !== hash || claims.size !== size) throw changed('another document');
  return bytesOf(data);
}

function bytesOf(data: string): Bytes {
  try {
    return fromBase64url(data);
  } catch {
    throw changed('data');
  }
}

function changed(cause: string): DeviceError {
  return new DeviceError('document_changed', { cause });
}
