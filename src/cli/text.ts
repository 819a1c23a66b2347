/** How things look in a terminal. */
import { stripVTControlCharacters } from 'node:util';

/** Text of others as text: nothing in it moves the cursor, changes colors or turns the reading direction. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

/** Names and values under each other. */
export function fields(members: Record<string, unknown>, indent = '  '): string[] {
  const shown = Object.entries(members).filter(([, value]) => value !== undefined && value !== null);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${indent}${plain(name).padEnd(width)}  ${plain(asText(value))}`);
}

export function table(rows: Record<string, unknown>[]): string[] {
  const names = Object.keys(rows[0] ?? {});
  const cells = [names, ...rows.map((row) => names.map((name) => plain(asText(row[name] ?? '–'))))];
  const widths = names.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

const glyphs: Record<string, string> = {
  0: '███ █ █ █ █ █ █ ███',
  1: ' █  ██   █   █  ███',
  2: '███   █ ███ █   ███',
  3: '███   █ ███   █ ███',
  4: '█ █ █ █ ███   █   █',
  5: '███ █   ███   █ ███',
  6: '███ █   ███ █ █ ███',
  7: '███   █   █   █   █',
  8: '███ █ █ ███ █ █ ███',
  9: '███ █ █ ███   █ ███',
};

/** A number that can be read across a room. */
export function big(number: string, indent = '    '): string[] {
  return [0, 1, 2, 3, 4].map((row) => {
    const parts = [...number].map((digit) => (glyphs[digit] ?? '').slice(row * 4, row * 4 + 3).padEnd(3));
    // every block twice: a character cell is about half as wide as it is high
    return (indent + parts.map((part) => [...part].map((cell) => cell + cell).join('')).join('   ')).trimEnd();
  });
}
