export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript' },
          transform: { verbatimModuleSyntax: true },
          experimental: { keepImportAttributes: true },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  // Node 24 for machines without it lies under bin/node; it is nobody's test and nobody's module.
  modulePathIgnorePatterns: ['<rootDir>/bin/node/', '<rootDir>/data/'],
  globalSetup: '<rootDir>/test/support/system-packages.js',
  reporters: ['default', '<rootDir>/test/support/reporter.js'],
  // Browsers, Redis and servers run beside the tests: two workers leave them room on a small machine.
  maxWorkers: 2,
  testTimeout: 30_000,
};
