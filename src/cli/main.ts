// `npx assent …`; bin/assent.js hands over to this file.
import { CommanderError } from 'commander';
import { type CliError, exit, usage } from './errors.ts';
import { explain } from './explain.ts';
import { createProgram } from './program.ts';
import { reportFailure } from './run.ts';
import { processTerminal } from './terminal.ts';

// a reader that has seen enough (`assent … | head`) is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exit.ok : exit.usage),
);

const terminal = processTerminal(process);

try {
  await createProgram(terminal).parseAsync();
} catch (error) {
  const failure = error instanceof CommanderError ? ofCommander(error) : explain(error);
  if (failure) {
    reportFailure(terminal, process.argv.includes('--json'), failure);
    process.exitCode = failure.status;
  }
}

/** Help that was asked for is no failure; everything else is a wrong call. */
function ofCommander({ code, message }: CommanderError): CliError | undefined {
  if (code === 'commander.helpDisplayed' || code === 'commander.version') return undefined;
  if (code === 'commander.help') return usage('command_missing', 'A command is missing; those above are there.');
  const text = message.replace(/^error: /, '').replace(/^./, (first) => first.toUpperCase());
  return usage('usage', text, { advice: 'See: assent --help, or assent <command> --help' });
}
