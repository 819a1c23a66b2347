import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ImportRule, importsOf, importViolations } from './support/imports.ts';

const srcFolders = ['channels', 'cli', 'config', 'demo', 'device-sdk', 'domain', 'http', 'observability', 'protocol'];

/** The composition root alone knows every folder. */
const everyFolder = [...srcFolders, 'simulator', 'support'].map((name) => `src/${name}`).concat('src/config.ts');

/** Who may import whom. If a rule proves wrong, change it here and say why in the same commit. */
const rules: Record<string, ImportRule> = {
  'src/support': { packages: ['jose'] },
  'src/domain': { folders: ['src/support'], packages: ['libphonenumber-js'] },
  // runs in browsers too
  'src/device-sdk': { packages: ['jose', '@noble/curves'], node: false },
  'src/simulator': { folders: ['src/device-sdk', 'src/support'], packages: ['openid-client'] },
  'src/demo': {
    folders: ['src/device-sdk', 'src/support'],
    // its pages are routes that server.ts mounts; what it does with the server still goes over HTTP
    packages: ['openid-client', 'koa', '@koa/router'],
  },
  'src/cli': {
    // serve, init, config and store run in this process and look at the store without a server; every other verb goes
    // over HTTP. check.ts is to `config check` what main.ts is to `serve`. qrcode draws a ticket in the terminal
    folders: [
      'src/device-sdk',
      'src/support',
      'src/config.ts',
      'src/config',
      'src/main.ts',
      'src/check.ts',
      'adapters',
    ],
    packages: ['openid-client', 'commander', 'qrcode'],
  },
  'src/protocol': {
    folders: ['src/domain', 'src/support'],
    // authorization details are checked by JSON Schemas of the configuration (RFC 9396)
    packages: ['oidc-provider', 'jose', 'ajv'],
    // the engine's contexts and middleware are Koa's
    packageTypes: ['koa'],
  },
  'src/channels': {
    folders: ['src/support'],
    types: ['src/domain'],
    // standardwebhooks signs what leaves for clients and service backends
    packages: ['firebase-admin', '@parse/node-apn', 'web-push', 'standardwebhooks'],
  },
  'src/http': {
    // one table of texts per language, also for the pages that the server writes (ruling 33)
    folders: ['src/domain', 'src/support', 'src/observability', 'views/texts'],
    // esbuild bundles the authenticator's assets at start
    packages: ['koa', '@koa/router', 'ajv', 'eta', 'qrcode', 'esbuild'],
  },
  'src/observability': {
    folders: ['src/support'],
    types: ['src/domain'],
    packages: ['winston', 'prom-client', '@opentelemetry/api'],
  },
  'src/config': { packages: ['ajv'] },
  'src/config.ts': { folders: ['src/config', 'src/support'] },
  'src/server.ts': { folders: [...everyFolder, 'src/composition'], types: ['src/plugins.ts'] },
  // the rooms of server.ts, which alone may import them
  'src/composition': { folders: everyFolder, types: ['src/plugins.ts'] },
  'src/main.ts': {
    // the log and the clock exist before the server does; two files are parts of the process that are tested alone
    folders: [
      'src/server.ts',
      'src/config.ts',
      'src/master-key.ts',
      'src/plugins.ts',
      'src/welcome.ts',
      'src/observability',
      'src/support',
      'adapters',
    ],
  },
  // a start that is taken back: the store that it is made on is thrown away
  'src/check.ts': {
    folders: ['src/server.ts', 'src/config.ts', 'src/plugins.ts', 'src/support', 'adapters/embedded'],
  },
  'src/master-key.ts': {},
  // types say what a plug-in of each kind is; the folder that calls it owns them
  'src/plugins.ts': { folders: ['src/config.ts'], types: ['src/domain', 'src/protocol'] },
  'src/welcome.ts': { types: ['src/config.ts'] },
  'adapters/redis': {
    folders: ['src/support'],
    types: ['src/domain', 'src/protocol'],
    packages: ['ioredis'],
  },
  'adapters/embedded': { folders: ['src/support'], types: ['src/domain', 'src/protocol'] },
  // browser code; what it knows of the server is what the device SDK knows. qrcode draws the link for another device:
  // made here, because markup from the server would need a hole in the policy of Trusted Types
  views: { folders: ['src/device-sdk'], packages: ['qrcode'], node: false },
  'test/e2e': {
    // hostile messages are made by the forge of the vectors: no part of the product would make them
    folders: ['src/device-sdk', 'test/support', 'test/vectors/forge.ts'],
    // clients of the world drive it as their users would
    packages: [
      'openid-client',
      'oauth4webapi',
      'auth0',
      '@auth0/auth0-auth-js',
      '@auth0/ai',
      'playwright-core',
      '@jest/globals',
    ],
  },
};

const root = join(import.meta.dirname, '..');

function sources(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|js|mjs)$/.test(path))
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`);
}

const read = (file: string) => readFileSync(join(root, file), 'utf8');

test('every folder imports only what the table allows', () => {
  const files = ['src', 'adapters', 'views', 'test/e2e'].flatMap(sources);
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap((file) => importViolations(file, read(file), rules))).toEqual([]);
});

test('the environment is read in main.ts and in the command line, nowhere else', () => {
  const readers = sources('src').filter((file) => /\bprocess\.env\b/.test(read(file)));
  expect(readers.filter((file) => file !== 'src/main.ts' && !file.startsWith('src/cli/'))).toEqual([]);
});

test('one file knows the inside of oidc-provider', () => {
  const insiders = sources('src').filter((file) => importsOf(read(file)).some(isInsideEngine));
  expect(insiders.filter((file) => !/^src\/protocol\/engine(-patches|\.d)\.ts$/.test(file))).toEqual([]);
});

const isInsideEngine = ({ specifier }: { specifier: string }) => specifier.startsWith('oidc-provider/');

describe('a planted violation is found', () => {
  test.each([
    ['a folder', 'src/domain/a.ts', "import { b } from '../http/b.ts';", '../http/b.ts'],
    ['a package', 'src/domain/a.ts', "import Koa from 'koa';", 'koa'],
    ['a scoped package', 'src/domain/a.ts', "import { p256 } from '@noble/curves/nist.js';", '@noble/curves/nist.js'],
    ['a type', 'src/domain/a.ts', "import type { B } from '../protocol/b.ts';", 'types of ../protocol/b.ts'],
    ['a value where types are allowed', 'adapters/redis/a.ts', "import { b } from '../../src/domain/b.ts';", 'domain'],
    ['a type that stays at run time', 'adapters/redis/a.ts', "import { type B } from '../../src/domain/b.ts';", 'dom'],
    ['a value of a package', 'src/protocol/a.ts', "import Koa from 'koa';", 'koa'],
    ['a dynamic import', 'src/domain/a.ts', "const x = await import('../http/b.ts');", '../http/b.ts'],
    ['a require', 'src/domain/a.ts', "const x = require('koa');", 'koa'],
    ['a side effect', 'src/domain/a.ts', "import '../http/b.ts';", '../http/b.ts'],
    ['an export from', 'src/domain/a.ts', "export * from '../http/b.ts';", '../http/b.ts'],
    ['several lines', 'src/domain/a.ts', "import {\n  a,\n  b,\n} from '../http/b.ts';", '../http/b.ts'],
    ['node in the device SDK', 'src/device-sdk/a.ts', "import fs from 'node:fs';", 'node:fs'],
    ['a built-in without its prefix', 'src/device-sdk/a.ts', "import fs from 'fs';", 'fs'],
    ['node in browser code', 'views/authenticator/a.ts', "import fs from 'node:fs';", 'node:fs'],
    ['a part of the root', 'src/http/a.ts', "import { b } from '../composition/b.ts';", '../composition/b.ts'],
    ['a way around', 'src/domain/a.ts', "import '../support/../http/b.ts';", '../support/../http/b.ts'],
    ['a folder without a rule', 'src/new/a.ts', '', 'no rule'],
    ['a name that only begins alike', 'src/domain/a.ts', "import '../support-more/b.ts';", '../support-more/b.ts'],
  ])('%s', (_title, file, source, named) => {
    expect(importViolations(file, source, rules)).toEqual([expect.stringContaining(named)]);
  });
});

test('comments and texts about imports are not imports', () => {
  const source = `/* import 'koa' */\n// import 'koa'\n * import x from 'koa'\nconst text = "import 'koa'";\n`;
  expect(importsOf(source)).toEqual([]);
});
