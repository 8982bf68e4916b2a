// The demo's page: by keyboard, to a screen reader, light and dark, on a phone. Needs the built gateway.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { BINARY } from './world/world.mjs';

const skip = BINARY ? false : 'needs COUNTERSIGN_BINARY';
let [demo, browser, origin] = [];
before(async () => {
  if (skip) return;
  demo = spawn(BINARY, ['demo', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(demo.stdout, 'data');
  [, origin] = /Open (http:\S+[^/\s])/.exec(String(said));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(async () => {
  await browser?.close();
  if (!demo) return;
  demo.kill('SIGINT');
  await once(demo, 'exit');
});

/** The page when it has begun. `problems`: what a strict policy, or a fault of the page, wrote to the console. */
const open = async (options = {}) => {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => /policy|error(?!.*status of)/i.test(message.text()) && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(origin);
  await page.waitForFunction(() => document.getElementById('asked').textContent !== '–');
  return { context, page, problems };
};
const step = (page, number) => page.locator('#steps > li').nth(number - 1);
/** What a step shows after its button was pressed. */
const shown = async (page, number, label) => {
  await step(page, number).getByRole('button', { name: label, exact: true }).click();
  await step(page, number).locator('.verdict').waitFor({ timeout: 60_000 });
  return step(page, number).locator('.seen').innerText();
};
const PAGES = [
  { colorScheme: 'light', viewport: { width: 1200, height: 900 } },
  { colorScheme: 'dark', viewport: { width: 1200, height: 900 } },
  { colorScheme: 'light', viewport: { width: 320, height: 640 } },
  { colorScheme: 'dark', viewport: { width: 320, height: 640 } },
];

/** What is too wide, and what is too pale on its ground (WCAG 2.2, 1.4.3), in the page as it is. */
const look = () => {
  const faults = [];
  const channels = (text) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => {
    const [r, g, b] = channels(color).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (channels(backgroundColor)[3] > 250) return backgroundColor;
    }
    return 'white';
  };
  for (const element of document.querySelectorAll('body *')) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || !element.checkVisibility()) continue;
    if (box.right > innerWidth + 1) faults.push(`too wide: ${element.tagName} ${element.className}`);
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || element.matches(':disabled, :disabled *, svg *')) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faults.push(`too pale (${contrast.toFixed(1)}): ${element.tagName} "${element.textContent.slice(0, 30)}"`);
  }
  return faults;
};

test('light and dark, wide and on a phone: nothing is cut off or hard to read', { skip }, async () => {
  for (const options of PAGES) {
    const { context, page, problems } = await open(options);
    assert.deepEqual(await page.evaluate(look), [], JSON.stringify(options));
    for (const [number, label] of [[2, 'Ask as both'], [3, 'Be Cy, and send anyway'], [4, 'Send twelve tokens'], [8, 'Rotate, then retire the old key']]) {
      assert.match(await shown(page, number, label), /as it should be/);
    }
    assert.deepEqual(await page.evaluate(look), [], JSON.stringify(options));
    assert.deepEqual(problems, []);
    await context.close();
  }
});

test('every control has a name, and is reached and seen by keyboard alone', { skip }, async () => {
  const { context, page } = await open();
  const all = await page.locator('button:enabled, textarea, a[href], pre').count();
  const reached = [];
  for (let presses = 0; presses < all; presses += 1) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => {
      const { activeElement } = document;
      const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
      const name = activeElement.ariaLabel ?? activeElement.labels?.[0]?.textContent ?? activeElement.textContent;
      return { name: name.trim(), seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
    }));
  }
  assert.equal(reached.length, 17); // four people, the note and its button, eleven buttons of steps
  assert.equal(new Set(reached.map(({ name }) => name)).size, reached.length, JSON.stringify(reached));
  for (const { name, seen } of reached) assert.ok(name && seen, name);
  const tree = await page.locator('body').ariaSnapshot();
  for (const said of ['heading "Countersign demo" [level=1]', 'region "Who are you?"', 'region "Your note"', 'textbox "Text"', 'progressbar "Time until this page renews its session"', 'listitem "Keys change under load"', 'status']) {
    assert.ok(tree.includes(said), `${said}\n${tree}`);
  }
  await step(page, 2).getByRole('button').focus();
  await page.keyboard.press('Enter');
  await step(page, 2).getByRole('status').getByText('as it should be').waitFor();
  await context.close();
});

test('step 1 measures both ways, step 8 changes keys twice and refuses nobody', { skip }, async () => {
  const { context, page } = await open();
  const measured = await shown(page, 1, 'Send 1,000 requests, both ways');
  assert.match(measured, /without the gateway: 1,000 answered; the old server was asked 1,\d\d\d times/);
  assert.match(measured, /with the gateway: 1,000 answered; the old server was asked \d{1,2} times/);
  const set = async () => (await (await fetch(`${origin}/.well-known/jwks.json`)).json()).keys.map(({ kid }) => kid);
  for (let times = 0; times < 2; times += 1) {
    const before = await set();
    const seen = await shown(page, 8, 'Rotate, then retire the old key');
    assert.match(seen, /as it should be[^]* 0 refused/);
    const now = await set();
    assert.ok(!now.includes(before[0]) && now[0] === before[1] && now.length >= 2, `${before} ${now}`);
    await page.evaluate(() => document.querySelectorAll('.verdict').forEach((verdict) => verdict.remove()));
  }
  await context.close();
});

test('step 6: by hand, as another user, and without the client', { skip }, async () => {
  const { context, page } = await open();
  await page.getByRole('button', { name: /^Ann/ }).click();
  await page.getByLabel('Text').fill('typed by hand');
  await step(page, 6).getByRole('button', { name: 'End the session, then save' }).click();
  const opened = page.waitForEvent('popup');
  await page.getByRole('link', { name: 'Log in again' }).click();
  await (await opened).getByRole('button', { name: /^Ann/ }).click();
  await step(page, 6).getByText('written once, text untouched').waitFor();
  assert.equal(await page.getByLabel('Text').inputValue(), 'typed by hand');

  const bob = await shown(page, 6, 'End it, and let Bob log in');
  assert.match(bob, /user_changed; nothing was sent in his name/);
  assert.equal(await page.getByLabel('Text').inputValue(), '');

  await step(page, 6).getByRole('button', { name: 'Without the client: lose the text' }).click();
  await page.waitForURL(/\/login\?/);
  await page.getByRole('button', { name: /^Ann/ }).click();
  await step(page, 6).getByText('lost, as it is without the client').waitFor();
  assert.equal(await page.getByLabel('Text').inputValue(), '');
  await context.close();
});

test('step 7: Back shows nothing of who was there', { skip }, async () => {
  const { context, page } = await open();
  await page.getByRole('button', { name: /^Ann/ }).click();
  await page.getByText('You are Ann of acme').waitFor();
  await page.getByLabel('Text').fill('for nobody else');
  assert.match(await shown(page, 7, 'Copy it, log out, try it'), /401 revoked/);
  await page.goto(`${origin}/login`);
  await page.goBack();
  await page.getByText('You are nobody yet').waitFor();
  assert.equal(await page.getByLabel('Text').inputValue(), '');
  await context.close();
});
