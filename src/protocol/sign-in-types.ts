import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MatchMode } from '../domain/operation.ts';
import type { Shown } from '../domain/operations.ts';
import type { Shared } from './shared.ts';

/** The members of the configuration that browser sign-in obeys. */
export interface SignInSettings {
  /** From an approval until the browser must ask again. */
  sessionSeconds: number;
  match: MatchMode;
  /** The page offers a code that an authenticator claims, in place of a name. */
  scan: boolean;
}

/** What the engine itself shows in a browser: errors and the way out. Made by `http`; the protocol knows no HTML. */
export interface EnginePages {
  /** Languages by preference. `returnTo`: where the form may lead. */
  error(page: { languages: string[]; status: number; error: string; isSignOut?: boolean }): Page;
  /** What went on here is over, or belongs to another browser. */
  notice(page: { languages: string[]; notice: 'over' }): Page;
  logout(page: { languages: string[]; action: string; xsrf: string; client?: string; returnTo?: string }): Page;
  loggedOut(page: { languages: string[] }): Page;
}

export interface Page {
  html: string;
  csp: string;
}

/** One request of a browser to a page of the sign-in that is named in the path. */
export interface BrowserRequest {
  req: IncomingMessage;
  res: ServerResponse;
  uid: string;
}

/** What the relying party asked for, in words that the page can use. */
export interface SignInRequest extends Shared {
  uiLocales: string[];
  /** Origin, or scheme of an app, to which the browser goes in the end. */
  returnTo: string;
}

export type EndOfSignIn = 'denied' | 'not_me' | 'failed' | 'expired' | 'replaced';

/**
 *     identify ──ask────────────────────────> waiting ──approved──> continue (the engine goes on)
 *        ↑  └────scan──> scan ──claimed──────────^  └──denied, expired, failed, replaced──> ended
 *        │                 └─────expired───────────────────────────────────────────────────^  │
 *        └─────────────────────────────────── again ──────────────────────────────────────────┘
 */
export type SignInView =
  | (SignInRequest & {
      step: 'identify';
      /** From `login_hint`. */
      hint: string;
      /** Signed in here already, and asked again: for consent, or because it was long ago. */
      account?: string;
      /** An authenticator may say who it is. */
      scan: boolean;
    })
  | (SignInRequest & {
      step: 'scan';
      /** For the QR code, and for who is on the phone itself. */
      link: string;
      startedAt: number;
      expiresAt: number;
    })
  | (SignInRequest & {
      step: 'waiting';
      /** Absent: an authenticator has claimed it, and whose it is nobody is told before they approved. */
      who?: string;
      matchCode: string | undefined;
      startedAt: number;
      expiresAt: number;
    })
  | (SignInRequest & { step: 'ended'; who?: string; why: EndOfSignIn })
  | { step: 'continue'; to: string };

export interface Ask {
  /** User name, e-mail or phone as typed; undefined: whoever is signed in here. */
  who: string | undefined;
  origin: NonNullable<Shown['origin']>;
  /** Of the browser, by preference: for who has not chosen one. */
  languages: string[];
}

/** `busy`: as many requests as are allowed wait already. `often`: there were too many, or nobody answered the last ones. */
export interface Refused {
  why: 'busy' | 'often';
  retryAfterSeconds: number;
}

/**
 * Browser sign-in between `/authorize` and the engine's answer. Every call is bound to the browser that came from `/authorize`
 * by the engine's signed cookie, which exists below this one address only: an approval never signs in another browser (S-09).
 * `undefined`: this browser has no such sign-in, or no longer.
 */
export interface SignIn {
  view(browser: BrowserRequest): Promise<SignInView | undefined>;
  /**
   * Asks the person. Nobody may learn from time or answer whether there is one. Once: a second call changes nothing. What refuses
   * it depends on the name that was typed alone, whoever has it.
   */
  ask(browser: BrowserRequest, ask: Ask): Promise<'asked' | Refused | undefined>;
  /** Offers a code in place of a name. Once, as `ask`. `often`: after `again` too many times; a name may be typed. */
  scan(browser: BrowserRequest, ask: Omit<Ask, 'who'>): Promise<'asked' | 'often' | undefined>;
  /** Back to the first step; what was asked is withdrawn. */
  again(browser: BrowserRequest): Promise<true | undefined>;
  /** Back to the relying party without a sign-in: `access_denied`. Answers where to. */
  leave(browser: BrowserRequest): Promise<string | undefined>;
  /**
   * Calls back once when `view` would answer something else than what the page shows, in whatever process that came about. The answer
   * stops it.
   */
  watch(browser: BrowserRequest, shows: 'scan' | 'waiting', changed: () => void): Promise<(() => void) | undefined>;
}
