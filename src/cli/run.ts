import type { CliError } from './errors.ts';
import type { Terminal } from './terminal.ts';

/** One command being carried out. */
export interface Run {
  terminal: Terminal;
  json: boolean;
  /** What the command was for: one JSON document, or lines for a person. */
  result(document: object, lines: string[]): void;
  /** One of several: a line of JSON, or lines for a person. */
  line(document: object, lines: string[]): void;
}

export function createRun(terminal: Terminal, json: boolean): Run {
  const write = (document: object, lines: string[]) => {
    if (json) terminal.print(JSON.stringify(document));
    else for (const line of lines) terminal.print(line);
  };
  return { terminal, json, result: write, line: write };
}

/** The end of a command that did not succeed: what happened, what was kept, what to do. */
export function reportFailure(terminal: Terminal, json: boolean, error: CliError): void {
  const { code, message, advice, details } = error;
  if (json) terminal.print(JSON.stringify({ error: { code, message, advice, ...details } }));
  else {
    terminal.say(`assent: ${message}`);
    if (advice !== undefined) terminal.say(advice.replace(/^/gm, '  '));
  }
}
