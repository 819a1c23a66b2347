import { DomainError } from './errors.ts';

export interface BindingMessageLimits {
  maxCodePoints: number;
  /** In UTF-8. */
  maxBytes: number;
}

/** Ruling 10. */
export const defaultBindingMessageLimits: BindingMessageLimits = { maxCodePoints: 160, maxBytes: 640 };

// Control (Cc), format (Cf: bidi controls, zero-width, tags), private use, half a surrogate pair, line and paragraph
// separator: whatever can hide, reorder or break what the person reads. Spaces and any script are fine.
export const unshowable = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

// Spaces, the fillers of Hangul, the blank of Braille: a message of these alone shows nothing.
export const blank = /^[\p{Z}\u115f\u1160\u2800\u3164\uffa0]*$/u;

/**
 * Shown and stored exactly as it came: never cut, trimmed or normalised, so that both screens show the same.
 *
 * @returns the very same text
 * @throws DomainError binding_message_invalid
 * @see CIBA Core 1.0 §7.1 (binding_message), §13 (invalid_binding_message)
 */
export function checkBindingMessage(text: string, limits: BindingMessageLimits = defaultBindingMessageLimits): string {
  const problem = problemOf(text, limits);
  if (problem) throw new DomainError('binding_message_invalid', { detail: problem });
  return text;
}

function problemOf(text: string, { maxCodePoints, maxBytes }: BindingMessageLimits): string | undefined {
  // a code point has at most two UTF-16 units: 100 kB are refused without being walked through
  if (text.length > 2 * maxCodePoints) return 'too long';
  if (unshowable.test(text)) return 'control, format, private or broken characters';
  if ([...text].length > maxCodePoints || Buffer.byteLength(text) > maxBytes) return 'too long';
  return blank.test(text) ? 'empty' : undefined;
}
