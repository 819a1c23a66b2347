/** Text that is HTML already. Everything else that comes into a page is text, and is escaped. */
export interface Html {
  readonly markup: string;
}

type Value = Html | string | number | false | undefined | readonly Value[];

/** @example html`<p>${name}</p>` */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return { markup: parts.map((part, index) => (index === 0 ? part : textOf(values[index - 1]) + part)).join('') };
}

/** Markup that we made by other means; never something that came in. */
export const raw = (markup: string): Html => ({ markup });

function textOf(value: Value): string {
  if (value === undefined || value === false) return '';
  if (typeof value === 'object') return 'markup' in value ? value.markup : value.map(textOf).join('');
  return escapeText(String(value));
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For text and for attribute values in quotes. */
function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
