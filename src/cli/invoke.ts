/** One call of the command line, from its arguments to its exit status. */

import { CommanderError } from 'commander';
import { assent } from './command-name.ts';
import { type CliError, exit, usage } from './errors.ts';
import { explain } from './explain.ts';
import { createProgram } from './program.ts';
import { reportFailure } from './run.ts';
import type { Terminal } from './terminal.ts';

/** @param args what follows `assent` */
export async function invoke(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await createProgram(terminal).parseAsync(args, { from: 'user' });
    return exit.ok;
  } catch (error) {
    const failure = error instanceof CommanderError ? ofCommander(error) : explain(error);
    if (!failure) return exit.ok;
    reportFailure(terminal, args.includes('--json'), failure);
    return failure.status;
  }
}

/** Help that was asked for is no failure; everything else is a wrong call. */
function ofCommander({ code, message }: CommanderError): CliError | undefined {
  if (code === 'commander.helpDisplayed' || code === 'commander.version') return undefined;
  if (code === 'commander.help') return usage('command_missing', 'A command is missing; those above are there.');
  const text = message.replace(/^error: /, '').replace(/^./, (first) => first.toUpperCase());
  return usage('usage', text, { advice: `See: ${assent} --help, or ${assent} <command> --help` });
}
