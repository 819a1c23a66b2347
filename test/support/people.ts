/** People for tests in real browsers: a user of their own each, and what they do on their phone. */
import type { Page } from 'playwright-core';
import type { TestServer } from './server.ts';

export const pin = '271990';

let users = 0;

/** A person of their own for each test: what waits for one does not stand in the way of another. */
export async function newPerson({ management, managementKey }: TestServer, name = 'Alice'): Promise<string> {
  users += 1;
  const username = `${name.toLowerCase()}-${users}`;
  const response = await fetch(`${management}/management/v1/users`, {
    method: 'POST',
    headers: { authorization: `Bearer ${managementKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, name, email: `${username}@example.test` }),
  });
  if (response.status !== 201) throw new Error(`no user: ${response.status} ${await response.text()}`);
  return username;
}

/** The web authenticator in this page becomes the person's. */
export async function enrollIn(page: Page, server: TestServer, user: string): Promise<void> {
  // An address that differs in its fragment alone would not be loaded again.
  await page.goto('about:blank');
  await page.goto(`${server.issuer}/demo/enroll?user=${user}`);
  await page.click('#continue');
  await page.fill('#pin', pin);
  await page.fill('#pin-again', pin);
  await page.click('#save');
  await page.click('#done');
  await page.waitForSelector('.outcome, #approve');
}

/** The number, the button, the PIN. */
export async function approveOn(phone: Page, number: string | null): Promise<void> {
  await phone.click(`.choices label:has(input[value="${number}"])`);
  await phone.click('#approve');
  await phone.fill('#pin', pin);
  await phone.click('#confirm');
}

/** The numbers to choose from, as shown. */
export async function numbersOn(phone: Page): Promise<(string | null)[]> {
  await phone.waitForSelector('.choices input');
  const inputs = await phone.locator('.choices input').all();
  return Promise.all(inputs.map((input) => input.getAttribute('value')));
}
