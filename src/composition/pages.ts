/** The looks and texts of pages that the server writes itself: sign-in, and addresses that nothing answers. */

import type { Config } from '../config.ts';
import { MANAGEMENT_PREFIX } from '../http/app.ts';
import type { Mounted } from '../http/mount.ts';
import type { Nowhere } from '../http/pages/nowhere.ts';
import { createSignInPages } from '../http/pages/sign-in-pages.ts';

export function signInPages({ issuer, authenticator, language, limits }: Config) {
  const againSeconds = limits.backOff.firstSeconds;
  return createSignInPages({
    issuer,
    authenticatorOrigin: authenticator.origin,
    language,
    againSeconds,
    isSilentAfterNotMe: limits.notMeSeconds + againSeconds > 0,
  });
}

/** For each listener, what a person sees at an address that is none, and the one way on. */
export function nowherePages({ language, authenticator }: Config, signIn: Mounted | undefined) {
  return {
    public: {
      language,
      ...(signIn && { look: lookBelow(`${signIn.paths[0]}/assets`) }),
      link: { href: authenticator.origin, text: 'nowhere.authenticator' },
    },
    management: { language, link: { href: `${MANAGEMENT_PREFIX}/openapi.json`, text: 'nowhere.management' } },
    authenticator: { language, look: lookBelow(''), link: { href: '/', text: 'nowhere.home' } },
  } satisfies Record<string, Nowhere>;
}

/** As sign-in looks. */
function lookBelow(path: string) {
  const sheets = ['tokens.css', 'components.css', 'sign-in.css'].map((name) => `${path}/${name}`);
  return { sheets, icon: `${path}/icon.svg` };
}
