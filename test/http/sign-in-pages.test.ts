import { createSignInPages } from '../../src/http/pages/sign-in-pages.ts';
import { browserOf } from '../../src/http/pages/user-agent.ts';

const waiting = {
  step: 'waiting' as const,
  client: { id: 'shop', name: 'The shop' },
  scopes: ['openid'],
  claims: [],
  resources: [],
  uiLocales: [],
  returnTo: 'https://shop.example',
  who: 'alice',
  matchCode: '42',
  startedAt: 0,
  expiresAt: 300_000,
};

const pagesFor = (authenticatorOrigin: string, issuer = 'https://login.example') =>
  createSignInPages({ issuer, authenticatorOrigin, language: 'nl' });

test('a phone scans the way to the authenticator; a loopback address, which it could not reach, is a link alone', async () => {
  const { html } = (await pagesFor('https://approve.example')).view({ languages: ['en'], view: waiting });
  expect(html).toContain('href="https://approve.example/"');
  expect(html).toContain('<svg');
  for (const origin of ['http://localhost:3002', 'http://127.0.0.1:3002', 'http://[::1]:3002']) {
    const local = (await pagesFor(origin)).view({ languages: ['en'], view: waiting });
    expect(local.html).toContain(`href="${origin}/"`);
    expect(local.html).not.toContain('<svg');
  }
});

test('a code is a QR code and its link; for a loopback address, which a phone could not reach, the link alone', async () => {
  const link = (origin: string) => `${origin}/#c=7f${'A'.repeat(43)}`;
  const pageFor = async (origin: string) => {
    const { matchCode: _none, who: _nobody, ...common } = waiting;
    const view = { ...common, step: 'scan' as const, link: link(origin) };
    return (await pagesFor(origin)).view({ languages: ['en'], view }).html;
  };
  const far = await pageFor('https://approve.example');
  expect(far).toContain(`href="${link('https://approve.example')}"`);
  expect(far).toContain('<svg role="img" aria-label="QR code that takes the request to your authenticator"');
  const near = await pageFor('http://localhost:3002');
  expect(near).toContain(`href="${link('http://localhost:3002')}"`);
  expect(near).not.toContain('<svg');
});

test('of a request that was claimed nobody is named, nor is there a way to the authenticator, which has it', async () => {
  const { who: _nobody, ...claimed } = waiting;
  const pages = await pagesFor('https://approve.example');
  const { html } = pages.view({ languages: ['en'], view: claimed });
  expect(html).toContain('Type this number there');
  expect(html).not.toContain('approve.example');
  const ended = { ...claimed, step: 'ended' as const, why: 'not_me' as const };
  expect(pages.view({ languages: ['en'], view: ended }).html).toContain('Reported: not started by who scanned it');
});

test('after a denial the button to start again waits as long as the next request would reach nobody', async () => {
  const options = { issuer: 'https://login.example', authenticatorOrigin: 'https://approve.example', language: 'en' };
  const ended = { ...waiting, step: 'ended' as const };
  const textOf = async (againSeconds: number, why: 'denied' | 'failed') =>
    (await createSignInPages({ ...options, againSeconds })).view({ languages: [], view: { ...ended, why } }).html;
  expect(await textOf(10, 'denied')).toContain('data-wait="10" data-waiting="Start again in {time} s"');
  expect(await textOf(0, 'denied')).not.toContain('data-wait');
  // mistyped once is let pass
  expect(await textOf(10, 'failed')).not.toContain('data-wait');
});

test('after “I did not start this” the page promises silence only where there is some', () => {
  const options = { issuer: 'https://login.example', authenticatorOrigin: 'https://approve.example', language: 'en' };
  const view = { ...waiting, step: 'ended' as const, why: 'not_me' as const };
  const textOf = (isSilentAfterNotMe: boolean) =>
    createSignInPages({ ...options, isSilentAfterNotMe }).view({ languages: [], view }).html;
  expect(textOf(true)).toContain('For a while no further request reaches that device');
  expect(textOf(false)).not.toContain('For a while');
  expect(textOf(false)).toContain('Nobody was signed in');
});

test('forms lead to this server and to where the person came from, nowhere else', async () => {
  const { csp } = (await pagesFor('https://approve.example')).view({ languages: [], view: waiting });
  expect(csp).toMatch(/form-action 'self' https:\/\/shop\.example$/);
});

test('an issuer with a path has its files below it; who prefers no language of ours gets the server’s', async () => {
  const pages = await pagesFor('https://approve.example', 'https://login.example/tenant');
  const { html } = pages.view({ languages: ['fr'], view: waiting });
  expect(html).toContain('href="/tenant/sign-in/assets/sign-in.css"');
  expect(html).toContain('<html lang="nl">');
});

test.each([
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0',
    'Edge',
    'Windows',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1',
    'Safari',
    'iOS',
  ],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:131.0) Gecko/20100101 Firefox/131.0', 'Firefox', 'macOS'],
  ['Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36', 'Chrome', 'Android'],
  ['curl/8.5.0', undefined, undefined],
])('%s is told as %s on %s', (text, browser, os) => {
  expect(browserOf(text)).toEqual({ ...(browser && { browser }), ...(os && { os }) });
});
