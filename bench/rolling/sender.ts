/**
 * How clients and devices of this section send: a balancer that gives each request to the processes in turn and passes over one that
 * takes no connections, and a caller that sends once more what ended without an answer.
 */
import { Agent, request } from 'node:http';

export interface Answer {
  status: number;
  type: string;
  text: string;
}

export interface Sender {
  post(path: string, headers: Record<string, string>, body: string): Promise<Answer>;
  /** Requests that ended without an answer and were sent once more. */
  retries(): number;
  /** Connections that a process refused, so that the other got the request. Nothing had been sent. */
  passedOver(): number;
  /** What a caller met after that: no answer again, or the server's own failure. */
  errors: string[];
  close(): void;
}

/** An OAuth error, `authorization_pending` among them, is an answer. */
const expected = [200, 400];

export function createSender(ports: readonly number[]): Sender {
  const agents = ports.map(() => new Agent({ keepAlive: true }));
  const errors: string[] = [];
  let turn = 0;
  let retries = 0;
  let passedOver = 0;

  /** As a balancer: whoever refuses the connection has got nothing, so the next one gets it. */
  async function balanced(call: Call, isNewConnection: boolean): Promise<Answer> {
    const first = turn++;
    for (let tried = 1; ; tried++) {
      const index = (first + tried) % ports.length;
      try {
        return await sendOnce(ports[index]!, isNewConnection ? false : agents[index]!, call);
      } catch (error) {
        if (codeOf(error) !== 'ECONNREFUSED' || tried === ports.length) throw error;
        passedOver += 1;
      }
    }
  }

  async function send(call: Call): Promise<Answer> {
    try {
      return noted(call, await once(call));
    } catch (error) {
      errors.push(`${call.path}: ${codeOf(error)}`);
      throw error;
    }
  }

  /** The same again where the connection ended without an answer, and only then (RL-20). */
  function once(call: Call): Promise<Answer> {
    return balanced(call, false).catch((error: unknown) => {
      if (codeOf(error) !== 'ECONNRESET' && codeOf(error) !== 'EPIPE') throw error;
      retries += 1;
      return balanced(call, true);
    });
  }

  /** What a phone is told by 401 to 409, and 429, nobody may meet here either: all of them do as they should. */
  function noted(call: Call, answer: Answer): Answer {
    if (!expected.includes(answer.status)) errors.push(`${call.path}: ${answer.status}`);
    return answer;
  }

  return {
    errors,
    retries: () => retries,
    passedOver: () => passedOver,
    post: (path, headers, body) => send({ method: 'POST', path, headers, body }),
    close() {
      for (const agent of agents) agent.destroy();
    },
  };
}

interface Call {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

function sendOnce(port: number, agent: Agent | false, { method, path, headers, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = { host: '127.0.0.1', port, path, method, agent, headers: { ...headers, ...length } };
    const sent = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode!, type: response.headers['content-type'] ?? '', text }),
      );
      response.once('error', reject);
    });
    // longer than anything may take (IV-10); it is never excused
    sent.setTimeout(10_000, () => sent.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
    sent.once('error', reject);
    sent.end(body);
  });
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
