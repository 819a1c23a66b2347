/**
 * `Prefer: wait=<seconds>` (RFC 7240, 2 and 4.3); several header lines arrive joined by commas. Of several `wait` the
 * first counts; one that cannot be understood is ignored.
 */
export function preferredWaitSeconds(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  for (const preference of String(header).split(',')) {
    const [, name, value] = /^\s*([^\s=;]+)\s*(?:=\s*"?([^";]*?)"?\s*)?(?:;.*)?$/.exec(preference) ?? [];
    if (name?.toLowerCase() === 'wait') return /^[0-9]{1,9}$/.test(value ?? '') ? Number(value) : undefined;
  }
  return undefined;
}
