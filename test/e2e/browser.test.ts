/** Both sides of the same moment, in real Chromium: from an empty profile to the verified person, and every way it can end. */
import type { Page } from 'playwright-core';
import { accessibilityProblems, isInView, openBrowser, type Person, phoneSize } from '../support/browser.ts';
import { numbersOn } from '../support/people.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { requireSystem } from '../support/system.ts';

const pin = '271990';
const otherPin = '445100';
/** What a ticket says to the device that it made. */
const afterwards = { title: 'Welcome', text: 'Your card is <b>at the desk</b>.\nBring this phone.' };

requireSystem('chromium')('in a browser', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  test('B02 F190 F204 from an empty profile to the verified person on the help desk page', async () => {
    const user = await newUser(server);
    await using phone = await openBrowser({ size: phoneSize });
    await using desk = await openBrowser();
    await enroll(server, phone.page, user);

    await ask(server, desk.page, user, 'Change of address, case 4711');
    const number = await desk.page.textContent('#number');
    await phone.page.waitForSelector('#approve');
    expect(await phone.page.textContent('h1')).toBe('Demo help desk');
    // the same text on both sides
    expect(await phone.page.textContent('blockquote')).toBe('Change of address, case 4711');
    expect(await desk.page.textContent('blockquote')).toBe('Change of address, case 4711');
    await choose(phone.page, number);
    await phone.page.fill('#pin', pin);
    await phone.page.click('#confirm');

    await phone.page.waitForSelector('text=Approved');
    await desk.page.waitForSelector('text=It is Alice');
    const facts = await desk.page.textContent('dl');
    expect(facts).toContain(`${user}@example.test`);
    expect(facts).toContain('swk, pin, mfa');
    expect(facts).toContain('urn:assent:acr:two-factor');
    expect([...phone.complaints, ...desk.complaints]).toEqual([]);
  });

  test('who asks, the number and both buttons are in view without scrolling; nothing overflows in Dutch', async () => {
    const user = await newUser(server);
    await using phone = await openBrowser({ size: phoneSize, locale: 'nl-NL' });
    await using desk = await openBrowser({ locale: 'nl-NL' });
    await enroll(server, phone.page, user);
    await ask(server, desk.page, user, 'ĳ'.repeat(60));
    await phone.page.waitForSelector('#approve');
    for (const selector of ['h1', '.choices', '#deny', '#approve'])
      expect([selector, await isInView(phone.page, selector)]).toEqual([selector, true]);
    expect(await phone.page.getAttribute('html', 'lang')).toBe('nl');
    expect(await phone.page.textContent('#approve')).toBe('Goedkeuren');
    const overflow = Number(await phone.page.evaluate('document.documentElement.scrollWidth - innerWidth'));
    expect(overflow).toBeLessThanOrEqual(0);
    const [deny, approve] = await Promise.all(['#deny', '#approve'].map((id) => phone.page.locator(id).boundingBox()));
    expect([deny?.width, deny?.height]).toEqual([approve?.width, approve?.height]);
  });

  test.each([
    ['light', false],
    ['dark', true],
  ])('axe finds nothing on any screen, %s', async (_, dark) => {
    const user = await newUser(server);
    const found: Record<string, string[]> = {};
    await using phone = await openBrowser({ size: phoneSize, dark });
    await using desk = await openBrowser({ dark });
    const look = async (name: string, { page }: Person) => {
      const problems = await accessibilityProblems(page);
      if (problems.length > 0) found[name] = problems;
    };
    await phone.page.goto(server.authenticator);
    await phone.page.waitForSelector('text=No enrollment on this device yet');
    await look('welcome', phone);
    await phone.page.click('button');
    await look('code', phone);
    await enroll(server, phone.page, user, (step) => look(step, phone));
    await desk.page.goto(`${server.issuer}/demo/helpdesk`);
    await look('help desk', desk);
    await ask(server, desk.page, user, 'Case 4711');
    await look('help desk waiting', desk);
    await phone.page.waitForSelector('text=Case 4711');
    await look('prompt', phone);
    await phone.page.click('#deny');
    await look('reasons', phone);
    await phone.page.click('#reason-not_me');
    await phone.page.waitForSelector('.outcome');
    await look('outcome', phone);
    await phone.page.click('.answer button');
    await lookAtSettings(phone.page, (screen) => look(screen, phone));
    await desk.page.waitForSelector('.notice.bad');
    await look('help desk refused', desk);
    await desk.page.goto(`${server.issuer}/demo/tv`);
    await look('tv', desk);
    expect(found).toEqual({});
  });

  test('a PIN that was changed on the device is the one that approves', async () => {
    const user = await newUser(server);
    await using phone = await openBrowser({ size: phoneSize });
    await using desk = await openBrowser();
    await enroll(server, phone.page, user);
    await phone.page.click('#settings');
    await phone.page.click('#change-pin');
    await phone.page.fill('#old-pin', pin);
    await phone.page.fill('#pin', otherPin);
    await phone.page.fill('#pin-again', otherPin);
    await phone.page.click('#act');
    await phone.page.waitForSelector('text=Your PIN was changed');
    await phone.page.click('.answer button');

    // a request does not interrupt who is in the settings; it is one tap away
    await ask(server, desk.page, user, 'Case 4712');
    await phone.page.click('#show-request');
    await phone.page.waitForSelector('#approve');
    await choose(phone.page, await desk.page.textContent('#number'));
    await phone.page.fill('#pin', otherPin);
    await phone.page.click('#confirm');
    await desk.page.waitForSelector('text=It is Alice');
    expect(phone.complaints).toEqual([]);
  });

  test('the keys stay in the browser: none of them can be exported, and no PIN is stored', async () => {
    const user = await newUser(server);
    await using phone = await openBrowser({ size: phoneSize });
    await enroll(server, phone.page, user);
    const stored = (await phone.page.evaluate(dumpDatabases)) as { keys: { extractable: boolean }[]; text: string };
    expect(stored.keys.length).toBeGreaterThanOrEqual(3);
    expect(stored.keys.filter((key) => key.extractable)).toEqual([]);
    expect(stored.text).not.toContain(pin);
    // the ticket is gone from the address, and so from the history
    expect(phone.page.url()).toBe(`${server.authenticator}/`);
  });

  test('three tabs hold one event stream and know the same; another takes over when its tab is closed', async () => {
    const user = await newUser(server);
    await using phone = await openBrowser({ size: phoneSize });
    await using desk = await openBrowser();
    const tabs = phone.page.context();
    let streams = 0;
    tabs.on('request', (request) => void (streams += request.url().endsWith('/device/v1/events') ? 1 : 0));
    await enroll(server, phone.page, user);
    const second = await tabs.newPage();
    await second.goto(server.authenticator);
    await second.waitForSelector('text=Last checked');
    await ask(server, desk.page, user, 'In every tab');
    // one that is opened later is told by the first what waits
    const third = await tabs.newPage();
    await third.goto(server.authenticator);
    for (const page of [phone.page, second, third]) await page.waitForSelector('text=In every tab');
    expect(streams).toBe(1);

    // whoever looks at a tab does not depend on one in the background
    await phone.page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden' })");
    const taken = second.waitForRequest('**/device/v1/events');
    await second.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await taken;
    expect(streams).toBe(2);

    await second.close();
    await choose(third, await desk.page.textContent('#number'));
    await third.fill('#pin', pin);
    await third.click('#confirm');
    await third.waitForSelector('text=Approved');
    await phone.page.waitForSelector('text=Answered elsewhere');
    expect(streams).toBe(3);
  });

  test('B02 the authenticator can be installed: Chromium has nothing against its manifest and its icons', async () => {
    await using phone = await openBrowser({ size: phoneSize });
    await phone.page.goto(server.authenticator);
    const session = await phone.page.context().newCDPSession(phone.page);
    const { url, errors, data } = await session.send('Page.getAppManifest');
    expect([url, errors]).toEqual([`${server.authenticator}/manifest.webmanifest`, []]);
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    // all that it has against it, and that is ours: each window of these tests has a profile that is thrown away
    expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(['in-incognito']);
    const { icons } = JSON.parse(data!) as { icons: { src: string; sizes: string; type: string }[] };
    expect(icons.map(({ sizes }) => sizes)).toEqual(expect.arrayContaining(['192x192', '512x512']));
    for (const { src, sizes, type } of icons) {
      const answer = await fetch(new URL(src, server.authenticator));
      expect([src, answer.status, answer.headers.get('content-type')]).toEqual([src, 200, type]);
      if (type === 'image/png') expect(sizeOf(await answer.bytes())).toBe(sizes);
    }
    expect(phone.complaints).toEqual([]);
  });

  test('no script can make a Trusted Types policy beside the one for the service worker', async () => {
    await using phone = await openBrowser({ size: phoneSize });
    await phone.page.goto(server.authenticator);
    await phone.page.waitForSelector('text=No enrollment on this device yet');
    expect(await phone.page.evaluate('navigator.serviceWorker.ready.then(({ active }) => active.scriptURL)')).toBe(
      `${server.authenticator}/sw.js`,
    );
    expect(phone.complaints).toEqual([]);
    for (const name of ['another', 'assent-service-worker']) {
      const made = `trustedTypes.createPolicy('${name}', { createScriptURL: (url) => url })`;
      await expect(phone.page.evaluate(made)).rejects.toThrow('createPolicy');
    }
  });

  describe('on a phone that is enrolled', () => {
    // one for all of these tests: each leaves nothing on it that waits
    let user: string;
    let phone: Person;
    beforeAll(async () => {
      user = await newUser(server);
      phone = await openBrowser({ size: phoneSize });
      await enroll(server, phone.page, user);
    });
    beforeEach(async () => {
      await phone.page.reload();
      await phone.page.waitForSelector('text=Nothing to answer');
    });
    afterAll(async () => phone?.[Symbol.asyncDispose]());

    test('a denial with a reason is told to the help desk in plain words', async () => {
      await using desk = await openBrowser();
      await ask(server, desk.page, user, 'Refund of 12.50');
      await phone.page.click('#deny');
      await phone.page.click('#reason-incorrect_data');
      await phone.page.waitForSelector('text=now sees that something in the request is not right');
      await desk.page.waitForSelector('text=something in the request is not right');
    });

    test('a wrong number closes the request on both sides', async () => {
      await using desk = await openBrowser();
      await ask(server, desk.page, user, '');
      const number = await desk.page.textContent('#number');
      const options = await numbersOn(phone.page);
      await choose(phone.page, options.find((option) => option !== number) ?? '');
      await phone.page.fill('#pin', pin);
      await phone.page.click('#confirm');
      await phone.page.waitForSelector('text=This request is closed');
      await desk.page.waitForSelector('text=The number or the PIN was wrong');

      // the second wrong answer in a row: the next one would lock the device, and that is said before
      await phone.page.click('.answer button');
      await ask(server, desk.page, user, 'Once more');
      const shown = await desk.page.textContent('#number');
      await phone.page.waitForSelector('text=Once more');
      const others = (await numbersOn(phone.page)).filter((option) => option !== shown);
      await phone.page.click('#approve');
      await phone.page.waitForSelector('text=Choose the number first');
      await phone.page.check(`input[value="${others[0]}"]`, { force: true });
      expect(await phone.page.isVisible('text=Choose the number first')).toBe(false);
      await phone.page.click('#approve');
      await phone.page.fill('#pin', pin);
      await phone.page.click('#confirm');
      await phone.page.waitForSelector('text=One more wrong answer locks this device');
    });

    test('F189 the TV shows the number and greets the person, who used the keyboard alone', async () => {
      await using tv = await openBrowser();
      await tv.page.goto(`${server.issuer}/demo/tv`);
      await tv.page.waitForSelector('#user:focus');
      await tv.page.keyboard.type(user);
      await tv.page.keyboard.press('Enter');
      const number = await tv.page.textContent('#number');

      await phone.page.waitForSelector('#approve');
      const options = await numbersOn(phone.page);
      await phone.page.keyboard.press('Tab');
      await phone.page.keyboard.press('Space');
      for (let i = 0; i < options.indexOf(String(number)); i++) await phone.page.keyboard.press('ArrowRight');
      await tabTo(phone.page, 'approve');
      await phone.page.keyboard.press('Enter');
      await phone.page.waitForSelector('#pin:focus');
      await phone.page.keyboard.type(pin);
      await phone.page.keyboard.press('Enter');
      await tv.page.waitForSelector('text=Welcome, Alice');
    });

    test('an answer of which nothing came back: the page asks what became of it, and says nothing before it knows', async () => {
      await using desk = await openBrowser();
      const [decide, status] = ['**/device/v1/decide', '**/device/v1/status'];
      await ask(server, desk.page, user, 'In a tunnel');
      const number = await desk.page.textContent('#number');
      await phone.page.route(decide, (route) => route.abort());
      await choose(phone.page, number);
      await phone.page.fill('#pin', pin);
      await phone.page.click('#confirm');
      await phone.page.waitForSelector('text=Your answer did not arrive, or was not right');
      // what was chosen stays, also on the way back
      const chosen = () => phone.page.locator('input[name=match]:checked').getAttribute('value');
      expect(await chosen()).toBe(number);
      await phone.page.click('#deny');
      await phone.page.click('text=Back');
      expect(await chosen()).toBe(number);

      await phone.page.unroute(decide);
      await phone.page.route(decide, async (route) => void (await route.fetch().then(() => route.abort())));
      await phone.page.route(status, (route) => route.abort());
      await phone.page.click('#approve');
      await phone.page.fill('#pin', pin);
      await phone.page.click('#confirm');
      await phone.page.waitForSelector('text=It is not known yet whether your answer arrived');
      await desk.page.waitForSelector('text=It is Alice');
      await phone.page.unrouteAll();
      await phone.page.waitForSelector('text=now sees that it is you');
    });

    test('a request that comes while another is shown is told above it, and one tap brings it up; its asker can take it back', async () => {
      await using desk = await openBrowser();
      await using tv = await openBrowser();
      await ask(server, desk.page, user, 'The first');
      await phone.page.waitForSelector('text=The first');
      await tv.page.goto(`${server.issuer}/demo/tv`);
      await tv.page.fill('#user', user);
      await tv.page.keyboard.press('Enter');
      await phone.page.waitForSelector('text=Another request is waiting');
      expect(await phone.page.textContent('blockquote')).toBe('The first');
      expect(await accessibilityProblems(phone.page)).toEqual([]);
      await phone.page.click('#show-request');
      await phone.page.waitForSelector('h1:text("Demo TV")');
      expect(await phone.page.locator('#show-request').count()).toBe(0);
      await phone.page.click('#deny');
      await phone.page.click('#reason-cancelled');
      await phone.page.waitForSelector('text=now sees that you changed your mind');
      await phone.page.click('.answer button');
      await phone.page.waitForSelector('text=The first');

      // asked again, the help desk takes its former question back first, whomever it was put to
      await desk.page.fill('#who', await newUser(server));
      await desk.page.click('button[type=submit]');
      await phone.page.waitForSelector('text=This request was withdrawn');
      await desk.page.waitForSelector('text=This person has no device that can answer');
      await phone.page.click('.answer button');
      await desk.page.fill('#who', user);
      await desk.page.click('button[type=submit]');
      await phone.page.waitForSelector('#approve');
      await desk.page.click('#cancel');
      await desk.page.waitForSelector('text=Request withdrawn');
      await phone.page.waitForSelector('text=This request was withdrawn');
    });

    test('without a connection nobody is told that nothing waits', async () => {
      await phone.page.waitForSelector('text=Nothing to answer');
      await phone.page.context().setOffline(true);
      await phone.page.waitForSelector('text=No connection');
      expect(await phone.page.isVisible('text=To test it')).toBe(false);
      await phone.page.context().setOffline(false);
      await phone.page.waitForSelector('text=Nothing to answer');
    });

    test('a reload shows the same device and the request that still waits', async () => {
      await using desk = await openBrowser();
      await ask(server, desk.page, user, 'After a reload');
      await phone.page.waitForSelector('text=After a reload');
      await phone.page.reload();
      await phone.page.waitForSelector('text=After a reload');
    });
  });
});

requireSystem('chromium')('a second device, where the first one must say yes and six digits are typed', () => {
  let server: TestServer;
  beforeAll(async () => {
    const strict = { confirm: 'code', approve_by_existing_device: 'if_any' };
    const application = { id: 'assent-web', methods: ['device', 'pin'], enrollment_mode: 'multiple' };
    server = await startServer({ config: { applications: [{ ...application, name: 'Web', ...strict }] } });
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  test('is added by a link of the first; a notice of it stands there, and one tap removes it', async () => {
    const user = await newUser(server);
    await using first = await openBrowser({ size: phoneSize });
    await using second = await openBrowser({ size: phoneSize });
    await enrollWithCode(server, first.page, user);
    await first.page.click('#settings');
    await first.page.click('#add-device');
    await first.page.fill('#old-pin', pin);
    await first.page.click('#act');
    const link = String(await first.page.getAttribute('#copy', 'data-link'));

    await second.page.goto(link);
    await second.page.fill('#name', 'Tablet');
    await choosePin(second.page);
    await second.page.waitForSelector('text=Approve on your other device');
    // the device that waits for it is shown the question at once, in the server's own name
    await first.page.waitForSelector('text=Add “Tablet” to your devices?');
    expect(await first.page.locator('.registered').count()).toBe(0);
    await first.page.fill('#match', await codeOn(second.page));
    await first.page.click('#approve');
    await first.page.fill('#pin', pin);
    await first.page.click('#confirm');
    await first.page.waitForSelector('text=Device added');
    await first.page.click('.answer button');
    await second.page.click('#done');
    await second.page.waitForSelector('#settings');

    await first.page.waitForSelector('text=A new device was added: “Tablet”');
    expect(await first.page.textContent('#said')).toContain('A new device was added');
    expect(await accessibilityProblems(first.page)).toEqual([]);
    const tab = await first.page.context().newPage();
    await tab.goto(server.authenticator);
    await tab.waitForSelector('[data-notice="device.activated"]');
    await first.page.click('text=This was not me: remove it');
    await first.page.waitForSelector('text=It can no longer approve anything');
    await tab.waitForSelector('[data-notice="device.activated"]', { state: 'detached' });
    await second.page.waitForSelector('text=This device is no longer enrolled');
    await first.page.click('text=I have seen this');
    await first.page.reload();
    await first.page.waitForSelector('#settings');
    expect(await first.page.locator('[data-notice="device.activated"]').count()).toBe(0);
  });

  test('who opens a link of somebody else gets nothing when the owner says no, and is told so', async () => {
    const user = await newUser(server);
    await using owner = await openBrowser({ size: phoneSize });
    await using thief = await openBrowser({ size: phoneSize });
    await enrollWithCode(server, owner.page, user);
    const link = (await ticketFor(server, user)).ticket_uri;
    await thief.page.goto(link);
    await choosePin(thief.page);
    await thief.page.waitForSelector('#code');
    // a reload in between loses nothing, nor does the same link once more: the PIN is not asked for again
    await thief.page.reload();
    await thief.page.waitForSelector('#code');
    await thief.page.goto('about:blank');
    await thief.page.goto(link);
    await thief.page.waitForSelector('#code');
    await owner.page.waitForSelector('#match');
    expect(await accessibilityProblems(owner.page)).toEqual([]);
    expect(await accessibilityProblems(thief.page)).toEqual([]);
    for (const selector of ['h1', '#match', '#deny', '#approve'])
      expect([selector, await isInView(owner.page, selector)]).toEqual([selector, true]);
    await owner.page.click('text=I did not start this');
    await owner.page.waitForSelector('text=cannot approve anything');
    await thief.page.waitForSelector('text=This device was not added');
    expect(await thief.page.textContent('main')).not.toContain('at the desk');
    await thief.page.reload();
    await thief.page.waitForSelector('text=No enrollment on this device yet');
  });
});

/** Of a PNG, from the chunk that each begins with. */
function sizeOf(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return `${view.getUint32(16)}x${view.getUint32(20)}`;
}

let users = 0;

/** A person of their own for each test: what waits for one does not stand in the way of another. */
async function newUser({ management, managementKey }: TestServer): Promise<string> {
  users += 1;
  const username = `alice${users}`;
  const response = await fetch(`${management}/management/v1/users`, {
    method: 'POST',
    headers: { authorization: `Bearer ${managementKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, name: 'Alice', email: `${username}@example.test` }),
  });
  expect(response.status).toBe(201);
  return username;
}

async function enroll(
  server: TestServer,
  page: Page,
  user = 'alice',
  look: (step: string) => Promise<void> = async () => {},
): Promise<void> {
  // An address that differs in its fragment alone would not be loaded again.
  await page.goto('about:blank');
  await page.goto(`${server.issuer}/demo/enroll?user=${user}`);
  await page.waitForSelector('#continue');
  await look('enroll: device');
  await page.click('#continue');
  await page.fill('#pin', pin);
  await page.fill('#pin-again', pin);
  await look('enroll: PIN');
  await page.click('#save');
  await page.waitForSelector('#done');
  await look('enroll: done');
  await page.click('#done');
  await page.waitForSelector('.outcome, #approve');
  await look('inbox');
}

/** The digits go where the link came from: here, to the management API. */
async function enrollWithCode(server: TestServer, page: Page, user: string): Promise<void> {
  const ticket = await ticketFor(server, user);
  await page.goto(ticket.ticket_uri);
  await choosePin(page);
  await page.waitForSelector('text=Type this code where you got the link');
  const code = (await codeOn(page)).replace(' ', '');
  await manage(server, 'POST', `/users/${ticket.user_id}/enrollment-tickets/${ticket.operation_id}/confirm`, { code });
  await page.waitForSelector('#done');
  expect(await page.textContent('#after blockquote')).toBe(`${afterwards.title}${afterwards.text}`);
  expect(await accessibilityProblems(page)).toEqual([]);
  // the step that was taken on the way does not vanish at the end
  expect(await page.locator('.steps li').allTextContents()).toEqual(['This device', 'Your PIN', 'Confirm', 'Done']);
  await page.click('#done');
  await page.waitForSelector('#settings');
}

async function choosePin(page: Page): Promise<void> {
  await page.click('#continue');
  await page.fill('#pin', pin);
  await page.fill('#pin-again', pin);
  await page.click('#save');
}

/** As a person reads it: in two groups of three. */
async function codeOn(page: Page): Promise<string> {
  return String(await page.textContent('#code [aria-hidden]'));
}

async function ticketFor(server: TestServer, username: string) {
  const { items } = await manage(server, 'GET', `/users?username=${username}`);
  const { id } = (items as { id: string }[])[0]!;
  const ticket = await manage(server, 'POST', `/users/${id}/enrollment-tickets`, { post_context: afterwards });
  return { user_id: id, operation_id: String(ticket['operation_id']), ticket_uri: String(ticket['ticket_uri']) };
}

async function manage(
  { management, managementKey }: TestServer,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${management}/management/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${managementKey}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

/** Each screen of “This device”, and the link for another one. */
async function lookAtSettings(page: Page, look: (screen: string) => Promise<void>): Promise<void> {
  await page.click('#settings');
  await page.waitForSelector('#remove-pin');
  await look('settings');
  for (const id of ['change-pin', 'rotate', 'remove-pin', 'remove']) {
    await page.click(`#${id}`);
    await look(`settings: ${id}`);
    await page.click('#back');
  }
  await page.click('#add-device');
  await page.fill('#old-pin', pin);
  await page.click('#act');
  await page.waitForSelector('#copy');
  await look('settings: link');
}

async function ask(server: TestServer, desk: Page, user: string, text: string): Promise<void> {
  await desk.goto(`${server.issuer}/demo/helpdesk`);
  await desk.fill('#who', user);
  await desk.fill('#text', text);
  await desk.click('button[type=submit]');
  await desk.waitForSelector('#number');
}

async function choose(phone: Page, number: string | null): Promise<void> {
  await phone.click(`.choices label:has(input[value="${number}"])`);
  await phone.click('#approve');
  await phone.waitForSelector('#pin');
}

/** Focus by Tab alone, as somebody without a pointer would. */
async function tabTo(page: Page, id: string): Promise<void> {
  for (let i = 0; i < 12; i++) {
    if ((await page.evaluate('document.activeElement?.id')) === id) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`no Tab leads to ${id}`);
}

/** The numbers to choose from, as shown. */
/** Runs in the page (hence a text): every key object in IndexedDB, and everything else that is kept. */
const dumpDatabases = `(async () => {
  const keys = [];
  const text = [JSON.stringify({ ...localStorage })];
  const opened = (request) => new Promise((resolve) => request.addEventListener('success', () => resolve(request.result)));
  for (const { name } of await indexedDB.databases()) {
    const database = await opened(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const records = await opened(database.transaction(store).objectStore(store).getAll());
      text.push(JSON.stringify(records, (_, value) => {
        if (!(value instanceof CryptoKey)) return value;
        if (value.type !== 'public') keys.push({ extractable: value.extractable });
        return 'key';
      }));
    }
    database.close();
  }
  return { keys, text: text.join() };
})()`;
