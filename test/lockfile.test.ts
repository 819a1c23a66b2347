import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Locked {
  version: string;
  integrity?: string;
  resolved?: string;
  link?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  hasInstallScript?: boolean;
  optionalDependencies?: Record<string, string>;
}

const read = (path: string) => JSON.parse(readFileSync(join(import.meta.dirname, '..', path), 'utf8'));

// `npm ci` runs with --ignore-scripts. These have a script that we do not need: it builds or checks the binary that
// comes ready-made as an optional package of the platform.
const reviewed = ['@parcel/watcher', '@swc/core', 'esbuild'];

describe.each(['', 'bin/node/'])('TH-31 supply chain: %spackage-lock.json', (folder) => {
  const { packages } = read(`${folder}package-lock.json`) as { packages: Record<string, Locked> };
  const manifest = read(`${folder}package.json`);
  const entries = Object.entries(packages).filter(([path]) => path !== '');
  const nameOf = (path: string) => path.split('node_modules/').at(-1)!;

  test('dependencies are pinned to one version, and the lockfile holds it', () => {
    const { dependencies, devDependencies, optionalDependencies } = manifest;
    const asked = Object.entries<string>({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(asked.filter(([name, version]) => packages[`node_modules/${name}`]?.version !== version)).toEqual([]);
  });

  test('no package that needs an install script has come in', () => {
    const names = entries.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path));
    expect(names.filter((name) => !reviewed.includes(name))).toEqual([]);
  });

  test('everything comes from the registry', () => {
    const elsewhere = entries.filter(
      ([, { resolved, link }]) => link || (resolved && !resolved.startsWith('https://registry.npmjs.org/')),
    );
    expect(elsewhere).toEqual([]);
  });

  test('everything that runs on the platforms of the image is held to its integrity', () => {
    const runsInImage = ({ os, cpu, libc }: Locked) =>
      (!os || os.includes('linux')) &&
      (!cpu || cpu.includes('x64') || cpu.includes('arm64')) &&
      (!libc || libc.includes('glibc'));
    const unchecked = entries.filter(([, entry]) => runsInImage(entry) && !entry.integrity?.startsWith('sha512-'));
    expect(unchecked).toEqual([]);
  });

  test('the optional packages of every platform are listed, or npm ci refuses the file', () => {
    const missing = entries.flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {}).filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });
});
