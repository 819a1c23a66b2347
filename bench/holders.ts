/**
 * Holds token requests, in a process of its own: told by a message to send them, it says when all have left, and later, when
 * each has been answered, how and when. Connections stay open for the next time.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Holding {
  host: string;
  port: number;
  /** Whole requests but for the `Prefer` header, one for each connection. */
  requests: { head: string; body: string }[];
  /** Epoch milliseconds: each waits the whole seconds that are left. Absent: 25 s. */
  endsAt?: number;
}

export interface AllSent {
  sent: number;
}

export interface AllAnswered {
  /** How often each answer came, by OAuth error or status. */
  answers: Record<string, number>;
  /** Epoch milliseconds, of each: when it was answered, and when its time was over. */
  answeredAt: number[];
  overAt: number[];
}

/** RL-15: two thousand connections a second. Thousands in the same instant would be an overload, which is not the matter here. */
const batch = { requests: 100, everyMs: 50 };
const now = () => performance.timeOrigin + performance.now();
const sockets: Socket[] = [];

process.on('message', (holding: Holding) => {
  hold(holding).catch((error) => {
    process.stderr.write(`${error}\n`);
    process.exit(1);
  });
});
process.on('disconnect', () => process.exit());

async function hold({ host, port, requests, endsAt }: Holding): Promise<void> {
  const answered: AllAnswered = { answers: {}, answeredAt: [], overAt: [] };
  const replies: Promise<void>[] = [];
  const send = async ({ head, body }: Holding['requests'][number], index: number) => {
    const socket = await connected(index, host, port);
    const seconds = endsAt === undefined ? 25 : Math.max(1, Math.round((endsAt - now()) / 1000));
    answered.overAt[index] = now() + seconds * 1000;
    replies.push(
      answerOn(socket).then((text) => {
        answered.answeredAt[index] = now();
        const how = /"error":"(\w+)"/.exec(text)?.[1] ?? text.slice(9, 12);
        answered.answers[how] = (answered.answers[how] ?? 0) + 1;
      }),
    );
    socket.write(`${head}prefer: wait=${seconds}\r\n\r\n${body}`);
  };
  for (let first = 0; first < requests.length; first += batch.requests) {
    const some = requests.slice(first, first + batch.requests);
    await Promise.all([...some.map((each, i) => send(each, first + i)), sleep(batch.everyMs)]);
  }
  process.send!({ sent: requests.length } satisfies AllSent);
  await Promise.all(replies);
  process.send!(answered);
}

async function connected(index: number, host: string, port: number): Promise<Socket> {
  const known = sockets[index];
  if (known && !known.destroyed && known.writable) return known;
  const socket = connect(port, host);
  sockets[index] = socket;
  await new Promise<void>((open, failed) => {
    socket.once('connect', open);
    socket.once('error', failed);
  });
  socket.on('error', () => {});
  return socket;
}

/** Of an answer all that has come with its last byte; it is small. */
function answerOn(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const take = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const headEnd = text.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1]);
      if (text.length < headEnd + 4 + length) return;
      done();
      resolve(text);
    };
    const closed = () => {
      done();
      reject(new Error(`a held request ended without an answer: ${text}`));
    };
    const done = () => void socket.off('data', take).off('close', closed);
    socket.on('data', take).on('close', closed);
  });
}
