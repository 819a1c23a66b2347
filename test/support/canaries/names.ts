import type { Search } from './search.ts';

/** Members and parameters that hold a secret or tell who somebody is, and what a finding calls them. */
const secrets: Record<string, string> = {
  access_token: 'an access token',
  refresh_token: 'a refresh token',
  id_token: 'an ID token',
  auth_req_id: 'an auth_req_id',
  registration_access_token: 'a registration access token',
  activation_code: 'an activation code',
  pin_proof: 'a PIN proof',
  device_ticket: 'a device ticket',
  t: 'a device ticket',
  c: 'the code of an offer',
  ...{ client_secret: 'a client secret', secret: 'a secret', key: 'an API key', initialAccessToken: 'an access token' },
  ...{ masterKey: 'the master key', password: 'a password', pin: 'a PIN', otp: 'a code', token: 'a token' },
};

/** What callers send: a token that they send was given to them before, or is nobody's. */
const sent: Record<string, string> = {
  client_secret: 'a client secret',
  client_assertion: 'a client assertion',
  client_notification_token: 'a notification token',
  request: 'a signed request',
  login_hint_token: 'a login hint token',
  user_code: 'a user code',
  binding_message: 'a binding message',
  code_verifier: 'a code verifier',
  login_hint: 'an e-mail address or phone number',
  email: 'an e-mail address',
  phone: 'a phone number',
  external_ref: 'an external reference',
};

const inJson = /"(\w+)"\s*:\s*"((?:[^"\\]|\\.)*)"/g;
const inForm = /(?:^|[?&#])(\w+)=([^&#\s"<>]+)/g;
const isPersonal = /^(?:tel:|email:)?(?:[^\s@]+@[\w.-]+|\+\d{9,})$/;

/** What somebody was answered, a web address with parameters, a configuration: whatever is secret in it by its name. */
export function learnFromAnswer(search: Search, text: string): void {
  learn(search, text, secrets);
}

export function learnFromRequest(search: Search, text: string): void {
  learn(search, text, sent);
}

function learn(search: Search, text: string, names: Record<string, string>): void {
  if (text.startsWith('eyJ')) return void search.add('a device message', text);
  const isJson = /^\s*[[{]/.test(text);
  for (const [, name = '', written = ''] of text.matchAll(isJson ? inJson : inForm)) {
    const value = isJson ? unquoted(written) : decoded(written);
    // a ticket is the fragment of a link
    if (isJson && value.includes('/#')) learn(search, value.slice(value.indexOf('#')), names);
    const called = Object.hasOwn(names, name) ? names[name] : undefined;
    if (called === undefined) continue;
    // a hint may be a plain name, and a key the path of its file
    const isSecret = name === 'login_hint' ? isPersonal.test(value) : !value.startsWith('/');
    if (isSecret) search.add(called, value);
  }
}

function unquoted(written: string): string {
  try {
    return JSON.parse(`"${written}"`);
  } catch {
    return written;
  }
}

function decoded(written: string): string {
  try {
    return decodeURIComponent(written.replaceAll('+', ' '));
  } catch {
    return written;
  }
}

/** `Authorization`, `DPoP`, `Cookie`, `Set-Cookie`, `Location`; others hold nothing. */
export function learnFromHeader(search: Search, name: string, value: string): void {
  const header = name.toLowerCase();
  if (header === 'authorization') learnCredentials(search, value);
  if (header === 'dpop') search.add('a DPoP proof', value);
  if (header === 'location') learn(search, value, secrets);
  if (header === 'set-cookie') search.add('a cookie', value.split(';')[0]!.replace(/^[^=]*=/, ''));
  if (header === 'cookie') for (const pair of value.split('; ')) search.add('a cookie', pair.replace(/^[^=]*=/, ''));
}

function learnCredentials(search: Search, value: string): void {
  const [scheme = '', credentials = ''] = value.split(' ');
  const isNew = search.add(`what follows ${scheme} in an Authorization header`, credentials);
  if (!isNew || scheme.toLowerCase() !== 'basic') return;
  const [, secret = ''] = /:(.*)$/.exec(Buffer.from(credentials, 'base64').toString()) ?? [];
  search.add('a client secret', decoded(secret));
}
