// node src/http/pages/build.ts: bundles the authenticator's scripts into dist/, for the image. Where the sources are still
// there, dist/ is not read (assets.ts), so it can never be stale on a developer's machine.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AUTHENTICATOR_ASSETS, builtPath, loadAssets } from './assets.ts';

const assets = await loadAssets(AUTHENTICATOR_ASSETS);
for (const [name, source] of Object.entries(AUTHENTICATOR_ASSETS)) {
  const asset = assets.get(name);
  if (!asset || !source.endsWith('.ts')) continue;
  await mkdir(dirname(builtPath(source)), { recursive: true });
  await writeFile(builtPath(source), asset.body);
}
