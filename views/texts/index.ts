import { en, type TextKey, type Texts } from './en.ts';
import { nl } from './nl.ts';

const tables: Record<string, Texts> = { en, nl };

/** The table's language for a list of preferences (BCP 47); English where none fits. */
export function chooseLanguage(preferred: readonly string[]): string {
  return preferred.map((tag) => tag.toLowerCase().split('-')[0] ?? '').find((language) => language in tables) ?? 'en';
}

/** For times and dates: the preference that made the choice of the language, with its region. */
export function chooseLocale(preferred: readonly string[]): string {
  const language = chooseLanguage(preferred);
  return preferred.find((tag) => tag.toLowerCase().split('-')[0] === language) ?? language;
}

export type Translate = (key: TextKey, values?: Record<string, string | number>) => string;

/** Looks a text up and fills in `{name}`; a value is never expanded again. */
export function translator(language: string): Translate {
  const table = tables[language] ?? en;
  return (key, values = {}) =>
    table[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export type { TextKey };
