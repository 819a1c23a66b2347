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
    const tests = results.testResults.flatMap((file) => file.testResults);
    const reasons = tests
      .filter(({ status }) => status === 'pending' || status === 'todo')
      .map(({ fullName }) => /\[skipped: (.+?)\]/.exec(fullName)?.[1] ?? (this.selecting ? 'not selected' : fullName));
    // A file that does not load has no tests to count; it is a failure all the same.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const lines = [
      ...[...new Set(reasons)].map((reason) => `Skipped ${count(reasons, reason)}: ${reason}`),
      `Tests: ${results.numPassedTests} passed, ${failed} failed, ${reasons.length} skipped`,
    ];
    // Jest's own summary comes after every other reporter; ours is the last word all the same.
    process.once('exit', () => process.stdout.write(`${lines.join('\n')}\n`));
  }
}

/** @param {string[]} reasons @param {string} reason */
const count = (reasons, reason) => reasons.filter((other) => other === reason).length;
