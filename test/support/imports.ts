import { dirname, join, normalize } from 'node:path/posix';

/** What a folder may import. Its own files are always allowed, and `node:` modules unless it says otherwise. */
export interface ImportRule {
  /** Folders and files of this repository. */
  folders?: string[];
  /** Folders of which only types may be imported. */
  types?: string[];
  packages?: string[];
  /** Packages of which only types may be imported. */
  packageTypes?: string[];
  node?: false;
}

export interface Import {
  specifier: string;
  typeOnly: boolean;
}

const statement = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+|[^'";]*?\}\s*from\s*)?['"]([^'"]+)['"]/gm;
const call = /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g;

/** Every module that a source names: static, re-exported, dynamic and `import()` in types. */
export function importsOf(source: string): Import[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return [
    // `import { type A }` keeps the import at run time (verbatimModuleSyntax): only `import type` is a type import
    ...[...code.matchAll(statement)].map(([, type, specifier]) => ({ specifier: specifier!, typeOnly: Boolean(type) })),
    ...[...code.matchAll(call)].map(([, specifier]) => ({ specifier: specifier!, typeOnly: false })),
  ];
}

/**
 * What in this file breaks the rules, as sentences.
 *
 * @param file path from the root of the repository
 */
export function importViolations(file: string, source: string, rules: Record<string, ImportRule>): string[] {
  const folder = Object.keys(rules).find((name) => isInside(file, name));
  if (!folder) return [`${file}: no rule says what this file may import`];
  return importsOf(source)
    .filter((found) => !isAllowed(found, file, folder, rules[folder]!))
    .map(({ specifier, typeOnly }) => `${file}: ${folder} must not import ${typeOnly ? 'types of ' : ''}${specifier}`);
}

function isAllowed({ specifier, typeOnly }: Import, file: string, folder: string, rule: ImportRule): boolean {
  if (specifier.startsWith('node:')) return rule.node !== false;
  if (specifier.startsWith('.')) {
    const target = normalize(join(dirname(file), specifier));
    const allowed = [folder, ...(rule.folders ?? []), ...(typeOnly ? (rule.types ?? []) : [])];
    return allowed.some((name) => isInside(target, name));
  }
  const packages = [...(rule.packages ?? []), ...(typeOnly ? (rule.packageTypes ?? []) : [])];
  return packages.includes(packageOf(specifier));
}

const isInside = (file: string, folder: string) => file === folder || file.startsWith(`${folder}/`);

/** `@noble/curves/nist.js` -> `@noble/curves` */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
