import type { ConfigProblem } from './error.ts';

/**
 * What a preset wants of one setting; with `[]` in its name, of that member of each item of a list. A setting that the
 * configuration does not name is filled in; one that it names must agree, or the server does not start.
 */
type Wish = [setting: string, wanted: Wanted, because: string];

interface Wanted {
  /** Where the configuration says nothing. Of an object its members, each by itself; undefined: it may say nothing. */
  value: unknown;
  accepts(value: unknown): boolean;
  /** After "must be". */
  text: string;
}

const exactly = (value: unknown): Wanted => ({
  value,
  accepts: (actual) => actual === value,
  text: JSON.stringify(value),
});
/** One of these; of a list each member. */
const listWithin = (...values: string[]): Wanted => ({
  value: values,
  accepts: (actual) => Array.isArray(actual) && actual.every((each) => values.includes(each)),
  text: `among ${values.join(', ')}`,
});
const oneOf = (...values: string[]): Wanted => ({
  value: values[0],
  accepts: (actual) => values.includes(actual as string),
  text: `one of ${values.join(', ')}`,
});
const atMost = (most: number, value = most): Wanted => ({
  value,
  accepts: (actual) => Number(actual) <= most,
  text: `${most} or less`,
});
/** At least one, for 0 is no limit; and not more by way of a shorter window, which counts as often as it fits in. */
const rate = (most: number, windowSeconds: number): Wanted => ({
  value: { starts: most, windowSeconds },
  accepts: (actual) => {
    const { starts = 0, windowSeconds: window = 0 } = (actual ?? {}) as { starts?: number; windowSeconds?: number };
    return starts >= 1 && starts * Math.ceil(windowSeconds / window) <= most;
  },
  text: `1 to ${most} starts in any ${windowSeconds} seconds`,
});
/** Of what need not be there. */
const ifGiven = (wanted: Wanted): Wanted => ({
  ...wanted,
  value: undefined,
  accepts: (actual) => actual === undefined || wanted.accepts(actual),
});
const atLeast = (value: number): Wanted => ({
  value,
  accepts: (actual) => Number(actual) >= value,
  text: `${value} or more`,
});

const fapiAlgorithms = ['PS256', 'ES256'];
/** Those with ephemeral elliptic curves; with an ECDSA certificate, which FAPI did not think of, the same. */
const fapiCiphers = ['RSA', 'ECDSA'].flatMap((by) =>
  ['AES128-GCM-SHA256', 'AES256-GCM-SHA384'].map((cipher) => `ECDHE-${by}-${cipher}`),
);

const fapi: Wish[] = [
  ['ciba.deliveryModes', listWithin('poll', 'ping'), 'FAPI-CIBA 5.2.2: no push'],
  ['ciba.requests.mustBeSigned', exactly(true), 'FAPI-CIBA 5.2.2: signed authentication requests'],
  ['ciba.requests.mustHaveContext', exactly(true), 'FAPI-CIBA 5.2.2: a unique context, or a binding message'],
  [
    'clientAuthentication.methods',
    listWithin('private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'),
    'FAPI 1.0 Advanced 5.2.2-14: no shared secrets',
  ],
  ['clientAuthentication.signingAlgs', listWithin(...fapiAlgorithms), 'FAPI 1.0 Advanced 8.6'],
  ['dpop.signingAlgs', listWithin(...fapiAlgorithms), 'FAPI 1.0 Advanced 8.6'],
  ['keys.idTokenAlg', oneOf('ES256', 'PS256'), 'FAPI 1.0 Advanced 8.6'],
  ['keys.idTokenAlgs', listWithin(...fapiAlgorithms), 'FAPI 1.0 Advanced 8.6'],
  ['tokens.senderConstrained', exactly(true), 'FAPI 1.0 Advanced 5.2.2-5: a stolen token is of no use'],
  ['tls.ciphers', ifGiven(listWithin(...fapiCiphers)), 'FAPI 1.0 Advanced 8.5'],
];

export const presets = {
  'fapi-ciba': fapi,

  psd2: [
    ...fapi,
    ['ciba.requests.mustBeTwoFactor', exactly(true), 'RTS-SCA article 4: two elements'],
    ['ciba.requests.mustHaveDetails', exactly(true), 'RTS-SCA article 5: linked to amount and payee'],
    ['ciba.expiry.defaultSeconds', atMost(300), 'RTS-SCA article 4(3)(d): five minutes'],
    ['ciba.expiry.maxSeconds', atMost(300), 'RTS-SCA article 4(3)(d): five minutes'],
    ['signIn.sessionSeconds', atMost(300), 'RTS-SCA article 4(3)(d): five minutes'],
    ['device.pin.maxFailures', atMost(5), 'RTS-SCA article 4(3)(b): five attempts'],
    [
      'device.enrollment.confirm',
      exactly('code'),
      'RTS-SCA article 24(2)(b): a device is bound to its owner, securely',
    ],
    ['device.enrollment.attestation', exactly('require'), 'RTS-SCA article 9: a key that cannot be copied'],
    ['retention.evidenceHours', atLeast(395 * 24), 'PSD2 article 71: thirteen months to object'],
  ],

  agent: [
    ['ciba.requests.mustHaveContext', exactly(true), 'a person sees what is done in their name before it is done'],
    ['ciba.pendingPerClient', exactly(1), 'one question at a time'],
    ['ciba.pendingPolicy', exactly('refuse'), 'software does not ask again while a person thinks'],
    ['limits.perUser', rate(20, 3_600), 'software does not tire of asking, people do of answering'],
    ['limits.notMeSeconds', atLeast(86_400), 'software that was reported waits until somebody has looked into it'],
    ['tokens.accessSeconds', atMost(900), 'software forgets nothing: what it holds must end soon'],
    ['resources[].accessSeconds', ifGiven(atMost(900)), 'software forgets nothing: what it holds must end soon'],
    ['tokens.refreshSeconds', atMost(86_400), 'a new day asks again'],
  ],

  callcenter: [
    ['ciba.requests.mustMatch', exactly(true), 'who is on the phone proves that they hold the device in their hand'],
    ['signIn.match', oneOf('choose', 'type2', 'type6'), 'who reads the number out proves that they see the browser'],
    ['ciba.requests.mustHaveContext', exactly(true), 'a person sees which call it is about'],
    ['ciba.pendingPerUser', exactly(1), 'nobody is on two calls'],
    ['limits.perUserAndClient', rate(5, 600), 'a call needs one request, and now and then another'],
    ['limits.notMeSeconds', atMost(300), 'who was impersonated calls next, and must be able to prove who they are'],
    // `not_me` is a denial, too
    ['limits.backOff.firstSeconds', atMost(300, 10), 'who was impersonated calls next'],
    ['ciba.expiry.defaultSeconds', atMost(120), 'the person is on the phone now'],
    ['ciba.expiry.maxSeconds', atMost(300), 'the person is on the phone now'],
  ],
} satisfies Record<string, Wish[]>;

export type PresetName = keyof typeof presets;

// biome-ignore lint/suspicious/noExplicitAny: settings that the schema has not seen yet can be anything
type Draft = any;

const wishesOf = ({ preset }: Draft): Wish[] => (Object.hasOwn(presets, preset) ? presets[preset as PresetName] : []);

/** Before defaults: what the configuration leaves open. */
export function fillPreset(draft: Draft): void {
  for (const [setting, { value }] of wishesOf(draft)) {
    if (value !== undefined) fill(draft, setting.split('.'), value);
  }
}

function fill(at: Draft, [name = '', ...rest]: string[], value: unknown): void {
  // the schema will say that it should be an object
  if (typeof at !== 'object' || at === null) return;
  if (rest.length > 0) {
    at[name] ??= {};
    fill(at[name], rest, value);
  } else if (typeof value === 'object' && !Array.isArray(value)) {
    for (const [member, each] of Object.entries(value as object)) fill(at, [name, member], each);
  } else at[name] ??= structuredClone(value);
}

/** What contradicts the preset. */
export function presetProblems(config: Draft): ConfigProblem[] {
  return wishesOf(config).flatMap(([wish, { accepts, text }, because]) =>
    found(config, wish.split('.'))
      .filter(([, value]) => !accepts(value))
      .map(([setting]) => ({ setting, message: `must be ${text} with the preset ${config.preset} (${because})` })),
  );
}

/** The settings that a wish is about, with their values. */
function found(at: Draft, [name = '', ...rest]: string[], before = ''): [setting: string, value: unknown][] {
  if (name === '') return [[before, at]];
  const here = before === '' ? '' : `${before}.`;
  if (!name.endsWith('[]')) return found(at?.[name], rest, here + name);
  const list = name.slice(0, -2);
  const items: Draft[] = Array.isArray(at?.[list]) ? at[list] : [];
  return items.flatMap((item, index) => found(item, rest, `${here}${list}[${index}]`));
}
