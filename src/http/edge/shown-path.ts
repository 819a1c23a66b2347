import { isId } from '../../support/ids.ts';

/** Letters, and figures as a version or a size has them: `device`, `v1`, `jwks.json`, `icon-192.png`. */
const word = /^\.?(?:[a-z]+\d{0,3}|\d{1,3})(?:[-._](?:[a-z]+\d{0,3}|\d{1,3}))*$/;

/**
 * A path for the log: words and ids of ours as they are. Anything else is somebody's mistake, perhaps with a token, a
 * ticket, a code or an address in it, or an attack on the disk; of that the length is told.
 */
export function shownPath(path: string): string {
  return path.replaceAll(/[^/]+/g, (part) => (isShown(part) ? part : `[${part.length} characters]`));
}

function isShown(part: string): boolean {
  return part.length <= 40 && (word.test(part) || isId(part));
}
