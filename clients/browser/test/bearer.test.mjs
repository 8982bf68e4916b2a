// Bearer mode: a short token in the page's memory, and nowhere else.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { banner, logInAgain, said, state, World } from './world/world.mjs';

let world;
before(async () => {
  world = await World.start({ bearer: true });
});
after(() => world.stop());

const claims = (header) => JSON.parse(Buffer.from(header.split('.')[1], 'base64url').toString());
const tokensSent = (context) => {
  const seen = [];
  context.on('request', (request) => {
    const { authorization } = request.headers();
    if (authorization) seen.push({ url: request.url(), authorization });
  });
  return seen;
};
const options = { mode: 'bearer' };

test('the token goes to the gateway alone, in the header alone', async () => {
  const foreign = createServer((request, response) => response.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end('x'));
  await new Promise((resolve) => foreign.listen(0, '127.0.0.1', resolve));
  const elsewhere = `http://127.0.0.1:${foreign.address().port}`;
  const context = await world.profile('ann');
  const sent = tokensSent(context);
  const consoleText = [];
  context.on('console', (message) => consoleText.push(message.text()));
  const page = await world.open(context, { options });
  assert.equal(await page.evaluate(async () => (await window.session.fetch('/notes/')).status), 200);
  assert.equal(sent.length, 1);
  assert.equal(claims(sent[0].authorization).aud, `${world.gateway.origin}/browser`);
  const token = sent[0].authorization.slice(7);
  await page.evaluate((url) => window.session.fetch(url), `${elsewhere}/direct`);
  const redirected = await page.evaluate(
    (url) => window.session.fetch(`/notes/away?${url}/redirected`).then(() => 'followed', (error) => error.name),
    elsewhere,
  );
  assert.equal(redirected, 'TypeError');
  for (const { url } of sent) assert.ok(url.startsWith(world.gateway.origin), url);
  const reachable = await page.evaluate(async () => {
    const seen = new Set();
    const texts = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href, document.documentElement.outerHTML];
    const walk = (value, depth) => {
      if (depth > 4 || value === null || (typeof value !== 'object' && typeof value !== 'function')) {
        if (typeof value === 'string') texts.push(value);
        return;
      }
      if (seen.has(value)) return;
      seen.add(value);
      for (const key of Reflect.ownKeys(value)) {
        try {
          walk(value[key], depth + 1);
        } catch {
          // a getter that throws holds nothing
        }
      }
    };
    walk(window.session, 0);
    walk(window.told, 0);
    return texts.join('\n');
  });
  assert.ok(!reachable.includes(token));
  assert.ok(!consoleText.join().includes(token));
  foreign.close();
  await context.close();
});

test('tabs tell each other nothing secret', async () => {
  const context = await world.profile('ann');
  const listener = await context.newPage();
  await listener.goto(`${world.gateway.origin}/empty.html`);
  await listener.evaluate(() => {
    window.heard = [];
    new BroadcastChannel('countersign').onmessage = ({ data }) => window.heard.push(JSON.stringify(data));
  });
  const page = await world.open(context, { options, clock: 0 });
  const renewed = page.waitForResponse(/renew$/);
  await page.clock.fastForward(3_600_000);
  await renewed;
  await listener.waitForFunction(() => window.heard.length > 0);
  for (const text of await listener.evaluate(() => window.heard)) {
    assert.deepEqual(Object.keys(JSON.parse(text)).sort(), ['ends', 'exp', 'owner', 't']);
  }
  await context.close();
});

test("an old token is never used again, nor the page's own header", async () => {
  const context = await world.profile('ann');
  const sent = tokensSent(context);
  const page = await world.open(context, { options, clock: 0 });
  await page.getByLabel('Text').fill('bearer');
  await world.endSessions();
  await page.getByRole('button', { name: 'Save' }).click();
  await banner(page).waitFor();
  await logInAgain(page, 'ann');
  await said(page, '201');
  const used = sent.map(({ authorization }) => claims(authorization).sid);
  assert.equal(new Set(used).size, 2); // the ended session's once, then the new one's
  await page.evaluate(() => window.session.fetch('/notes/', { headers: { Authorization: 'Bearer stale' } }));
  assert.notEqual(sent.at(-1).authorization, 'Bearer stale');
  assert.deepEqual(await world.authorsOf('bearer'), ['u-1']);
  await context.close();
});

test('another session has taken the cookie: the page notices before anything is written', async () => {
  const context = await world.profile('ann');
  const page = await world.open(context, { options: { ...options, whenGone: 'keep' } });
  await world.logIn(context, 'bob');
  await page.getByLabel('Text').fill('whose is it');
  await page.getByRole('button', { name: 'Save' }).click();
  await said(page, 'user_changed');
  assert.deepEqual(await world.authorsOf('whose is it'), []);
  await context.close();
});

test('a service that is called directly gets a token of its own, and no cookie', async () => {
  const received = [];
  const service = createServer((request, response) => {
    const cors = { 'Access-Control-Allow-Origin': world.gateway.origin, 'Access-Control-Allow-Headers': 'authorization' };
    if (request.method === 'GET') received.push(request.headers);
    response.writeHead(request.method === 'GET' ? 401 : 204, cors).end();
  });
  await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve));
  const origin = `http://localhost:${service.address().port}`;
  const context = await world.profile('ann');
  const page = await world.open(context, { options });
  const status = await page.evaluate(async (direct) => {
    const { withServices } = await import('/dist/services.js');
    const go = withServices(window.session, { [direct]: 'notes' });
    const response = await go(`${direct}/x`);
    await go(`${direct}/y`, { credentials: 'include', redirect: 'follow' });
    return [response.status, (await go('/notes/')).status];
  }, origin);
  assert.deepEqual(status, [401, 200]);
  assert.equal(received.length, 2); // its 401 is no matter of the session: nothing is sent twice
  for (const { authorization, cookie } of received) {
    assert.equal(claims(authorization).aud, 'notes');
    assert.equal(cookie, undefined);
  }
  await state(page, 'active');
  service.closeAllConnections();
  service.close();
  await context.close();
});

test('local storage only by a name that says unsafe; log-out empties it', async () => {
  const context = await world.profile('ann');
  const warnings = [];
  context.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  const page = await context.newPage();
  await page.goto(`${world.gateway.origin}/empty.html`);
  await page.evaluate(async () => {
    const { createSession } = await import('/dist/index.js');
    const { unsafeLocalStorage } = await import('/dist/unsafe-local-storage.js');
    localStorage.setItem('token', 'of an earlier session');
    window.session = createSession({ mode: 'bearer', whenGone: 'keep', ...unsafeLocalStorage('token') });
    await window.session.start();
  });
  assert.match(await page.evaluate(() => localStorage.getItem('token')), /^eyJ/);
  assert.match(warnings.join(), /every script of this origin can read the token/);
  await page.evaluate(() => window.session.logout());
  assert.equal(await page.evaluate(() => localStorage.getItem('token')), null);
  await context.close();
});
