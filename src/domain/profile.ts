/** A user's profile as somebody wants it: checked as a whole, all problems reported at once, kept in normal form. */
import { DomainError } from './errors.ts';
import { identifierReason, normaliseIdentifier } from './identifiers.ts';
import type { Attributes, IdentifierKind, Proofing } from './user.ts';
import { isUserCode, userCodeReason } from './user-codes.ts';
import { identifierMembers, type Profile } from './user-record.ts';
import type { NewUser, UserPatch } from './users.ts';

/** Named as on the wire, because callers read it. */
interface InvalidParam {
  name: string;
  reason: string;
}

const language = /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/;
const unprintable = /[\p{Cc}\p{Co}\p{Cs}]/u;
const limits = { name: 120, attributes: 64, attributeName: 128, text: 1024, proofing: 32, proofingText: 256 };

export const emptyProfile: Profile = { attributes: {}, proofing: [] };

/**
 * The profile after a change; what the change does not name stays.
 *
 * @throws DomainError invalid_request, members.invalid_params
 */
export function changeProfile(profile: Profile, change: UserPatch | NewUser): Profile {
  const problems: InvalidParam[] = [];
  const next: Profile = {
    ...profile,
    ...identifiersOf(change, problems),
    ...textsOf(change, problems),
    attributes: attributesOf(profile.attributes, change.attributes, problems),
    proofing: proofingOf(profile.proofing, change.proofing, problems),
  };
  if (problems.length > 0) throw new DomainError('invalid_request', { members: { invalid_params: problems } });
  // a member set to undefined is removed, so that two equal profiles are the same text
  return JSON.parse(JSON.stringify(next));
}

function identifiersOf(change: UserPatch, problems: InvalidParam[]): Partial<Profile> {
  const members = Object.entries(identifierMembers) as [IdentifierKind, 'username'][];
  return Object.fromEntries(
    members.flatMap(([kind, member]) => {
      const text = change[member];
      if (text === undefined) return [];
      if (text === null) return [[member, undefined]];
      const value = typeof text === 'string' ? normaliseIdentifier(kind, text) : undefined;
      if (value === undefined) problems.push({ name: kind, reason: identifierReason(kind) });
      return [[member, value]];
    }),
  );
}

function textsOf(change: UserPatch, problems: InvalidParam[]): Partial<Profile> {
  const checked: Partial<Profile> = {};
  const take = (member: 'name' | 'language', isGood: (text: string) => boolean, reason: string) => {
    const text = change[member];
    if (text === undefined) return;
    if (text !== null && !(typeof text === 'string' && isGood(text))) problems.push({ name: member, reason });
    checked[member] = text ?? undefined;
  };
  take('name', (text) => isText(text, limits.name), `must be 1 to ${limits.name} characters, none of them a control`);
  take('language', (text) => language.test(text), 'must be a language tag, for example en or nl-BE');
  const { userCode } = change;
  if (userCode !== undefined && userCode !== null && !isUserCode(userCode)) {
    problems.push({ name: 'user_code', reason: userCodeReason });
  }
  return checked;
}

function attributesOf(
  stored: Attributes,
  change: UserPatch['attributes'] | null,
  problems: InvalidParam[],
): Attributes {
  if (change === undefined) return stored;
  if (change === null || typeof change !== 'object' || Array.isArray(change)) {
    problems.push({ name: 'attributes', reason: 'must be an object' });
    return stored;
  }
  for (const [name, value] of Object.entries(change)) {
    const reason = attributeProblem(name, value);
    if (reason) problems.push({ name: `attributes.${name.slice(0, limits.attributeName)}`, reason });
  }
  const entries = Object.entries({ ...stored, ...change }).filter(([, value]) => value !== null);
  const tooMany = `must have at most ${limits.attributes} members`;
  if (entries.length > limits.attributes) problems.push({ name: 'attributes', reason: tooMany });
  return Object.fromEntries(entries) as Attributes;
}

function attributeProblem(name: string, value: unknown): string | undefined {
  // a name that an object cannot simply have, and that a consumer may copy without care
  if (!isText(name, limits.attributeName) || name === '__proto__') return 'is not a possible name';
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'must be a finite number';
  if (typeof value !== 'string') return 'must be a text, a number or a boolean';
  const fits = value.length <= 2 * limits.text && [...value].length <= limits.text && value.isWellFormed();
  return fits ? undefined : `must have at most ${limits.text} characters`;
}

function proofingOf(stored: Proofing[], change: Proofing[] | null | undefined, problems: InvalidParam[]): Proofing[] {
  if (change === undefined) return stored;
  if (change === null) return [];
  if (!Array.isArray(change) || change.length > limits.proofing) {
    problems.push({ name: 'proofing', reason: `must be a list of at most ${limits.proofing}` });
    return stored;
  }
  change.forEach((entry, i) => {
    const reason = proofingProblem(entry);
    if (reason) problems.push({ name: `proofing[${i}]`, reason });
  });
  return change.map((entry) => ({
    mechanism: entry?.mechanism,
    reference: entry?.reference,
    level: entry?.level,
    at: entry?.at,
  }));
}

function proofingProblem(entry: Partial<Proofing> | null): string | undefined {
  const { mechanism, reference, level, at } = entry ?? {};
  const isOptionalText = (text: unknown) => text === undefined || isText(text, limits.proofingText);
  if (!isText(mechanism, limits.proofingText)) return 'needs a mechanism';
  if (!isOptionalText(reference) || !isOptionalText(level)) return 'reference and level must be texts';
  return Number.isSafeInteger(at) ? undefined : 'needs the time of the proofing';
}

function isText(text: unknown, max: number): text is string {
  return (
    typeof text === 'string' &&
    text !== '' &&
    text.length <= 2 * max &&
    [...text].length <= max &&
    !unprintable.test(text)
  );
}
