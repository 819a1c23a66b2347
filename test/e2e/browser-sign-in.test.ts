/** An ordinary website, a browser at a desk, and the authenticator on a phone: every way a sign-in can go, in real Chromium. */
import type { Page } from 'playwright-core';
import { accessibilityProblems, isInView, openBrowser, type Person, phoneSize } from '../support/browser.ts';
import { approveOn, enrollIn, newPerson, numbersOn, pin } from '../support/people.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { requireSystem } from '../support/system.ts';

requireSystem('chromium')('signing in to a website', () => {
  // one person with one phone for all of them: each test leaves nothing on it that waits
  let server: TestServer;
  let user: string;
  let phone: Person;
  beforeAll(async () => {
    server = await startServer();
    ({ user, phone } = await somebody(server));
  });
  beforeEach(async () => {
    await phone.page.reload();
    await phone.page.waitForSelector('text=Nothing to answer');
    phone.complaints.length = 0;
  });
  afterAll(async () => {
    await phone?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test('B02 with a name and an approval on the phone, and out again; the second time nobody is asked', async () => {
    await using desk = await openBrowser();
    await begin(server, desk.page);
    expect(await desk.page.textContent('.shares')).toContain('your e-mail address');
    await desk.page.fill('#who', user);
    await desk.page.click('button[value=ask]');

    const number = await desk.page.textContent('#number');
    await phone.page.waitForSelector('#approve');
    expect(await phone.page.textContent('h1')).toBe('Demo website');
    // what the approval shares is what the person reads on the device
    expect(await phone.page.textContent('.shared')).toBe(
      'Approving gives Demo website: your name, user name and language, your e-mail address.',
    );
    expect(await phone.page.textContent('.origin')).toContain('Chrome');
    await approveOn(phone.page, number);

    await desk.page.waitForSelector('text=Hello, Alice');
    const facts = await desk.page.textContent('dl');
    expect(facts).toContain(`${user}@example.test`);
    expect(facts).toContain('swk, pin, mfa');
    expect(facts).toContain('urn:assent:acr:two-factor');

    await desk.page.goto(`${server.issuer}/demo/web/sign-in`);
    await desk.page.waitForSelector('text=Hello, Alice');

    await desk.page.click('text=Sign out');
    await desk.page.waitForSelector('text=Demo website asks to sign you out');
    await desk.page.click('button[name=logout]');
    await desk.page.waitForURL('**/demo/web');
    await begin(server, desk.page);
    expect([...phone.complaints, ...desk.complaints]).toEqual([]);
  });

  test('B02 S-09 without a name: the authenticator takes the code, keeps it out of the address, and the number is typed', async () => {
    await using desk = await openBrowser();
    const scan = async () => {
      await desk.page.click('button[value=scan]');
      return String(await desk.page.getAttribute('#open', 'href'));
    };
    await begin(server, desk.page);
    const first = await scan();
    expect(first).toContain(`${server.authenticator}/#c=`);
    const opening = desk.page.context().waitForEvent('page');
    await desk.page.click('#open');
    await (await opening).waitForSelector('text=This browser is no authenticator yet');

    // the authenticator is open in another window already
    const second = await phone.page.context().newPage();
    await second.goto(first);
    await second.waitForSelector('#match');
    expect(second.url()).toBe(`${server.authenticator}/`);
    expect(await second.textContent('.origin')).toContain('Chrome');
    expect(await second.textContent('#check')).toContain('only if you opened that page yourself');
    await desk.page.waitForSelector('#number');
    expect(await desk.page.textContent('main')).not.toMatch(/alice/i);
    await desk.page.click('button[value=again]');
    await second.waitForSelector('text=This request was withdrawn');
    await phone.page.click('.answer button');

    // pasted into the address of the window that is open
    await second.goto(first);
    await second.waitForSelector('text=The page no longer waits for this');
    await second.goto(`${server.authenticator}/#c=${'x'.repeat(45)}`);
    await second.waitForSelector('text=This code leads nowhere');
    await second.goto(await scan());
    await second.waitForSelector('#match');
    await desk.page.waitForSelector('#number');
    await second.fill('#match', String(await desk.page.textContent('#number')));
    await second.click('#approve');
    await second.fill('#pin', pin);
    await second.click('#confirm');
    await desk.page.waitForSelector('text=Hello, Alice');
    // the other window had it as well, and knows that it is answered
    await phone.page.waitForSelector('text=Answered elsewhere');
    await second.close();
    expect([...phone.complaints, ...desk.complaints]).toEqual([]);
  });

  test('denied: the page says so, and the person can start again or go back', async () => {
    await using desk = await openBrowser();
    await ask(server, desk.page, user);
    await phone.page.click('#deny');
    await phone.page.click('#reason-incorrect_data');
    await desk.page.waitForSelector('text=You denied on your device');
    expect(await desk.page.textContent('.notice')).toContain('Nobody was signed in');
    await desk.page.click('button[value=again]');
    await desk.page.waitForSelector('#who');
    await desk.page.click('button[value=leave]');
    await desk.page.waitForSelector('text=You came back without signing in');
    expect(desk.complaints).toEqual([]);
  });

  test('“I did not start this” and a wrong number are told as what they are', async () => {
    await using desk = await openBrowser();
    await ask(server, desk.page, user);
    await phone.page.click('text=I did not start this');
    await desk.page.waitForSelector(`text=Reported: not started by ${user}`);
    await desk.page.click('button[value=again]');
    await phone.page.click('.answer button');

    await desk.page.fill('#who', user);
    await desk.page.keyboard.press('Enter');
    const number = await desk.page.textContent('#number');
    const wrong = (await numbersOn(phone.page)).find((each) => each !== number);
    await approveOn(phone.page, wrong ?? null);
    await desk.page.waitForSelector('text=The number or the PIN was wrong');
  });

  test('two tabs of one browser do not disturb each other', async () => {
    await using desk = await openBrowser();
    const second = await desk.page.context().newPage();
    await begin(server, desk.page);
    await begin(server, second);
    await ask(server, second, user, { isThere: true });
    const number = await second.textContent('#number');
    expect(await desk.page.textContent('h1')).toBe('Sign in');
    await approveOn(phone.page, number);
    await second.waitForSelector('text=Hello, Alice');
    // the first tab still asks; nobody was signed in there
    await desk.page.reload();
    expect(await desk.page.textContent('h1')).toBe('Sign in');
    await phone.page.click('.answer button');
    await ask(server, desk.page, user, { isThere: true });
    await approveOn(phone.page, await desk.page.textContent('#number'));
    await desk.page.waitForURL('**/demo/web');
  });

  test('the back button shows no number that is over, and signs nobody in or out', async () => {
    await using desk = await openBrowser();
    await ask(server, desk.page, user);
    await approveOn(phone.page, await desk.page.textContent('#number'));
    await desk.page.waitForSelector('text=Hello, Alice');
    for (let i = 0; i < 4 && !(await desk.page.title()).includes('over'); i++) {
      await desk.page.goBack();
      expect(await desk.page.locator('#number').count()).toBe(0);
    }
    await desk.page.goto(`${server.issuer}/demo/web`);
    await desk.page.waitForSelector('text=Hello, Alice');
  });

  test('the keyboard is enough, and the focus is where one goes on', async () => {
    await using desk = await openBrowser();
    await desk.page.goto(`${server.issuer}/demo/web`);
    await desk.page.waitForSelector('a[href="/demo/web/sign-in"]');
    await tabTo(desk.page, 'Sign in');
    await desk.page.keyboard.press('Enter');
    await desk.page.waitForSelector('#who:focus');
    await desk.page.keyboard.press('Enter');
    await desk.page.waitForSelector('#who[aria-invalid=true]:focus');
    await desk.page.keyboard.type(user);
    await desk.page.keyboard.press('Enter');
    await desk.page.waitForSelector('#number');
    await tabTo(desk.page, 'Start again');
    await desk.page.keyboard.press('Enter');
    await desk.page.waitForSelector('#who:focus');
    expect(await phone.page.locator('#approve').count()).toBeLessThanOrEqual(1);
  });

  test('TH-04 for a name that nobody has, the page is the one that everybody gets', async () => {
    await using desk = await openBrowser();
    const seen = async (who: string) => {
      await ask(server, desk.page, who);
      // the page's script has begun to count
      await desk.page.waitForSelector('[data-left]:not([hidden])');
      return String(await desk.page.textContent('main'))
        .replaceAll(who, 'NAME')
        .replace(/\d+:\d\d|\d\d/g, 'N');
    };
    expect(await seen('nobody-at-all')).toBe(await seen(user));
    await desk.page.click('button[value=again]');
    await phone.page.waitForSelector('text=This request was withdrawn');
  });

  test('without JavaScript it works just as well', async () => {
    await using desk = await openBrowser();
    const session = await desk.page.context().newCDPSession(desk.page);
    await session.send('Emulation.setScriptExecutionDisabled', { value: true });
    await desk.page.goto(`${server.issuer}/demo/web/sign-in`);
    await ask(server, desk.page, user, { isThere: true });
    await approveOn(phone.page, await desk.page.textContent('#number'));
    await desk.page.waitForURL('**/demo/web');
  });

  test.each([
    ['light at a desk', {}],
    ['dark on a phone, in Dutch', { size: phoneSize, dark: true, locale: 'nl-NL' }],
  ])('axe finds nothing, nothing overflows, the number is in view: %s', async (_, options) => {
    await using desk = await openBrowser(options);
    const found: Record<string, unknown> = {};
    const look = async (name: string) => {
      const problems = await accessibilityProblems(desk.page);
      const overflow = Number(await desk.page.evaluate('document.documentElement.scrollWidth - innerWidth'));
      if (problems.length > 0 || overflow > 0) found[name] = { problems, overflow };
    };
    await desk.page.goto(`${server.issuer}/demo/web`);
    await desk.page.waitForSelector('h1');
    await look('website');
    await desk.page.click('a[href="/demo/web/sign-in"]');
    await desk.page.waitForSelector('#who');
    await look('who');
    await desk.page.click('button[value=ask]');
    await desk.page.waitForSelector('#who-error');
    await look('nobody entered');
    await desk.page.click('button[value=scan]');
    await desk.page.waitForSelector('#open');
    await look('code');
    await desk.page.click('button[value=again]');
    await desk.page.waitForSelector('#who');
    await ask(server, desk.page, user, { isThere: true });
    await look('waiting');
    expect(await isInView(desk.page, '#number')).toBe(true);
    await approveOn(phone.page, await desk.page.textContent('#number'));
    await desk.page.waitForSelector('dl');
    await look('signed in');
    await phone.page.click('.answer button');
    await desk.page.goto(`${server.issuer}/demo/web/sign-in?prompt=login`);
    await desk.page.waitForSelector('button[value=ask-account]');
    await look('again');
    await desk.page.click('button[value=ask-account]');
    await phone.page.click('#deny');
    await phone.page.click('#reason-not_me');
    await desk.page.waitForSelector('.notice');
    await look('denied');
    await desk.page.goto(`${server.issuer}/logout`);
    await desk.page.waitForSelector('button[name=logout]');
    await look('sign out');
    await desk.page.click('button[name=logout]');
    await desk.page.waitForURL('**/logout/success');
    await look('signed out');
    await desk.page.goto(`${server.issuer}/authorize?client_id=nobody`);
    await look('error');
    expect(found).toEqual({});
  });
});

requireSystem('chromium')('promise 1: a server that is killed while somebody waits', () => {
  test('costs nothing: the number is the same, and the page goes on by itself', async () => {
    await using server = await startServer();
    const { user, phone } = await somebody(server);
    await using _phone = phone;
    await using desk = await openBrowser();
    await ask(server, desk.page, user);
    const number = await desk.page.textContent('#number');
    await server.restart();
    await phone.page.reload();
    await approveOn(phone.page, number);
    // the demo website keeps its visitors in memory: it has forgotten this one, the server has not
    await desk.page.waitForURL('**/demo/web');
    await desk.page.goto(`${server.issuer}/demo/web/sign-in`);
    await desk.page.waitForSelector('text=Hello, Alice');
  });
});

requireSystem('chromium')('a request that nobody answers', () => {
  test('ends by itself, and the page says so without being asked', async () => {
    await using server = await startServer({ config: { ciba: { expiry: { defaultSeconds: 10, minSeconds: 10 } } } });
    await using desk = await openBrowser();
    await ask(server, desk.page, 'alice');
    await desk.page.waitForSelector('text=No answer in time');
    expect(await desk.page.textContent('.notice')).toContain('nobody was signed in');
    expect(desk.complaints).toEqual([]);
  });
});

async function somebody(server: TestServer): Promise<{ user: string; phone: Person }> {
  const user = await newPerson(server);
  const phone = await openBrowser({ size: phoneSize });
  await enrollIn(phone.page, server, user);
  return { user, phone };
}

async function begin(server: TestServer, page: Page): Promise<void> {
  await page.goto(`${server.issuer}/demo/web/sign-in`);
  await page.waitForSelector('#who');
}

/** Until the number is there. */
async function ask(
  server: TestServer,
  page: Page,
  who: string,
  { isThere = false }: { isThere?: boolean } = {},
): Promise<void> {
  if (!isThere) await begin(server, page);
  await page.fill('#who', who);
  await page.click('button[value=ask]');
  await page.waitForSelector('#number');
}

/** Focus by Tab alone, as somebody without a pointer would. */
async function tabTo(page: Page, text: string): Promise<void> {
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate('document.activeElement?.textContent')) === text) return;
  }
  throw new Error(`no Tab leads to ${text}`);
}
