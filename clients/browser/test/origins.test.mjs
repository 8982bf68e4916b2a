// Pages of other origins than the gateway's: one that is allowed works, all others get nothing and change nothing.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { COOKIE } from './world/old_server.mjs';
import { banner, BINARY, logInAgain, said, state, told, World } from './world/world.mjs';

/** Serves the application, or an empty page, and nothing else: a web server that knows nothing of sessions. */
const site = async () => {
  const files = { '/dist/': '../dist/', '/': './world/pages/' };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://site');
    const folder = Object.keys(files).find((prefix) => pathname.startsWith(prefix));
    try {
      const body = readFileSync(new URL(files[folder] + pathname.slice(folder.length), import.meta.url));
      const kind = pathname.endsWith('.js') ? 'text/javascript' : 'text/html';
      response.writeHead(200, { 'Content-Type': `${kind}; charset=utf-8` }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: server.address().port, stop: () => { server.closeAllConnections(); server.close(); } };
};

/** A service that opens a WebSocket for everybody. */
const sockets = async () => {
  const server = createServer();
  const opened = new Set();
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on('error', () => {});
    opened.add(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: server.address().port, opened, stop: () => { for (const socket of opened) socket.destroy(); server.close(); } };
};

let [world, app, foreign, socket, allowed] = [];
before(async () => {
  [app, foreign, socket] = [await site(), await site(), await sockets()];
  allowed = `http://localhost:${app.port}`;
  world = await World.start({ allowed: [allowed], socketPort: socket.port });
});
after(async () => {
  await world.stop();
  for (const server of [app, foreign, socket]) server.stop();
});

/** A browser whose cookie goes along with forms of every site, as the cookie of an old server may. */
const profile = async () => {
  const context = await world.profile();
  const cookie = { name: COOKIE, value: world.old.begin('ann'), domain: 'localhost', path: '/' };
  await context.addCookies([{ ...cookie, httpOnly: true, secure: true, sameSite: 'None' }]);
  return { context, cookie: cookie.value };
};
/** The status of a line that somebody copied. */
const copied = async (cookie) => (await fetch(`${world.gateway.origin}/notes/`, { headers: { Cookie: `${COOKIE}=${cookie}` } })).status;
const options = () => ({ base: `${world.gateway.origin}/.countersign`, whenGone: 'keep' });
const open = async (context, origin, path = '/app.html') => {
  const page = await context.newPage();
  await page.goto(`${origin}${path}?options=${encodeURIComponent(JSON.stringify(options()))}`);
  return page;
};
const save = (page, text) =>
  page.evaluate(([url, value]) => {
    document.getElementById('text').value = value;
    void window.save(url);
  }, [`${world.gateway.origin}/notes/`, text]);

test('an allowed origin: session, write, log-in beside the page, replay, renewal, log-out', async () => {
  const { context, cookie } = await profile();
  const page = await open(context, allowed);
  await page.evaluate(() => window.started);
  await state(page, 'active');
  assert.equal(await page.locator('#who').innerText(), 'Ann');
  assert.equal((await told(page, 'user')).length, 1);
  await save(page, 'from elsewhere');
  await said(page, '201');
  assert.deepEqual(await world.authorsOf('from elsewhere'), ['u-1']);

  await world.endSessions();
  await save(page, 'replayed from elsewhere');
  await banner(page).waitFor(); // so the refusal could be read, with its code
  assert.equal((await told(page, 'login-required'))[0].reason, 'session_ended');
  assert.deepEqual(await world.authorsOf('replayed from elsewhere'), []);
  await logInAgain(page, 'ann');
  await page.evaluate(() => window.dispatchEvent(new Event('focus'))); // another origin hears no channel
  await said(page, '201');
  assert.deepEqual(await world.authorsOf('replayed from elsewhere'), ['u-1']);
  assert.notEqual((await context.cookies()).find(({ name }) => name === COOKIE).value, cookie);

  // a service's own answers can be read as well, and are the page's business
  const own = await page.evaluate(async (url) => (await (await window.session.fetch(url)).json()).code, `${world.gateway.origin}/notes/own403`);
  assert.equal(own, 'of_the_service');

  const [{ value }] = await context.cookies(world.gateway.origin);
  assert.equal(await copied(value), 200);
  const result = await page.evaluate(() => window.session.logout());
  assert.equal(result.told, true);
  assert.equal(await copied(value), 401);
  await context.close();
});

const sameSite = () => `http://localhost:${foreign.port}`;
const foreigners = () => [
  sameSite(), // sends every cookie of the gateway's
  `http://sub.localhost:${foreign.port}`,
  `http://127.0.0.1:${foreign.port}`,
];

/** What a page of another site can try; what it could read of the answers. */
const attempts = async (gateway) => {
  const outcomes = {};
  const every = { credentials: 'include', cache: 'no-store' };
  const header = { Countersign: '1' };
  const attempt = async (name, path, init) => {
    const read = async (response) => `${response.type} ${response.status} ${(await response.text()).length}`;
    outcomes[name] = await fetch(gateway + path, { ...every, ...init }).then(read, (error) => error.name);
  };
  const own = '/.countersign';
  await attempt('session', `${own}/session`, { headers: header });
  await attempt('session, simple', `${own}/session`, {});
  await attempt('session, opaque', `${own}/session`, { mode: 'no-cors' });
  await attempt('renew', `${own}/renew`, { method: 'POST', headers: header });
  await attempt('renew, opaque', `${own}/renew`, { method: 'POST', mode: 'no-cors' });
  await attempt('log-out', `${own}/logout`, { method: 'POST', headers: header });
  await attempt('log-out, opaque', `${own}/logout`, { method: 'POST', mode: 'no-cors' });
  await attempt('log-out by GET', `${own}/logout`, { mode: 'no-cors' });
  await attempt('read', '/notes/', {});
  await attempt('write', '/notes/', { method: 'POST', body: 'planted', headers: header });
  await attempt('write, text/plain', '/notes/', { method: 'POST', body: 'planted', mode: 'no-cors' });
  await attempt('write, as a form', '/notes/', { method: 'POST', body: new URLSearchParams({ text: 'planted' }), mode: 'no-cors' });
  return outcomes;
};

/** Whether a page gets a WebSocket through the gateway. */
const connects = (page) =>
  page.evaluate((url) => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve('open');
    socket.onerror = () => resolve('refused');
  }), `${world.gateway.origin.replace('http', 'ws')}/socket/`);

const refusals = /^(csrf|countersign_header_missing)$/;

test('every other origin: reads nothing, changes nothing, whatever it tries', async () => {
  for (const origin of foreigners()) {
    const { context, cookie } = await profile();
    const answers = [];
    context.on('response', (response) => {
      if (response.url().startsWith(world.gateway.origin) && response.request().method() === 'POST') {
        answers.push(response);
      }
    });
    const page = await open(context, origin, '/empty.html');
    const outcomes = await page.evaluate(attempts, world.gateway.origin);
    for (const [name, outcome] of Object.entries(outcomes)) {
      const nothing = /opaque|text\/plain|form|by GET/.test(name) ? 'opaque 0 0' : 'TypeError';
      assert.equal(outcome, nothing, `${origin} ${name}`);
    }
    // what needs no leave by a preflight: two endpoints and two writes. The same site sends the cookie, so that nothing
    // but the page's origin stands between; browsers send none with a script's request of another site.
    const statuses = answers.map((response) => response.status());
    const written = BINARY && origin !== sameSite() ? 401 : 403; // the fake one looks at the origin first
    assert.deepEqual(statuses, [403, 403, written, written], origin);
    assert.deepEqual(await world.authorsOf('planted'), []);
    assert.deepEqual(await world.authorsOf('text=planted'), []);
    assert.equal(await copied(cookie), 200, 'nobody was logged out');
    await context.close();
  }
});

test('every other origin: forms, frames and pages without an origin change nothing either', async () => {
  for (const origin of foreigners()) {
    const { context, cookie } = await profile();
    for (const path of ['/notes/', '/.countersign/logout', '/.countersign/renew']) {
      const page = await open(context, origin, '/empty.html');
      const answered = page.waitForResponse((response) => response.url() === world.gateway.origin + path);
      await page.evaluate((action) => {
        const form = Object.assign(document.createElement('form'), { method: 'post', action, enctype: 'text/plain' });
        form.append(Object.assign(document.createElement('input'), { name: 'planted', value: '' }));
        document.body.append(form);
        form.submit();
      }, world.gateway.origin + path);
      const response = await answered;
      assert.equal(response.status(), 403, `${origin} ${path}`);
      // the cookie went along: nothing but the page's origin stood between
      assert.match((await response.allHeaders())['countersign-refused'], refusals, `${origin} ${path}`);
      await page.close();
    }
    // a frame in a sandbox has the origin `null`
    const page = await open(context, origin, '/empty.html');
    const outcome = await page.evaluate((url) => {
      const frame = document.createElement('iframe');
      frame.sandbox.add('allow-scripts');
      frame.srcdoc = `<script>
        fetch('${url}', { method: 'POST', body: 'planted', mode: 'no-cors', credentials: 'include' })
          .then((response) => parent.postMessage(origin + ' ' + response.type, '*'));
      </script>`;
      document.body.append(frame);
      return new Promise((resolve) => window.addEventListener('message', ({ data }) => resolve(data)));
    }, `${world.gateway.origin}/notes/`);
    assert.equal(outcome, 'null opaque');
    assert.equal((await world.rows()).filter(([, text]) => text.includes('planted')).length, 0);
    assert.equal(await copied(cookie), 200);
    await context.close();
  }
});

test('a WebSocket: for our own pages and an allowed origin, and nobody else', { skip: !BINARY && 'the fake gateway has none' }, async () => {
  const { context } = await profile();
  for (const [origin, outcome] of [[world.gateway.origin, 'open'], [allowed, 'open'], ...foreigners().map((each) => [each, 'refused'])]) {
    const page = await open(context, origin, '/empty.html');
    assert.equal(await connects(page), outcome, origin);
    await page.close();
  }
  assert.equal(socket.opened.size, 2);
  await context.close();
});

test('every other origin: the client itself learns of nobody', async () => {
  for (const origin of foreigners()) {
    const { context } = await profile();
    const page = await open(context, origin);
    assert.equal(await page.evaluate(() => window.started), null);
    assert.equal(await page.evaluate(() => window.session.user), null);
    assert.deepEqual(await told(page, 'user'), []);
    await save(page, 'by the client itself');
    await said(page, 'TypeError');
    assert.deepEqual(await world.authorsOf('by the client itself'), []);
    await context.close();
  }
});
