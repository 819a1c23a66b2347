/** Vectors for `claim` (device-protocol, section 6): the message, for the server; the link, for the device. */
import { keys, now, type Row, rk, row, sessionId, sessionKey } from './cast.ts';
import { b64, jweDir, jws, padded, sha256 } from './forge.ts';
import { proofOf, request, requestHeader, signedRequest, up } from './up-rows.ts';

const code = '7fAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

const claimRow = (name: string, expect: string, claims: object) =>
  row(`claim: ${name}`, expect, up({ jws: signedRequest({ act: 'claim', ...claims }) }), 'claim');

function withProof(): string {
  const payload = JSON.stringify(request({ act: 'claim', code }));
  const proof = proofOf(payload);
  const header = requestHeader({ proofs_sha256: [sha256(proof)] });
  return up({ jws: jws(header, payload, keys.sig.privateKey), proofs: [proof] });
}

function inSession(): string {
  const header = { alg: 'dir', enc: 'A256GCM', typ: 'assent-up', cty: 'json', kid: sessionId };
  return jweDir(header, padded({ rk: b64(rk), request: request({ act: 'claim', code }) }), sessionKey);
}

export const claimRows: Row[] = [
  claimRow('a code', 'accepted', { code }),
  claimRow('a code that is none: who reads the message alone cannot tell', 'accepted', { code: 'none' }),
  claimRow('a code and a counter', 'accepted', { code, ctr: 7 }),
  claimRow('no code', 'message_invalid', {}),
  claimRow('an empty code', 'message_invalid', { code: '' }),
  claimRow('a code longer than any', 'message_invalid', { code: 'A'.repeat(65) }),
  claimRow('a code that is a list', 'message_invalid', { code: [code] }),
  claimRow('the link in place of the code', 'message_invalid', { code: `https://approve.example.test/#c=${code}` }),
  claimRow('signed for another call', 'message_invalid', { code, act: 'decide' }),
  claimRow('a minute too old', 'clock_skew', { code, iat: now - 180 }),
  row('claim: with a proof, of which nothing is asked', 'message_invalid', withProof(), 'claim'),
  row('claim: under a session', 'message_invalid', inSession(), 'claim'),
  row(
    'claim: signed by a stranger',
    'device_refused',
    up({ jws: signedRequest({ act: 'claim', code }, {}, keys.stranger.privateKey) }),
    'claim',
  ),
];

const link = (fragment: string) => `https://approve.example.test/#${fragment}`;

/** `code` is what is to be sent. */
export const linkRows: { name: string; text: string; expect: string; code?: string }[] = [
  { name: 'a link', text: link(`c=${code}`), expect: 'accepted', code },
  { name: 'a link with a path', text: `https://approve.example.test/app/#c=${code}`, expect: 'accepted', code },
  { name: 'a link with more in it, which is left alone', text: link(`v=1&c=${code}`), expect: 'accepted', code },
  { name: 'a code', text: code, expect: 'accepted', code },
  { name: 'a code with space around it', text: ` ${code}\n`, expect: 'accepted', code },
  { name: 'nothing', text: '', expect: 'claim_unreadable' },
  { name: 'a link without a fragment', text: 'https://approve.example.test/', expect: 'claim_unreadable' },
  { name: 'an enrollment link', text: link(`t=${code}&k=AAAA`), expect: 'claim_unreadable' },
  { name: 'an empty code', text: link('c='), expect: 'claim_unreadable' },
  { name: 'a code in the query', text: `https://approve.example.test/?c=${code}`, expect: 'claim_unreadable' },
  { name: 'a code with other characters', text: link(`c=${code}/..`), expect: 'claim_unreadable' },
  { name: 'a text', text: 'two words', expect: 'claim_unreadable' },
];
