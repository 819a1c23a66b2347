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
  testSequencer: '<rootDir>/test/support/sequencer.js',
  reporters: ['default', '<rootDir>/test/support/reporter.js'],
  // Many tests wait for a browser, a Redis or a server of their own: three workers keep two cores busy, more only crowd them.
  maxWorkers: 3,
  testTimeout: 30_000,
};
