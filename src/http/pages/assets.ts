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

/** Reads and bundles a list once, at start; everything is in memory afterwards. */
export async function loadAssets(list: AssetList): Promise<ReadonlyMap<string, Asset>> {
  const bundled = await bundleAll(Object.values(list).filter((source) => source.endsWith('.ts')));
  const entries = Object.entries(list).map(async ([name, source]) => {
    const body = bundled.get(source) ?? (await readFile(join(VIEWS, source)));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    return [name, { type: TYPES[extname(name)] ?? 'application/octet-stream', body, etag }] as const;
  });
  return new Map(await Promise.all(entries));
}

/** One esbuild call for all scripts; where the sources are gone (the image), what `build.ts` left. */
async function bundleAll(sources: string[]): Promise<Map<string, Buffer>> {
  const fromSource = sources.filter((source) => existsSync(join(VIEWS, source)));
  const scripts = new Map<string, Buffer>();
  for (const source of sources)
    if (!fromSource.includes(source)) scripts.set(source, await readFile(builtPath(source)));
  if (fromSource.length === 0) return scripts;
  // Imported only where it is needed: the image runs without ever loading it.
  const { build } = await import('esbuild');
  const result = await build({
    entryPoints: Object.fromEntries(fromSource.map((source) => [source.slice(0, -3), join(VIEWS, source)])),
    outdir: BUILT,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  });
  for (const file of result.outputFiles) {
    const source = fromSource.find((candidate) => builtPath(candidate) === file.path);
    if (source) scripts.set(source, Buffer.from(file.contents));
  }
  return scripts;
}

export function builtPath(source: string): string {
  return join(BUILT, source.replace(/\.ts$/, '.js'));
}
