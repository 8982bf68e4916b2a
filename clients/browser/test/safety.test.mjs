// What must never happen: a write in another's name, a loop, a token where it does not belong.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { banner, fillLogin, logInAgain, said, state, told, World } from './world/world.mjs';

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

const waits = async (page, text) => {
  await page.getByLabel('Text').fill(text);
  await world.endSessions();
  await page.getByRole('button', { name: 'Save' }).click();
  await banner(page).waitFor();
};
const logInAs = async (page, user) => {
  const opened = page.waitForEvent('popup');
  await page.getByRole('link', { name: 'Log in again' }).click();
  await fillLogin(await opened, user);
};

for (const [user, who] of [['bob', 'another user'], ['ann2', 'the same person for another organisation']]) {
  test(`${who} logs in: nothing is replayed`, async () => {
    const context = await world.profile('ann');
    const page = await world.open(context, { options: { whenGone: 'keep' } });
    await waits(page, `by Ann, not ${user}`);
    await logInAs(page, user);
    await said(page, 'user_changed');
    assert.deepEqual(await world.authorsOf(`by Ann, not ${user}`), []);
    const [event] = await told(page, 'user-changed');
    assert.equal(event.from.sub, 'u-1');
    assert.equal(event.to.organisation, 'globex');
    await context.close();
  });
}

test('another user logs in: by default the page reloads, and nothing of the first is left', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await waits(page, 'of Ann');
  const reloaded = page.waitForEvent('load');
  await logInAs(page, 'bob');
  await reloaded;
  await page.waitForFunction(() => document.getElementById('who').textContent === 'Bob');
  assert.equal(await page.getByLabel('Text').inputValue(), '');
  assert.deepEqual(await world.authorsOf('of Ann'), []);
  await context.close();
});

test('another user has logged in behind the page: a request made after coming back is not sent', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { clock: 0, options: { whenGone: 'keep' } });
  await page.getByLabel('Text').fill('in the name of Bob');
  await world.logIn(context, 'bob');
  await page.clock.fastForward(10_000);
  await page.evaluate(() => {
    window.dispatchEvent(new Event('focus'));
    document.getElementById('save').click();
  });
  await said(page, 'user_changed');
  assert.deepEqual(await world.authorsOf('in the name of Bob'), []);
  await context.close();
});

test("a service's own 401 and 403 are the page's business", async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  const asked = [];
  context.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const statuses = await page.evaluate(async () => {
    const all = [];
    for (const path of ['own401', 'own403', 'forged']) all.push((await window.session.fetch(`/notes/${path}`)).status);
    all.push((await window.session.fetch('/notes/refuses', { method: 'POST', body: 'x' })).status);
    return all;
  });
  assert.deepEqual(statuses, [401, 403, 401, 401]);
  assert.deepEqual(asked, ['/notes/own401', '/notes/own403', '/notes/forged', '/notes/refuses']);
  await state(page, 'active');
  assert.equal(await banner(page).isVisible(), false);
  await context.close();
});

test('a session that ends again after the log-in: the second refusal is the answer, no loop', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  let sent = 0;
  await page.route('**/notes/', (route) => {
    sent += 1;
    return route.fulfill({ status: 401, headers: { 'Countersign-Refused': 'session_ended', 'Countersign-Forwarded': '0' } });
  });
  await page.getByLabel('Text').fill('refused twice');
  await page.getByRole('button', { name: 'Save' }).click();
  await said(page, '401 session_ended');
  assert.equal(sent, 2);
  await context.close();
});

test('a write of which some may have been forwarded is never sent again', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  let sent = 0;
  await page.route('**/notes/', (route) => {
    sent += 1;
    return route.fulfill({ status: 401, headers: { 'Countersign-Refused': 'session_ended', 'Countersign-Forwarded': '1' } });
  });
  await page.getByRole('button', { name: 'Save' }).click();
  await said(page, '401 session_ended');
  assert.equal(sent, 1);
  await context.close();
});

test('what waits is bounded: cancelled, aborted, too late', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { clock: 0, options: { maxWait: 60_000 } });
  await waits(page, 'cancelled');
  await banner(page).getByRole('button', { name: 'Cancel' }).click();
  await said(page, 'cancelled');
  const outcomes = await page.evaluate(async () => {
    const stop = new AbortController();
    const aborted = window.session.fetch('/notes/', { signal: stop.signal }).catch((error) => error.name);
    window.late = window.session.fetch('/notes/').catch((error) => error.code);
    while (window.session.snapshot().waiting < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    stop.abort();
    return aborted;
  });
  assert.equal(outcomes, 'AbortError');
  await page.clock.fastForward(61_000);
  assert.equal(await page.evaluate(() => window.late), 'wait_timeout');
  assert.equal(await page.evaluate(() => window.session.snapshot().waiting), 0);
  await context.close();
});

test('the page asks before it is closed with an unsent change, and only then', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  const prevented = () => page.evaluate(() => !window.dispatchEvent(new Event('beforeunload', { cancelable: true })));
  assert.equal(await prevented(), false);
  await waits(page, 'unsent');
  assert.equal(await prevented(), true);
  await logInAgain(page, 'ann');
  await said(page, '201');
  assert.equal(await prevented(), false);
  await context.close();
});

for (const answer of ['Send', 'Discard']) {
  test(`replay "ask": ${answer}`, async () => {
    const context = await world.profile('ann');
    const page = await world.open(context, { options: { replay: 'ask' } });
    await waits(page, `asked ${answer}`);
    await logInAgain(page, 'ann');
    await banner(page).getByText('POST /notes/').waitFor();
    assert.deepEqual(await world.authorsOf(`asked ${answer}`), []);
    await banner(page).getByRole('button', { name: answer }).click();
    await said(page, answer === 'Send' ? '201' : 'not_replayed');
    assert.equal((await world.authorsOf(`asked ${answer}`)).length, answer === 'Send' ? 1 : 0);
    await banner(page).waitFor({ state: 'hidden' });
    await context.close();
  });
}

test('replay "safe": reads go on, writes do not', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { options: { replay: 'safe' } });
  await waits(page, 'only reads');
  await page.evaluate(() => {
    window.read = window.session.fetch('/notes/').then((response) => response.status);
  });
  await logInAgain(page, 'ann');
  await said(page, 'not_replayed');
  assert.equal(await page.evaluate(() => window.read), 200);
  assert.deepEqual(await world.authorsOf('only reads'), []);
  await context.close();
});

test('bodies of every kind are replayed whole', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context);
  await world.endSessions();
  await page.evaluate(() => {
    const send = (body) => window.session.fetch('/notes/', { method: 'POST', body }).then((response) => response.status);
    const form = new FormData();
    form.set('text', 'a form');
    const bytes = new TextEncoder().encode('some bytes');
    window.all = Promise.all([
      send('a string'), send(bytes), send(new Blob(['a blob'])), send(form), send(new URLSearchParams({ a: 'pair' })),
      window.session.fetch(new Request('/notes/', { method: 'POST', body: 'a request' })).then((response) => response.status),
    ]);
  });
  await page.waitForFunction(() => window.session.snapshot().waiting === 6);
  await logInAgain(page, 'ann');
  assert.deepEqual(await page.evaluate(() => window.all), Array(6).fill(201));
  for (const text of ['a string', 'some bytes', 'a blob', 'a=pair', 'a request']) {
    assert.equal((await world.authorsOf(text)).length, 1, text);
  }
  await context.close();
});

test('names of a hostile user are text', async () => {
  const context = await world.profile('eve');
  const page = await world.open(context, { options: { whenGone: 'keep' } });
  let alerts = 0;
  page.on('dialog', (dialog) => {
    alerts += 1;
    return dialog.dismiss();
  });
  await waits(page, 'evil');
  await logInAgain(page, 'eve');
  await said(page, '201');
  assert.equal(await page.locator('#who').innerText(), '<script>alert(1)</script><img src=x onerror=alert(1)>');
  assert.equal(await page.evaluate(() => window.session.looksLike('"><svg onload=alert(1)>')), true);
  assert.equal(await page.locator('img, svg').count(), 0);
  assert.equal(alerts, 0);
  await context.close();
});

test('other origins get nothing of ours', async () => {
  const received = [];
  const foreign = createServer((request, response) => {
    received.push({ url: request.url, ...request.headers });
    response.writeHead(request.method === 'OPTIONS' ? 204 : 200, { 'Access-Control-Allow-Origin': '*' }).end('foreign');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => foreign.once('listening', resolve));
  const origin = `http://127.0.0.1:${foreign.address().port}`;
  const context = await world.profile('ann');
  const page = await world.open(context);
  const body = await page.evaluate(async (url) => (await window.session.fetch(url)).text(), `${origin}/direct`);
  assert.equal(body, 'foreign');
  await page.evaluate((url) => window.session.fetch(`/notes/away?${url}/redirected`).catch(() => {}), origin);
  foreign.closeAllConnections();
  foreign.close();
  for (const request of received.filter(({ url }) => url === '/direct')) {
    assert.equal(request.cookie, undefined);
    assert.equal(request.countersign, undefined);
    assert.equal(request['access-control-request-headers'], undefined);
  }
  for (const request of received) assert.equal(request.authorization, undefined);
  await context.close();
});

test('cookie mode: no token is in storage, address, console, page or any answer', async () => {
  const context = await world.profile('ann');
  const heard = [];
  context.on('request', (request) => heard.push(request.url(), JSON.stringify(request.headers()), request.postData() ?? ''));
  const answers = [];
  const read = async (response) => heard.push(JSON.stringify(response.headers()), await response.text().catch(() => ''));
  context.on('response', (response) => answers.push(read(response)));
  context.on('console', (message) => heard.push(message.text()));
  const page = await world.open(context, { clock: 0 });
  const session = (await context.cookies())[0].value;
  await page.clock.fastForward(3_600_000);
  await waits(page, 'watched');
  await logInAgain(page, 'ann');
  await said(page, '201');
  await page.evaluate(() => window.session.fetch('/notes/'));
  heard.push(
    await page.evaluate(async () => JSON.stringify([localStorage, sessionStorage, document.cookie, (await indexedDB.databases()).length, await caches.keys()])),
    await page.content(),
  );
  // what a window was answered that has closed meanwhile never comes
  await Promise.race([Promise.all(answers), new Promise((resolve) => setTimeout(resolve, 2000))]);
  const traffic = heard.filter((text) => !text.startsWith('import') && !text.includes('createSession'));
  assert.ok(traffic.length > 10);
  for (const text of traffic) {
    assert.doesNotMatch(text, /eyJ[\w-]+\.[\w-]+\./);
    assert.doesNotMatch(text, /"authorization"/i);
  }
  assert.ok(!heard.some((text) => text.includes(session)), 'the session token was seen by a script or in an address');
  await context.close();
});
