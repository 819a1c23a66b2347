import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file as it leaves the house. */
export interface Asset {
  type: string;
  body: Buffer;
  /** Strong: hash of the body. */
  etag: string;
}

/** By public name (`app.js`); a Map will do. */
export interface Assets {
  get(name: string): Asset | undefined | Promise<Asset | undefined>;
}

/** Public name -> source below `views/`; a name ending in `.js` whose source ends in `.ts` is bundled. */
export type AssetList = Readonly<Record<string, string>>;

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const VIEWS = join(ROOT, 'views');
/** Where `build.ts` leaves bundles for the image; there the sources of the scripts are gone. */
export const BUILT = join(ROOT, 'dist');

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};

export const AUTHENTICATOR_ASSETS: AssetList = {
  'index.html': 'authenticator/index.html',
  'app.js': 'authenticator/main.ts',
  'sw.js': 'authenticator/sw.ts',
  'styles.css': 'authenticator/styles.css',
  // of the page that a person sees at an address that is none
  'sign-in.css': 'sign-in/sign-in.css',
  'tokens.css': 'assets/tokens.css',
  'components.css': 'assets/components.css',
  'icon.svg': 'authenticator/icon.svg',
  'icon-192.png': 'authenticator/icon-192.png',
  'icon-512.png': 'authenticator/icon-512.png',
  'manifest.webmanifest': 'authenticator/manifest.webmanifest',
};

export const SIGN_IN_ASSETS: AssetList = {
  'sign-in.js': 'sign-in/sign-in.ts',
  'sign-in.css': 'sign-in/sign-in.css',
  'tokens.css': 'assets/tokens.css',
  'components.css': 'assets/components.css',
  'icon.svg': 'authenticator/icon.svg',
};

export const DEMO_ASSETS: AssetList = {
  'index.html': 'demo/index.html',
  'index.js': 'demo/index.ts',
  'helpdesk.html': 'demo/helpdesk.html',
  'helpdesk.js': 'demo/helpdesk.ts',
  'tv.html': 'demo/tv.html',
  'tv.js': 'demo/tv.ts',
  'web.html': 'demo/web.html',
  'web.js': 'demo/web.ts',
  'demo.css': 'demo/demo.css',
  'tokens.css': 'assets/tokens.css',
  'components.css': 'assets/components.css',
  'icon.svg': 'authenticator/icon.svg',
};

/**
 * Reads a list at start; everything is in memory afterwards. Scripts that are there as sources, on a developer's machine,
 * are bundled when the first of them is asked for: most starts there are looked at by no browser.
 */
export async function loadAssets(list: AssetList): Promise<Assets> {
  const fromSource = Object.values(list).filter((source) => source.endsWith('.ts') && existsSync(join(VIEWS, source)));
  const bundles = once(() => bundleAll(fromSource));
  const entries = Object.entries(list).map(async ([name, source]): Promise<[string, () => Promise<Asset>]> => {
    const type = TYPES[extname(name)] ?? 'application/octet-stream';
    if (fromSource.includes(source)) return [name, async () => asset(type, (await bundles()).get(source)!)];
    const present = asset(type, await readFile(source.endsWith('.ts') ? builtPath(source) : join(VIEWS, source)));
    return [name, async () => present];
  });
  const assets = new Map(await Promise.all(entries));
  return { get: async (name) => assets.get(name)?.() };
}

function asset(type: string, body: Buffer): Asset {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type, body, etag };
}

/** What fails is tried again by whoever asks next. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= work().catch((error) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

/** One esbuild call for all scripts of a list. */
async function bundleAll(sources: string[]): Promise<Map<string, Buffer>> {
  // Imported only where it is needed: the image runs without ever loading it.
  const { build } = await import('esbuild');
  const result = await build({
    entryPoints: Object.fromEntries(sources.map((source) => [source.slice(0, -3), join(VIEWS, source)])),
    outdir: BUILT,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  });
  const bundled = new Map(result.outputFiles.map(({ path, contents }) => [path, Buffer.from(contents)]));
  return new Map(sources.map((source) => [source, bundled.get(builtPath(source))!]));
}

export function builtPath(source: string): string {
  return join(BUILT, source.replace(/\.ts$/, '.js'));
}
