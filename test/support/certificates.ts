export * from '../../src/support/certificates.ts';
