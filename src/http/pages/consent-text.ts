import { chooseLanguage, type Translate, translator } from '../../../views/texts/index.ts';

/** What a client gets by an approval; see src/protocol/shared.ts, which gives it. */
export interface Shared {
  client: { name: string };
  scopes: string[];
  claims: string[];
  resources: string[];
}

const knownScopes = ['openid', 'profile', 'email', 'phone', 'offline_access'] as const;
const knownClaims = ['name', 'preferred_username', 'locale', 'email', 'phone_number'] as const;

/** One text for each thing. Scopes and resources that only the configuration knows appear by their name. */
export function sharedTexts(t: Translate, { scopes, claims, resources }: Omit<Shared, 'client'>): string[] {
  return [
    ...scopes.map((asked) => {
      const known = knownScopes.find((each) => each === asked);
      return known ? t(`signin.scope.${known}`) : t('signin.scope.other', { scope: asked });
    }),
    ...knownClaims.filter((each) => claims.includes(each)).map((each) => t(`signin.claim.${each}`)),
    ...resources.map((resource) => t('signin.resource', { resource })),
  ];
}

/**
 * What stands in the signed context: what the client gets by the approval. undefined: nothing but that it is them, which is
 * what every approval says. `language`: for who prefers nothing that we have.
 */
export function createConsent(language: string) {
  return (shared: Shared, languages: readonly string[]): { text: string } | undefined => {
    const t = translator(chooseLanguage([...languages, language]));
    const scopes = shared.scopes.filter((each) => each !== 'openid');
    const texts = sharedTexts(t, { ...shared, scopes });
    if (texts.length === 0) return undefined;
    return { text: t('signin.consent', { client: shared.client.name, shared: texts.join(', ') }) };
  };
}
