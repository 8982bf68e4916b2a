// What a person typed survives whatever ends or interrupts the session, and is written exactly once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { banner, fillLogin, logInAgain, said, state, told, World } from './world/world.mjs';

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

const HOUR = 3_600_000;
const typed = (page) => page.getByLabel('Text').inputValue();
const type = (page, text) => page.getByLabel('Text').fill(text);
const save = (page) => page.getByRole('button', { name: 'Save' }).click();
/** Saved, once, by Ann, and still to be read in the page. */
const isSavedOnce = async (page, text) => {
  await said(page, '201');
  assert.equal(await typed(page), text);
  assert.deepEqual(await world.authorsOf(text), ['u-1']);
};
const countRenewals = (context) => {
  const seen = [];
  context.on('request', (request) => request.url().includes('/.countersign/renew') && seen.push(request.url()));
  return seen;
};

test('the session ends at the old server: log in beside, once written', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'ended');
  await world.endSessions();
  await save(page);
  await banner(page).waitFor();
  assert.deepEqual(await world.authorsOf('ended'), []);
  await logInAgain(page, 'ann');
  await isSavedOnce(page, 'ended');
  await banner(page).waitFor({ state: 'hidden' });
  assert.equal((await told(page, 'login-required')).length, 1);
  await context.close();
});

for (const coop of ['', 'same-origin-allow-popups']) {
  test(`a log-in page with Cross-Origin-Opener-Policy "${coop}"`, async () => {
    const context = await world.profile('ann');
    const page = await world.open(context);
    world.old.coop = coop;
    await type(page, `coop ${coop}`);
    await world.endSessions();
    await save(page);
    await logInAgain(page, 'ann');
    await isSavedOnce(page, `coop ${coop}`);
    world.old.coop = 'same-origin';
    await context.close();
  });
}

test('the token expires while typing: renewed without a word', async () => {
  const context = await world.profile('ann');
  const renewals = countRenewals(context);
  const page = await world.open(context, { clock: 0 });
  await type(page, 'expired');
  const renewed = page.waitForResponse(/renew$/);
  await page.clock.fastForward(240_000);
  await renewed;
  assert.equal(renewals.length, 1);
  await save(page);
  await isSavedOnce(page, 'expired');
  assert.equal(renewals.length, 1);
  await context.close();
});

test('the gateway is away and comes back', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'restart');
  await world.gateway.stop();
  await save(page);
  await said(page, 'TypeError'); // as of any fetch: it cannot know whether it arrived
  await world.gateway.start(world.gateway.port);
  await save(page);
  await isSavedOnce(page, 'restart');
  await context.close();
});

test('the old server is away: nobody is logged out, the write goes out when it is back', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { clock: 0 });
  await type(page, 'outage');
  world.old.broken = true;
  if (process.env.COUNTERSIGN_BINARY) await new Promise((resolve) => setTimeout(resolve, 1100));
  await save(page);
  await page.waitForFunction(() => window.session.snapshot().offline);
  assert.match(await banner(page).innerText(), /No answer from the server/);
  world.old.broken = false;
  for (let tries = 0; tries < 3 && (await page.locator('#said').innerText()) === 'saving'; tries += 1) {
    await page.clock.fastForward(13_000);
    await page.waitForFunction(() => document.getElementById('said').textContent !== 'saving', null, { timeout: 10_000 }).catch(() => {});
  }
  await isSavedOnce(page, 'outage');
  assert.deepEqual(await told(page, 'login-required'), []);
  await context.close();
});

test('an outage that lasts: the answer goes to the page after three more tries', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { clock: 0 });
  world.old.broken = true;
  if (process.env.COUNTERSIGN_BINARY) await new Promise((resolve) => setTimeout(resolve, 1100));
  const answers = [];
  page.on('response', (response) => response.url().endsWith('/notes/') && answers.push(response.status()));
  await type(page, 'long outage');
  await save(page);
  for (let tries = 1; tries < 4; tries += 1) {
    // the page has understood the answer, and waits to ask again
    await page.waitForFunction((times) => window.told.filter(([name]) => name === 'offline').length >= times, tries);
    await page.clock.fastForward(13_000);
  }
  await page.waitForFunction(() => document.getElementById('said').textContent.startsWith('503'));
  assert.deepEqual(answers, [503, 503, 503, 503]);
  world.old.broken = false;
  assert.deepEqual(await world.authorsOf('long outage'), []);
  assert.equal(await typed(page), 'long outage');
  await context.close();
});

test('a laptop sleeps for an hour, the session lives', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { clock: 0 });
  await type(page, 'slept');
  await page.clock.fastForward(HOUR);
  await save(page);
  await isSavedOnce(page, 'slept');
  assert.deepEqual(await told(page, 'login-required'), []);
  await context.close();
});

test('a laptop sleeps for an hour, the session does not', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { clock: 0 });
  await type(page, 'slept long');
  await world.endSessions();
  await page.clock.fastForward(HOUR);
  await banner(page).waitFor(); // known before anybody presses Save
  await save(page);
  await logInAgain(page, 'ann');
  await isSavedOnce(page, 'slept long');
  assert.equal((await told(page, 'login-required')).length, 1);
  await context.close();
});

for (const hours of [-2, 2]) {
  test(`a clock that is ${hours} hours off`, async () => {
    const context = await world.profile('ann');
    const renewals = countRenewals(context);
    const page = await world.open(context, { clock: hours * HOUR });
    const left = await page.evaluate(() => window.session.expiresIn);
    assert.ok(left > 290 && left <= 301, `${left} s left`);
    await type(page, `clock ${hours}`);
    await save(page);
    await isSavedOnce(page, `clock ${hours}`);
    assert.equal(renewals.length, 0);
    await context.close();
  });
  test(`a clock that is set ${hours} hours off while the page is open`, async () => {
    const context = await world.profile('ann');
    const page = await world.open(context, { clock: 0 });
    await type(page, `jump ${hours}`);
    await page.clock.setSystemTime(Date.now() + hours * HOUR);
    const renewed = page.waitForResponse(/renew$/);
    await page.clock.fastForward(240_000);
    await renewed;
    await save(page);
    await isSavedOnce(page, `jump ${hours}`);
    await context.close();
  });
}

test('the window is blocked: the same link still leads there', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'blocked');
  await world.endSessions();
  await save(page);
  await banner(page).waitFor();
  await page.evaluate(() => {
    window.open = () => null; // what a blocker does
  });
  const tab = context.waitForEvent('page');
  await page.getByRole('link', { name: 'Log in again' }).click();
  await fillLogin(await tab, 'ann');
  await isSavedOnce(page, 'blocked');
  await context.close();
});

test('the window is really blocked, as without a click: it is said, and the link still leads there', async () => {
  const context = await world.profile('ann');
  const page = await context.newPage();
  // asked by the page alone: what a test asks counts as a click
  await page.addInitScript(() => {
    const wait = setInterval(() => {
      if (window.session?.snapshot().state !== 'active') return;
      clearInterval(wait);
      console.log(`opened: ${window.session.login()}`);
    }, 50);
  });
  const opened = page.waitForEvent('console', (message) => message.text().startsWith('opened'));
  await page.goto(`${world.gateway.origin}/app.html`);
  assert.equal((await opened).text(), 'opened: false');
  assert.equal(context.pages().length, 1);
  await type(page, 'really blocked');
  await world.endSessions();
  await save(page);
  await logInAgain(page, 'ann');
  await isSavedOnce(page, 'really blocked');
  await context.close();
});

test('a renewal ahead fails while the token lives: nothing is lost, and it is asked again', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { clock: 0 });
  await type(page, 'renewed later');
  let [away, asked] = [true, 0];
  await page.route('**/.countersign/renew', (route) => {
    asked += 1;
    return away ? route.abort() : route.continue();
  });
  await page.clock.fastForward(241_000);
  await page.waitForFunction(() => window.session.snapshot().offline);
  assert.equal(await page.evaluate(() => window.session.snapshot().state), 'active');
  await save(page); // the token lives: nothing waits for its successor
  await isSavedOnce(page, 'renewed later');
  assert.deepEqual(await told(page, 'login-required'), []);
  const before = asked;
  away = false;
  await page.clock.fastForward(15_000); // within the token's life
  await page.waitForFunction(() => window.told.some(([name]) => name === 'renewed') && !window.session.snapshot().offline);
  assert.equal(asked, before + 1);
  await context.close();
});

test('somebody logs in in another tab, without the banner', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'elsewhere');
  await world.endSessions();
  await save(page);
  await banner(page).waitFor();
  const other = await context.newPage();
  await other.goto(`${world.old.origin}/login?next=/empty.html`);
  await fillLogin(other, 'ann');
  await other.close();
  await page.evaluate(() => window.dispatchEvent(new Event('focus')));
  await isSavedOnce(page, 'elsewhere');
  await context.close();
});

test('by redirect: the draft comes back to the same user', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'redirected');
  await world.endSessions();
  await save(page);
  page.on('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', { name: 'Log in on this page' }).click();
  await page.waitForURL(/\/login\?/);
  const kept = await page.evaluate(() => JSON.stringify(sessionStorage)).catch(() => '');
  assert.doesNotMatch(kept, /redirected text/);
  await fillLogin(page, 'ann');
  await page.waitForFunction(() => document.getElementById('text')?.value === 'redirected');
  assert.equal(await page.evaluate(() => sessionStorage.getItem('countersign:drafts')), null);
  assert.deepEqual(await world.authorsOf('redirected'), []); // a redirect replays nothing
  await save(page);
  await isSavedOnce(page, 'redirected');
  await context.close();
});

test('by redirect: what is stored is sealed, and not for another user', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'only for Ann');
  await world.endSessions();
  await page.evaluate(() => void window.session.redirect());
  await page.waitForURL(/\/login\?/);
  await fillLogin(page, 'bob');
  await page.waitForFunction(() => window.session?.user?.sub === 'u-2');
  await page.waitForFunction(() => sessionStorage.getItem('countersign:drafts') === null);
  assert.equal(await typed(page), '');
  await context.close();
});

test('by redirect: the same person in another organisation is another user', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'of acme');
  await world.endSessions();
  await page.evaluate(() => void window.session.redirect());
  await fillLogin(page, 'ann2');
  await page.waitForFunction(() => window.session?.user?.organisation === 'globex');
  await page.waitForFunction(() => sessionStorage.getItem('countersign:drafts') === null);
  assert.equal(await typed(page), '');
  await context.close();
});

test('a draft changed by one bit is dropped', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await type(page, 'spoiled');
  await page.route('**/.countersign/login?*', (route) => route.fulfill({ body: 'stopped here' }));
  await page.evaluate(() => void window.session.redirect());
  await page.waitForURL(/login\?/);
  await page.evaluate(() => {
    const text = sessionStorage.getItem('countersign:drafts');
    const last = text.charCodeAt(text.length - 1) ^ 1;
    sessionStorage.setItem('countersign:drafts', text.slice(0, -1) + String.fromCharCode(last));
  });
  await page.goto(`${world.gateway.origin}/app.html`);
  await page.evaluate(() => window.started);
  await page.waitForFunction(() => sessionStorage.getItem('countersign:drafts') === null);
  assert.equal(await typed(page), '');
  await context.close();
});

test('a log-in that leads back at once is not tried again', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await page.route('**/.countersign/login?*', (route) => route.fulfill({ status: 303, headers: { Location: '/app.html' } }));
  await world.endSessions();
  await page.evaluate(() => void window.session.redirect());
  await page.waitForURL(/app\.html$/);
  await page.evaluate(() => window.started);
  const code = await page.evaluate(() => window.session.redirect().catch((error) => error.code));
  assert.equal(code, 'login_loop');
  await context.close();
});

test('nobody is logged in: the first request that needs it asks', async () => {
  const context = await world.profile();
  const page = await world.open(context);
  await state(page, 'anonymous');
  assert.equal(await banner(page).isVisible(), false);
  await type(page, 'first');
  await save(page);
  await logInAgain(page, 'ann');
  await isSavedOnce(page, 'first');
  await context.close();
});
