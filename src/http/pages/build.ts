// node src/http/pages/build.ts: bundles the scripts of the authenticator and of the sign-in page into dist/, for the image. Where the sources are still
// there, dist/ is not read (assets.ts), so it can never be stale on a developer's machine.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AUTHENTICATOR_ASSETS, builtPath, loadAssets, SIGN_IN_ASSETS } from './assets.ts';

const served = { ...AUTHENTICATOR_ASSETS, ...SIGN_IN_ASSETS };
const assets = await loadAssets(served);
for (const [name, source] of Object.entries(served)) {
  const asset = await assets.get(name);
  if (!asset || !source.endsWith('.ts')) continue;
  await mkdir(dirname(builtPath(source)), { recursive: true });
  await writeFile(builtPath(source), asset.body);
}
