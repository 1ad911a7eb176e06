/** @type {import('jest').Config} */
export default {
  testEnvironment: './test/support/environment.js',
  globalSetup: './test/support/global-setup.ts',
  globalTeardown: './test/support/global-teardown.ts',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': './test/support/strip-types.js' },
  testMatch: ['<rootDir>/{src,local,sandbox,workers,migrations,bench,test}/**/*.test.ts'],
  reporters: ['default', './test/support/summary-reporter.js'],
  testTimeout: 30_000,
  // They wait more than they compute, on two cores as well.
  maxWorkers: 3,
};
