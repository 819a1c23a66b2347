/** Closes a run with `Tests: N passed, N failed, N skipped`, after the reason of each skip. */
export default class {
  /** @param {import('@jest/reporters').Config.GlobalConfig} config */
  constructor(config) {
    this.selecting = Boolean(config.testNamePattern);
  }

  /**
   * @param {unknown} _contexts
   * @param {import('@jest/reporters').AggregatedResult} results
   */
  onRunComplete(_contexts, results) {
    const lines = closingLines(results, this.selecting);
    // Jest's own summary comes after every other reporter; ours is the last word all the same.
    process.once('exit', () => process.stdout.write(`${lines.join('\n')}\n`));
  }
}

/**
 * @param {import('@jest/reporters').AggregatedResult} results
 * @param {boolean} selecting tests were chosen by name (-t): the others need no reason
 */
export function closingLines(results, selecting) {
  const reasons = results.testResults
    .flatMap((file) => file.testResults)
    .filter(({ status }) => status === 'pending' || status === 'todo')
    .map(({ fullName }) => /\[skipped: (.+?)\]/.exec(fullName)?.[1] ?? (selecting ? 'not selected' : fullName));
  const count = (/** @type {string} */ reason) => reasons.filter((other) => other === reason).length;
  // A file that does not load has no tests to count; it is a failure all the same.
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  return [
    ...[...new Set(reasons)].map((reason) => `Skipped ${count(reason)}: ${reason}`),
    `Tests: ${results.numPassedTests} passed, ${failed} failed, ${reasons.length} skipped`,
  ];
}
