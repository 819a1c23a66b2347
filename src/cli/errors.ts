/** Exit status of the command line (surfaces, section 6). */
export const exit = { ok: 0, negative: 1, usage: 2 } as const;

/**
 * A command that ends without success, as a person reads it: what happened, then what was kept and what to do.
 * `code` is stable, for `--json`.
 */
export class CliError extends Error {
  readonly code: string;
  readonly status: 1 | 2;
  readonly advice: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(
    status: 1 | 2,
    code: string,
    message: string,
    { advice, cause, ...details }: { advice?: string; cause?: unknown; [detail: string]: unknown } = {},
  ) {
    super(message, { cause });
    this.name = 'CliError';
    this.status = status;
    this.code = code;
    this.advice = advice;
    this.details = details;
  }
}

/** The answer was no: denied, expired, refused. */
export function negative(code: string, message: string, details?: { advice?: string; [detail: string]: unknown }) {
  return new CliError(exit.negative, code, message, details);
}

/** Called in a way that cannot work here: arguments, settings, a server that is not there. */
export function usage(code: string, message: string, details?: { advice?: string; [detail: string]: unknown }) {
  return new CliError(exit.usage, code, message, details);
}
