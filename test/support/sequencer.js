// Long ones first, so that at the end all workers are done at about the same time. Plain JavaScript: Jest reads it before
// anything is transformed. Jest itself goes by what the last run took, which a clean machine does not know, else by size:
// the longest files of all are a few lines that call the same suite for another store.
import { statSync } from 'node:fs';

/**
 * The two longest, which leave most of a core to a third; then by what they start: servers of their own, compilers, stores;
 * then short files that call a long suite. Files that wait and files that work mix where they are not put together.
 */
const heaviest = [
  /\/e2e\/browser/,
  /\/(e2e|cli|simulator)\/|\/(bench\.redis|lint)\.test/,
  /\/(adapters|protocol)\/|\/(device-attacks|interleavings)\./,
];

/** @param {string} path */
const weightOf = (path) => heaviest.findIndex((pattern) => pattern.test(path)) >>> 0;

export default class {
  /** @param {import('@jest/test-result').Test[]} tests */
  sort(tests) {
    const sized = tests.map((test) => ({ test, weight: weightOf(test.path), size: statSync(test.path).size }));
    return sized.sort((a, b) => a.weight - b.weight || b.size - a.size).map(({ test }) => test);
  }

  /**
   * For `--onlyFailures`, which would need a record of the last run.
   * @param {import('@jest/test-result').Test[]} tests
   */
  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
}
