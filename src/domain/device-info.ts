import type { Device } from './device.ts';

/** A stranger may have written it: one line, nothing that changes how the rest is read. */
export function shownInfo({ name, model, os }: Device['info']): { name?: string; model?: string; os?: string } {
  const line = (text: string) =>
    text
      .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, '')
      .replace(/\s+/g, ' ')
      .trim();
  const given = Object.entries({ name, model, os }).flatMap(([key, text]) =>
    text && line(text) ? [[key, line(text)]] : [],
  );
  return Object.fromEntries(given);
}
