// All tabs of a browser: one renewal, one banner each, one log-out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { COOKIE } from './world/old_server.mjs';
import { banner, BINARY, logInAgain, said, state, told, World } from './world/world.mjs';

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

const countOf = (context, path) => {
  const seen = [];
  context.on('request', (request) => request.url().includes(path) && seen.push(request.url()));
  return seen;
};

test('fifty requests at the moment of expiry: one renewal', async () => {
  const context = await world.profile('ann');
  const renewals = countOf(context, '/.countersign/renew');
  const page = await world.open(context, { clock: 0 });
  // a hidden tab renews on use alone
  await page.evaluate(() => Object.defineProperty(document, 'hidden', { value: true }));
  await page.clock.fastForward(3_600_000);
  const statuses = await page.evaluate(async () => {
    const all = Array.from({ length: 50 }, () => window.session.fetch('/notes/'));
    return (await Promise.all(all)).map((response) => response.status);
  });
  assert.deepEqual([...new Set(statuses)], [200]);
  assert.equal(statuses.length, 50);
  assert.equal(renewals.length, 1);
  await context.close();
});

test('fifty requests when the session has ended: one question, one banner, each answered once', async () => {
  const context = await world.profile('ann');
  const renewals = countOf(context, '/.countersign/renew');
  const page = await world.open(context);
  await world.endSessions();
  await page.evaluate(() => {
    const send = (_, number) => window.session.fetch('/notes/', { method: 'POST', body: `one of fifty ${number}` });
    window.all = Promise.all(Array.from({ length: 50 }, send));
  });
  await page.waitForFunction(() => window.session.snapshot().waiting === 50);
  assert.equal(renewals.length, 1);
  assert.equal((await told(page, 'login-required')).length, 1);
  assert.equal(await page.locator('countersign-banner').count(), 1);
  assert.match(await banner(page).innerText(), /50 requests wait/);
  await logInAgain(page, 'ann');
  const statuses = await page.evaluate(async () => (await window.all).map((response) => response.status));
  assert.deepEqual([...new Set(statuses)], [201]);
  const written = (await world.rows()).filter(([, text]) => text.startsWith('one of fifty'));
  assert.equal(written.length, 50);
  assert.equal(new Set(written.map(([, text]) => text)).size, 50);
  await context.close();
});

test('ten tabs: one renewal for all, and one log-in', async () => {
  const context = await world.profile('ann');
  const pages = [];
  for (let number = 0; number < 10; number += 1) pages.push(await world.open(context, { clock: 0 }));
  const renewals = countOf(context, '/.countersign/renew');
  if (!BINARY) {
    // in one browser only the tab in front is shown; here all of them say that they are
    world.gateway.skew = 250;
    await pages[0].clock.fastForward(250_000); // the clock is all tabs'
    await Promise.all(pages.map((page) => page.waitForFunction(() => window.session.expiresIn > 250)));
    assert.equal(renewals.length, 1);
    world.gateway.skew = 0;
  }

  await world.endSessions();
  await Promise.all(
    pages.map((page, number) =>
      page.evaluate((text) => {
        document.getElementById('text').value = text;
        document.getElementById('save').click();
      }, `tab ${number}`),
    ),
  );
  await Promise.all(pages.map((page) => state(page, 'login-required')));
  await logInAgain(pages[4], 'ann');
  await Promise.all(pages.map((page) => said(page, '201')));
  for (let number = 0; number < 10; number += 1) assert.equal((await world.authorsOf(`tab ${number}`)).length, 1);
  await context.close();
});

test('a tab holds the lock for ever: the others go on after three seconds', async () => {
  const context = await world.profile('ann');
  const dead = await context.newPage();
  await dead.goto(`${world.gateway.origin}/app.html`);
  await dead.evaluate(() => {
    window.session.close();
    void navigator.locks.request('countersign', () => new Promise(() => {}));
  });
  const page = await world.open(context, { clock: 0 });
  const renewed = page.waitForResponse(/renew$/);
  await page.clock.fastForward(3_600_000);
  await renewed;
  await page.waitForFunction(() => window.session.expiresIn > 0);
  const held = await dead.evaluate(async () => (await navigator.locks.query()).held.length);
  assert.equal(held, 1); // nobody stole it
  await context.close();
});

test('a hidden tab does not renew by itself, so an idle session may end; shown again, it asks', async () => {
  const context = await world.profile('ann');
  const renewals = countOf(context, '/.countersign/renew');
  const page = await world.open(context, { clock: 0 });
  const show = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, hidden);
  await show(true);
  for (let looks = 0; looks < 6; looks += 1) await page.clock.fastForward(100_000);
  assert.equal(renewals.length, 0);
  await show(false);
  await page.waitForFunction(() => window.session.expiresIn > 0);
  assert.equal(renewals.length, 1);
  await context.close();
});

test('log-out in one tab ends the other, and kills a copied curl line', async () => {
  const context = await world.profile('ann');
  const [first, second] = [await world.open(context), await world.open(context)];
  const cookie = (await context.cookies()).find(({ name }) => name === COOKIE).value;
  const curl = () => fetch(`${world.gateway.origin}/notes/`, { headers: { Cookie: `${COOKIE}=${cookie}` } });
  assert.equal((await curl()).status, 200);
  // the other tab reloads, so that it shows nothing of Ann
  const reloaded = first.waitForEvent('load');
  await second.getByRole('button', { name: 'Log out' }).click();
  await reloaded;
  const refused = await curl();
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('Countersign-Refused'), 'revoked');
  for (const page of [first, second]) {
    await state(page, 'anonymous');
    assert.equal(await page.locator('#who').innerText(), '');
  }
  await context.close();
});

test('log-out, for a page that clears itself', async () => {
  const context = await world.profile('ann');
  const options = { whenGone: 'keep' };
  const [first, second] = [await world.open(context, { options }), await world.open(context, { options })];
  await first.getByLabel('Text').fill('never sent');
  await world.endSessions();
  await first.getByRole('button', { name: 'Save' }).click();
  await state(first, 'login-required');
  await world.logIn(context, 'ann');
  await second.getByRole('button', { name: 'Log out' }).click();
  await said(first, 'signed_out');
  await first.waitForFunction(() => window.told.some(([name]) => name === 'signed-out'));
  const code = await first.evaluate(() => window.session.fetch('/notes/').catch((error) => error.code));
  assert.equal(code, 'signed_out');
  assert.equal((await told(second, 'signed-out'))[0].told, true);
  assert.deepEqual(await world.authorsOf('never sent'), []);
  await context.close();
});

test('log-out when the gateway is away: the page forgets, and says that the server was not told', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await page.route('**/.countersign/logout', (route) => route.abort());
  const result = await page.evaluate(() => window.session.logout());
  assert.equal(result.told, false);
  assert.equal(await page.evaluate(() => window.session.user), null);
  await context.close();
});

/** Writes down what the page shows each time it comes back, until it is gone; survives a reload. */
const watchReturn = (page) =>
  page.evaluate(() => {
    const note = (persisted) => {
      const seen = JSON.parse(sessionStorage.getItem('seen') ?? '[]');
      const { visibility } = getComputedStyle(document.documentElement);
      sessionStorage.setItem('seen', JSON.stringify([...seen, { persisted, visibility }]));
    };
    window.addEventListener('pageshow', ({ persisted }) => {
      const frame = () => {
        note(persisted);
        requestAnimationFrame(frame);
      };
      frame();
    });
  });
const seenOnReturn = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem('seen') ?? '[]'));

test('Back after log-out in another tab shows nothing', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await page.getByLabel('Text').fill('of Ann');
  await watchReturn(page);
  const other = await world.open(context);
  await page.goto(`${world.old.origin}/login`); // away, the page stays in the back/forward cache
  await other.evaluate(() => window.session.logout({ stay: true }));
  await page.goBack({ waitUntil: 'commit' });
  await state(page, 'anonymous');
  assert.equal(await page.locator('#who').innerText(), '');
  assert.equal(await page.getByLabel('Text').inputValue(), '');
  for (const { visibility } of await seenOnReturn(page)) assert.equal(visibility, 'hidden');
  await context.close();
});

test('Back after a log-out that the page could not hear of: kept, and not shown for a moment', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await page.getByLabel('Text').fill('of Ann');
  await watchReturn(page);
  const cookie = (await context.cookies()).find(({ name }) => name === COOKIE).value;
  await page.goto(`${world.old.origin}/login`);
  const headers = { Cookie: `${COOKIE}=${cookie}`, Countersign: '1', 'Sec-Fetch-Site': 'same-origin', Origin: world.gateway.origin };
  const loggedOut = await fetch(`${world.gateway.origin}/.countersign/logout`, { method: 'POST', headers });
  assert.equal(loggedOut.status, 200);
  await page.goBack({ waitUntil: 'commit' });
  await state(page, 'anonymous');
  assert.equal(await page.locator('#who').innerText(), '');
  assert.equal(await page.getByLabel('Text').inputValue(), '');
  const seen = await seenOnReturn(page);
  assert.ok(seen.length > 0 && seen.every(({ persisted }) => persisted), JSON.stringify(seen));
  for (const { visibility } of seen) assert.equal(visibility, 'hidden');
  await context.close();
});

test('a page that comes back by Back, and its user is still there, is shown again as it was', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await page.getByLabel('Text').fill('still here');
  await page.evaluate(() => (window.marker = 'the same page'));
  await page.goto(`${world.gateway.origin}/empty.html`);
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => window.session?.snapshot().state === 'active');
  await page.waitForFunction(() => getComputedStyle(document.documentElement).visibility === 'visible');
  assert.equal(await page.getByLabel('Text').inputValue(), 'still here');
  assert.equal(await page.evaluate(() => window.marker), 'the same page');
  await context.close();
});
