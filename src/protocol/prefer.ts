/**
 * `Prefer: wait=<seconds>` (RFC 7240, 2 and 4.3); several header lines arrive joined by commas. Of several `wait` the
 * first counts; one that cannot be understood is ignored.
 */
export function preferredWaitSeconds(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  for (const preference of String(header).split(',')) {
    const [pair = ''] = preference.split(';', 1);
    const [name = '', ...values] = pair.split('=');
    if (name.trim().toLowerCase() !== 'wait') continue;
    const value = unquoted(values.join('=').trim());
    return /^[0-9]{1,9}$/.test(value) ? Number(value) : undefined;
  }
  return undefined;
}

/** By steps, not by one expression: blanks that several parts of it could take would be tried in every combination. */
function unquoted(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).trim() : text;
}
