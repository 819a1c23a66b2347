import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';

import { canaries } from './canaries/index.ts';
import { systemProgram } from './system.ts';

/** The suggestions of the address bar: a page in a process of its own for each window, 0.6 s of CPU for what nobody sees. */
const addressBar = ['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup'];
/** Chromium takes the last list that it is given, so these are the ones that Playwright passes (1.65, for Linux). */
const ofPlaywright = [
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
  'PreconnectToSearch',
];

const flags = [
  `--disable-features=${[...ofPlaywright, ...addressBar].join(',')}`,
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const phoneSize = { width: 390, height: 844 };
export const deskSize = { width: 1280, height: 800 };

export interface Person extends AsyncDisposable {
  page: Page;
  /** What the page wrote as an error, or threw; a page that we show has nothing to complain about. */
  complaints: string[];
}

export interface PersonOptions {
  size?: { width: number; height: number };
  dark?: boolean;
  locale?: string;
}

// A Chromium takes seconds to start: one for all tests of a file.
let chromiumOfThisFile: Promise<Browser> | undefined;
afterAll(async () => (await chromiumOfThisFile)?.close());

/** A window of a real Chromium, with an empty profile of its own: nothing is shared with any other. */
export async function openBrowser({
  size = deskSize,
  dark = false,
  locale = 'en-GB',
}: PersonOptions = {}): Promise<Person> {
  chromiumOfThisFile ??= chromium.launch({ executablePath: systemProgram('chromium'), args: flags });
  const context = await (await chromiumOfThisFile).newContext({
    viewport: size,
    colorScheme: dark ? 'dark' : 'light',
    locale,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  // a window that is opened from it sends the same kinds of things
  context.on('request', (request) => {
    canaries.learn(new URL(request.url()).hash);
    canaries.sent(request.postData() ?? '');
  });
  context.on('response', (response) => canaries.header('location', response.headers()['location'] ?? ''));
  return {
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      for (const { value } of await context.cookies()) canaries.add('a cookie', value);
      await context.close();
    },
  };
}

const axeScript = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe finds against WCAG 2.2 AA, in words; nothing is what we want. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // In the page's own world but not through a script element: the page's policy forbids those, and must.
  const source = readFileSync(axeScript, 'utf8');
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: `${source}; undefined`, allowUnsafeEvalBlockedByCSP: true });
  // Without preload: axe would wait for style sheets that the page's policy does not let it fetch again.
  const { result } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
      .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' | ')))`,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  return result.value as string[];
}

/** Does all of it lie in the window as it is, without scrolling? */
export async function isInView(page: Page, selector: string): Promise<boolean> {
  const box = await page.locator(selector).first().boundingBox();
  const size = page.viewportSize();
  return (
    box !== null &&
    size !== null &&
    box.y >= 0 &&
    box.y + box.height <= size.height &&
    box.x >= 0 &&
    box.x + box.width <= size.width
  );
}
