// `npx assent …`; bin/assent.js hands over to this file.
import { exit } from './errors.ts';
import { invoke } from './invoke.ts';
import { processTerminal } from './terminal.ts';

// a reader that has seen enough (`assent … | head`) is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exit.ok : exit.usage),
);

process.exitCode = await invoke(process.argv.slice(2), processTerminal(process));
