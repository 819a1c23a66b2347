/** Documents on the command line: sent along with a request, and read before one is approved. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { ChallengeView, Device, DocumentView } from '../device-sdk/index.ts';
import { usage } from './errors.ts';
import type { Terminal } from './terminal.ts';
import { plain } from './text.ts';

/** What a server takes. */
const types: Record<string, string> = {
  '.txt': 'text/plain',
  '.md': 'text/plain',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
};

/** The `document` parameter. @throws CliError document_unreadable | document_type */
export async function documentParameter(file: string): Promise<string> {
  const mime = types[extname(file).toLowerCase()];
  if (!mime) {
    const advice = `It must end in ${Object.keys(types).join(', ')}.`;
    throw usage('document_type', `${file} is of a kind that nobody could be shown.`, { advice });
  }
  const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw usage('document_unreadable', `${file} cannot be read: ${error.code}.`);
  });
  return JSON.stringify({
    title: basename(file),
    mime,
    content: content.toString(mime === 'text/plain' ? 'utf8' : 'base64url'),
  });
}

export function documentLines({ document }: ChallengeView): string[] {
  if (!document) return [];
  const { title, mime, size, sha256, display } = document;
  const bytes = size === undefined ? '' : `, ${size} bytes`;
  return [
    '',
    `  Document:  ${plain(title)} (${plain(mime)}${bytes})`,
    `  SHA-256:   ${plain(sha256)}`,
    ...(display === 'external' ? ['  Only this hash is known here: read the document where it was given to you.'] : []),
  ];
}

/**
 * Fetches what the request is about, which an approval needs. A text is shown; anything else is written to `out`, without which there
 * is nothing to read.
 *
 * @throws CliError document_unread | document_exists; DeviceError document_changed
 */
export async function readDocument(
  device: Device,
  view: ChallengeView,
  { terminal, out, quiet }: { terminal: Terminal; out?: string; quiet: boolean },
): Promise<void> {
  const { document } = view;
  if (!document || document.display === 'external') return;
  if (out === undefined && (quiet || document.display === 'file')) throw unread(document);
  const content = await device.document(view);
  if (out !== undefined) await save(out, content);
  if (quiet) return;
  if (document.display === 'text') for (const line of textLines(content)) terminal.print(line);
  if (out !== undefined) terminal.print(`  Written to ${out}.\n`);
}

/** Nothing that is there is overwritten. */
async function save(out: string, content: Uint8Array): Promise<void> {
  await writeFile(out, content, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw usage('document_exists', `${out} exists.`, { advice: 'Name another file.' });
    throw usage('document_unwritten', `${out} cannot be written: ${error.code}.`);
  });
}

function textLines(content: Uint8Array): string[] {
  const lines = new TextDecoder().decode(content).split(/\r?\n/);
  return [...lines.map((line) => `  │ ${plain(line.replaceAll('\t', '    '))}`), ''];
}

function unread({ title }: DocumentView) {
  const advice = 'Add --document with a file to write it to. Nothing was approved.';
  return usage('document_unread', `The request is about “${plain(title)}”, which cannot be shown here.`, { advice });
}
