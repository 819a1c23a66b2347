/** One thing that is wrong with the settings. Never holds a value: settings can be secrets. */
export interface ConfigProblem {
  /** The member, as it would be written in code: `clients[0].client_secret`. */
  setting: string;
  message: string;
  /** The environment variable that the value came from, if it did. */
  variable?: string;
}

/** The process cannot start with these settings. Lists all problems, so that one attempt is enough to correct them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(asLine).join('\n'));
    this.problems = problems;
  }
}

function asLine({ setting, message, variable }: ConfigProblem): string {
  return `${setting}${variable && variable !== setting ? ` (${variable})` : ''}: ${message}`;
}
