/** The person at the other end, or the pipe that stands in for one. Results go to stdout, everything else to stderr. */
import { createInterface } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { usage } from './errors.ts';

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Somebody can be asked. */
  readonly interactive: boolean;
  /** A result: one line to stdout. */
  print(line: string): void;
  /** What is said beside the result: one line to stderr. */
  say(line: string): void;
  /** The one line that is written again and again while something is waited for; only where a person looks. */
  status(text: string): void;
  readonly showsStatus: boolean;
  /** stdout is a terminal: pictures make sense. */
  readonly showsPictures: boolean;
  /** @throws CliError interrupted */
  ask(question: string): Promise<string>;
  /** What is typed is not shown. @throws CliError interrupted */
  askHidden(question: string): Promise<string>;
}

export function processTerminal({ stdin, stdout, stderr, env }: typeof process): Terminal {
  return {
    env,
    interactive: Boolean(stdin.isTTY && stderr.isTTY),
    showsStatus: Boolean(stderr.isTTY),
    showsPictures: Boolean(stdout.isTTY),
    print: (line) => void stdout.write(`${line}\n`),
    say: (line) => void stderr.write(`${line}\n`),
    status: (text) => void stderr.write(`\r\x1b[2K${text}`),
    ask: (question) => askLine(question, stdin, stderr),
    askHidden: (question) => askHidden(question, stdin as ReadStream, stderr),
  };
}

const interrupted = () => usage('interrupted', 'Stopped. Nothing was sent.');

function askLine(question: string, input: NodeJS.ReadStream, output: NodeJS.WriteStream): Promise<string> {
  const lines = createInterface({ input, output, terminal: true });
  return new Promise((resolve, reject) => {
    lines.on('SIGINT', () => lines.close());
    lines.once('close', () => reject(interrupted()));
    lines.question(question, (answer) => {
      resolve(answer.trim());
      lines.close();
    });
  });
}

/** Raw mode: the terminal shows nothing by itself, so every key is ours to handle. */
function askHidden(question: string, input: ReadStream, output: NodeJS.WriteStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const end = (settle: () => void) => {
      input.off('data', onData).setRawMode(false).pause();
      output.write('\n');
      settle();
    };
    const onData = (chunk: Buffer | string) => {
      for (const key of String(chunk)) {
        if (key === '\r' || key === '\n') return end(() => resolve(text));
        if (key === '\x03' || key === '\x04') return end(() => reject(interrupted()));
        text = key === '\x7f' || key === '\b' ? text.slice(0, -1) : key >= ' ' ? text + key : text;
      }
    };
    input.setRawMode(true).resume();
    input.on('data', onData);
    output.write(question);
  });
}
