import type { Secrets } from '../support/secrets.ts';
import { readJwt } from './jwt-text.ts';
import { route } from './vocabulary.ts';

type Form = Record<string, string | string[]>;

/** The part of a Koa context that remembers which token was sent. */
interface Remembering {
  state: { structured?: string };
}

export interface StructuredTokens {
  /** The id under which a JWT is kept. */
  keptAs(jwt: string): string;
  /** The form as the engine may read it: it refuses JWTs, so theirs is put in place of a `token` that is one. */
  named(form: Form, at: Remembering & { route: string }): Form;
}

const endpoints: readonly string[] = [route.introspection, route.revocation];

/**
 * Access tokens that are JWTs (`resources[].format`). They are kept as others are, under a keyed hash of their text: so those
 * who may ask learn whether the grant, the client and the person are still good, and a token that was taken back is inactive
 * for everybody who asks. Nothing has to be verified: what is found is what we issued, to the letter.
 */
export function createStructuredTokens({ secrets }: { secrets: Pick<Secrets, 'hmac'> }): StructuredTokens {
  const keptAs = (jwt: string) => secrets.hmac('structured-token', jwt);
  return {
    keptAs,
    named(form, { route: at, state }) {
      const { token } = form;
      // ids of the engine's making have no dots
      if (!endpoints.includes(at) || typeof token !== 'string' || !token.includes('.')) return form;
      state.structured = token;
      return { ...form, token: keptAs(token) };
    },
  };
}

/** RFC 7662 2.2: what the engine, which knows tokens by their id alone, leaves out. */
export function claimsOfStructured({ state: { structured } }: Remembering): { jti?: unknown } {
  return structured === undefined ? {} : { jti: readJwt(structured).payload['jti'] };
}
