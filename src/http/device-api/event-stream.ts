import { Readable } from 'node:stream';
import type { Sink } from '../../domain/inbox-stream.ts';

/** A reader that has not taken this much is gone or hopeless; it gets the whole inbox when it comes back. */
const bufferBytes = 64 * 1024;

/** Server-sent events as a response body: `data` lines that hold one message each, comments as heartbeats. */
export function createEventStream(): { body: Readable; sink: Sink } {
  const body = new Readable({ highWaterMark: bufferBytes, read() {} });
  const push = (text: string | null) => !body.destroyed && !body.readableEnded && body.push(text);
  return {
    body,
    sink: {
      event: (sealed) => push(`data: ${sealed}\n\n`),
      heartbeat: () => void push(':\n\n'),
      end: () => void push(null),
    },
  };
}
