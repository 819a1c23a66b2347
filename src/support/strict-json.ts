/** JSON as a signed message needs it: an object, no duplicate member, bounded depth. */

export type JsonObject = Record<string, unknown>;

// With escapes. Of what lies between strings only a colon says anything here: it follows the name of a member.
const strings = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

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
  // a member that is named twice is two in the text and one in the value
  const named = text.replace(strings, '').split(':').length - 1;
  if (membersIn(value, maxDepth) !== named) throw new SyntaxError('ambiguous member');
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** At every level. @throws SyntaxError */
function membersIn(value: unknown, levels: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (levels === 0) throw new SyntaxError('nested too deep');
  if (Object.hasOwn(value, '__proto__')) throw new SyntaxError('ambiguous member');
  const inside: unknown[] = Array.isArray(value) ? value : Object.values(value);
  const own = Array.isArray(value) ? 0 : inside.length;
  return inside.reduce<number>((sum, each) => sum + membersIn(each, levels - 1), own);
}
