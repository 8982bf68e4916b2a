// Script tag, axios, React, and the banner.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { bundle } from './world/bundle.mjs';
import { banner, fillLogin, logInAgain, said, state, World } from './world/world.mjs';

let world;
/** What `countersign check` prints for a script element. */
const integrity = (name) =>
  `sha384-${createHash('sha384').update(readFileSync(new URL(`../dist/${name}`, import.meta.url))).digest('base64')}`;
before(async () => {
  world = await World.start();
  world.old.made = new Map([
    ['/plain.html', `<!doctype html><html lang="de"><title>Plain</title><link rel="icon" href="data:,">
      <script src="/.countersign/client.js" integrity="${integrity('countersign.js')}"></script>
      <script src="/.countersign/banner.js" integrity="${integrity('countersign-banner.js')}"></script>
      <script src="/plain.js"></script>`],
    ['/other.html', `<!doctype html><html lang="en"><title>Other</title><link rel="icon" href="data:,">
      <script src="/.countersign/client.js" integrity="${integrity('countersign-banner.js')}"></script>`],
    ['/plain.js', `const session = Countersign.createSession();
      window.session = session;
      const banner = document.createElement('countersign-banner');
      banner.session = session;
      document.documentElement.append(banner);
      window.started = session.start();`],
    ['/axios.js', await bundle(`import axios from 'axios'; import { useSession } from './src/axios.ts';
      export const make = (session) => useSession(axios.create(), session);`, { platform: 'browser' })],
    ['/react.js', await bundle(`import { createElement, useState, useSyncExternalStore } from 'react';
      import { createRoot } from 'react-dom/client'; import { sessionHook } from './src/react.ts';
      export const show = (session, place) => {
        const useSession = sessionHook(useSyncExternalStore, session);
        const App = () => {
          const { user, state, waiting } = useSession();
          const [text, setText] = useState('');
          return createElement('div', null,
            createElement('p', { id: 'seen' }, (user?.name ?? 'nobody') + ' ' + state + ' ' + waiting),
            createElement('input', { id: 'field', value: text, onChange: (event) => setText(event.target.value) }));
        };
        createRoot(place).render(createElement(App));
      };`, { platform: 'browser' })],
  ]);
});
after(() => world.stop());

test('from a script tag, in the language of the page', async () => {
  const context = await world.profile('ann');
  const page = await context.newPage();
  await page.goto(`${world.gateway.origin}/plain.html`);
  assert.equal((await page.evaluate(() => window.started)).name, 'Ann');
  await world.endSessions();
  await page.evaluate(() => {
    window.answer = window.session.fetch('/notes/', { method: 'POST', body: 'from a script tag' });
  });
  const opened = page.waitForEvent('popup');
  await page.getByRole('link', { name: 'Neu anmelden' }).click();
  await fillLogin(await opened, 'ann');
  assert.equal(await page.evaluate(async () => (await window.answer).status), 201);
  assert.equal((await world.authorsOf('from a script tag')).length, 1);
  assert.equal(await page.evaluate(() => new Countersign.SessionError('cancelled').code), 'cancelled');
  await context.close();
});

test('a script that is not the one a page names is not run', async () => {
  const context = await world.profile('ann');
  const page = await context.newPage();
  await page.goto(`${world.gateway.origin}/other.html`);
  assert.equal(await page.evaluate(() => typeof Countersign), 'undefined');
  await context.close();
});

test('axios waits and sends once, like fetch', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await world.endSessions();
  await page.evaluate(async () => {
    const { make } = await import('/axios.js');
    const axios = make(window.session);
    window.answer = axios.post('/notes/', 'by axios').then((response) => [response.status, response.data.author]);
    window.refused = axios.get('/notes/own403').catch((error) => error.response.status);
  });
  await page.waitForFunction(() => window.session.snapshot().waiting > 0);
  await logInAgain(page, 'ann');
  assert.deepEqual(await page.evaluate(() => window.answer), [201, 'u-1']);
  assert.equal(await page.evaluate(() => window.refused), 403);
  assert.equal((await world.authorsOf('by axios')).length, 1);
  await context.close();
});

test('a React component renders each change, and keeps its state', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await page.evaluate(async () => {
    const { show } = await import('/react.js');
    const place = document.createElement('div');
    document.body.append(place);
    show(window.session, place);
  });
  const seen = (text) => page.locator('#seen').filter({ hasText: text }).waitFor();
  await seen('Ann active 0');
  await page.locator('#field').fill('of the component');
  await world.endSessions();
  await page.evaluate(() => {
    window.answer = window.session.fetch('/notes/').then((response) => response.status);
  });
  await seen('Ann login-required 1');
  await logInAgain(page, 'ann');
  await seen('Ann active 0');
  assert.equal(await page.locator('#field').inputValue(), 'of the component');
  assert.equal(await page.evaluate(() => window.answer), 200);
  await context.close();
});

test('the banner: announced, never in the way of typing, by keyboard, and gives the focus back', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  const text = page.getByLabel('Text');
  await text.fill('keyboard');
  await world.endSessions();
  await text.focus();
  await page.evaluate(() => void window.save());
  await banner(page).waitFor();
  assert.equal(await banner(page).getAttribute('aria-label'), 'Session');
  assert.match(await page.locator('countersign-banner [role=alert]').innerText(), /still here/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text'); // typing goes on
  await page.keyboard.type('!');
  assert.equal(await text.inputValue(), 'keyboard!');

  const focused = () => page.evaluate(() => document.querySelector('countersign-banner').shadowRoot.activeElement?.textContent);
  await page.locator('countersign-banner a').focus();
  const order = [await focused()];
  for (let step = 0; step < 2; step += 1) {
    await page.keyboard.press('Tab');
    order.push(await focused());
  }
  assert.deepEqual(order, ['Log in again', 'Log in on this page', 'Cancel']);
  await page.keyboard.press('Escape');
  await said(page, 'cancelled');

  await text.focus();
  await page.evaluate(() => void window.save());
  await banner(page).waitFor();
  await page.locator('countersign-banner a').focus();
  const opened = page.waitForEvent('popup');
  await page.keyboard.press('Enter');
  await fillLogin(await opened, 'ann');
  await said(page, '201');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  await context.close();
});

test('the banner: other words and colours, and warns before the end', async () => {
  const context = await world.profile('ann', 100);
  const page = await world.open(context, { clock: 0 });
  await page.evaluate(() => {
    document.querySelector('countersign-banner').strings = { expiring: 'Noch {minutes} min' };
  });
  await page.clock.fastForward(30_000);
  await banner(page).waitFor();
  assert.match(await banner(page).innerText(), /Noch 1 min/);
  const colour = () => banner(page).evaluate((bar) => getComputedStyle(bar).backgroundColor);
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await colour();
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.notEqual(await colour(), light);
  await page.evaluate(() => document.documentElement.style.setProperty('--countersign-background', 'rgb(1, 2, 3)'));
  assert.equal(await colour(), 'rgb(1, 2, 3)');
  await state(page, 'active');
  await context.close();
});
