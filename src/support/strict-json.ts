/** JSON as a signed message needs it: an object, no duplicate member, bounded depth. */

export type JsonObject = Record<string, unknown>;

// Strings (with escapes) and structure; everything between them is numbers, literals and blanks.
const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g;

/**
 * Parse a JSON object and refuse what two readers could understand differently.
 *
 * @param maxDepth levels of nesting; the protocol needs five
 * @throws SyntaxError not JSON, not an object, a member named twice, `__proto__`, or nested too deep
 * @see RFC 8725 §3.1, RFC 7515 §4 (header names must be unique)
 */
export function parseJsonObject(text: string, maxDepth = 12): JsonObject {
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value)) throw new SyntaxError('not a JSON object');
  refuseAmbiguity(text, maxDepth);
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Walks text that JSON.parse has accepted, so quotes and brackets are known to be balanced. */
function refuseAmbiguity(text: string, maxDepth: number): void {
  const open: Set<string>[] = [];
  let lastString = '';
  for (const [part] of text.matchAll(token)) {
    if (part === '{' || part === '[') {
      if (open.push(new Set()) > maxDepth) throw new SyntaxError('nested too deep');
    } else if (part === '}' || part === ']') open.pop();
    else if (part === ':') addName(open.at(-1), JSON.parse(lastString) as string);
    else lastString = part;
  }
}

function addName(names: Set<string> | undefined, name: string): void {
  if (name === '__proto__' || names?.has(name)) throw new SyntaxError('ambiguous member');
  names?.add(name);
}
