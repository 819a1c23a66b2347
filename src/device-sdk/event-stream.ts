/** The wire form of server-sent events, as far as the protocol uses it: `data` lines and comments. */

/** Longer than any event; a server that sends more without an end of line is not one of ours. */
const maxEventChars = 256 * 1024;

/**
 * Split a stream into the data of its events, in order. Ends when the stream ends.
 *
 * @param onBytes called for whatever arrives, heartbeats included
 * @param signal  ends it, also where the stream itself knows nothing of the signal
 * @throws RangeError an event without end; or what the stream throws
 */
export async function* eventData(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const cancel = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onBytes();
      const blocks = (rest + decoder.decode(value, { stream: true })).replace(/\r\n?/g, '\n').split('\n\n');
      rest = blocks.pop() ?? '';
      if (rest.length > maxEventChars) throw new RangeError('an event without end');
      for (const block of blocks) {
        const data = dataOf(block);
        if (data !== undefined) yield data;
      }
    }
  } finally {
    signal?.removeEventListener('abort', cancel);
    cancel();
  }
}

function dataOf(block: string): string | undefined {
  const lines = block.split('\n').filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}
