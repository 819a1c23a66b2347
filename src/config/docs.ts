// Writes what is made from config/schema.json: the reference page and the types. `npm run docs`
import { readFileSync, writeFileSync } from 'node:fs';
import { configSchema, type SettingSchema } from './schema.ts';

/** Generated file -> its text. A test fails when one of them is stale. */
export const generatedFiles = {
  'config/README.md': () => configReadme(configSchema),
  'src/config/types.ts': () => configTypes(configSchema),
};

export function configReadme(schema: SettingSchema): string {
  const lists = Object.entries(schema.$defs ?? {}).map(
    ([name, list]) => `## ${name}\n\n${list.description}\n\n${table(rows(list))}\n`,
  );
  return `# Settings

<!-- Made from schema.json by \`npm run docs\`; change that file instead. -->

The configuration file is JSON; \`ASSENT_CONFIG\` names it (\`npm start\` takes \`config/development.json\`). An environment
variable wins over the file. A variable marked 🔒 may also be given as \`<variable>_FILE\`: a file with the value. Unknown
members are refused, and a start with wrong settings reports all problems at once. \`production.example.json\` shows a
configuration for production.

${table(rows(schema))}

${lists.join('\n')}`;
}

interface Row {
  name: string;
  schema: SettingSchema;
}

function rows(schema: SettingSchema, prefix = ''): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => [
    { name: prefix + name, schema: member },
    ...rows(member, `${prefix}${name}.`),
  ]);
}

function table(list: Row[]): string {
  const lines = list.map(({ name, schema }) =>
    [`\`${name}\``, schema.description ?? '', kind(schema), defaultOf(schema), example(schema), variable(schema)]
      .map((cell) => cell.replaceAll('|', '\\|'))
      .join(' | '),
  );
  return ['setting | meaning | values | default | example | environment', '--- | --- | --- | --- | --- | ---', ...lines]
    .map((line) => `| ${line} |`)
    .join('\n');
}

function kind(schema: SettingSchema): string {
  if (schema.$ref) return `[${refName(schema.$ref)}](#${refName(schema.$ref).toLowerCase()})`;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.type === 'array') return `list of ${kind(schema.items ?? {})}`;
  if (schema.type === 'integer')
    return `${schema.minimum}${schema.maximum === undefined ? ' or more' : ` to ${schema.maximum}`}`;
  return schema.type ?? '';
}

function defaultOf(schema: SettingSchema): string {
  if (schema['x-default']) return schema['x-default'];
  return schema.type === 'object' ? '' : `\`${JSON.stringify(schema.default)}\``;
}

function example({ type, examples: [first] = [] }: SettingSchema): string {
  return type === 'object' || first === undefined ? '' : `\`${JSON.stringify(first)}\``;
}

function variable(schema: SettingSchema): string {
  return schema['x-env'] ? `\`${schema['x-env']}\`${schema['x-secret'] ? ' 🔒' : ''}` : '';
}

const refName = (ref: string) => ref.split('/').at(-1) ?? '';

export function configTypes(schema: SettingSchema): string {
  const named = { Config: schema, ...schema.$defs };
  const interfaces = Object.entries(named).map(
    ([name, value]) => `/** ${value.description} */\nexport interface ${name} ${objectType(value, '')}\n`,
  );
  return `// Made from config/schema.json by \`npm run docs\`; change that file instead.\n\n${interfaces.join('\n')}`;
}

function objectType(schema: SettingSchema, indent: string): string {
  const members = Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    // for editors, and for files whose secret has been read
    if (name === '$schema' || name.endsWith('_file') || name.endsWith('File')) return [];
    const always = 'default' in member || member['x-filled'] || schema.required?.includes(name);
    const line = `${indent}  ${name}${always ? '' : '?'}: ${typeOf(member, `${indent}  `)};\n`;
    return `${indent}  /** ${member.description} */\n${line.length > 120 ? folded(member, line, indent) : line}`;
  });
  return `{\n${members.join('')}${indent}}`;
}

/** A union, or a list of one, that is too long for one line, as the formatter writes it. */
function folded({ enum: values, items }: SettingSchema, line: string, indent: string): string {
  const within = `${indent}    `;
  const lines = (values ?? items?.enum)?.map((value) => `${within}| '${value}'`).join('\n');
  if (lines === undefined) return line;
  const head = line.slice(0, line.indexOf(': '));
  return values ? `${head}:\n${lines};\n` : `${head}: (\n${lines}\n${indent}  )[];\n`;
}

function typeOf(schema: SettingSchema, indent: string): string {
  if (schema.$ref) return refName(schema.$ref);
  if (schema.enum) return schema.enum.map((value) => `'${value}'`).join(' | ');
  if (schema.type === 'array') return arrayOf(typeOf(schema.items ?? {}, indent));
  if (schema.type === 'object') return schema.properties ? objectType(schema, indent) : 'Record<string, unknown>';
  return schema.type === 'integer' ? 'number' : (schema.type ?? 'unknown');
}

const arrayOf = (type: string) => (type.includes(' ') ? `(${type})[]` : `${type}[]`);

if (import.meta.main) {
  for (const [file, text] of Object.entries(generatedFiles)) {
    const url = new URL(`../../${file}`, import.meta.url);
    if (readExisting(url) !== text()) writeFileSync(url, text());
  }
}

function readExisting(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return undefined;
  }
}
