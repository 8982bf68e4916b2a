// The old server: a log-in form, opaque cookie sessions, "who am I", and the pages of the application.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const here = new URL('.', import.meta.url);
const dist = new URL('../../dist/', here);
const kinds = { js: 'text/javascript; charset=utf-8', html: 'text/html; charset=utf-8' };

export const PEOPLE = {
  ann: { sub: 'u-1', name: 'Ann', email: 'ann@acme.example', roles: ['viewer', 'editor'], org: 'acme' },
  bob: { sub: 'u-2', name: 'Bob', email: 'bob@globex.example', roles: ['viewer'], org: 'globex' },
  // Ann again, working for somebody else
  ann2: { sub: 'u-1', name: 'Ann', email: 'ann@acme.example', roles: ['viewer', 'editor'], org: 'globex' },
  eve: {
    sub: '"><img src=x onerror=alert(1)>', name: '<script>alert(1)</script><img src=x onerror=alert(1)>',
    email: 'javascript:alert(1)', roles: ['"><svg onload=alert(1)>'], org: 'acme',
  },
};
export const COOKIE = 'SESSION';

export const cookieOf = (request) =>
  new RegExp(`(?:^|; *)${COOKIE}=([^;]+)`).exec(request.headers.cookie ?? '')?.[1];

const loginPage = (next) => `<!doctype html><html lang="en"><title>Log in</title><h1>Old server</h1>
<form method="post" action="/login"><input type="hidden" name="next" value="${next.replace(/[&<"]/g, (c) => `&#${c.charCodeAt(0)};`)}">
<input name="user" aria-label="user"><button>Log in</button></form>`;

export class OldServer {
  sessions = new Map();
  asked = 0;
  /** Answers nothing but 500. */
  broken = false;
  coop = 'same-origin';

  async start() {
    this.server = createServer((request, response) => void this.answer(request, response));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.origin = `http://localhost:${this.port}`;
  }
  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
  /** A session without the form; its cookie's value. */
  begin(user, seconds = 3600) {
    const token = randomBytes(24).toString('hex');
    this.sessions.set(token, { ...PEOPLE[user], exp: Math.floor(Date.now() / 1000) + seconds });
    return token;
  }
  find(token) {
    const session = this.sessions.get(token);
    return session && session.exp * 1000 > Date.now() ? session : undefined;
  }
  endAll() {
    this.sessions.clear();
  }

  async answer(request, response) {
    const url = new URL(request.url, this.origin);
    const send = (status, headers, body = '') => response.writeHead(status, { 'Cache-Control': 'no-store', ...headers }).end(body);
    if (url.pathname === '/login') {
      const page = { 'Content-Type': kinds.html, 'X-Frame-Options': 'DENY', ...(this.coop && { 'Cross-Origin-Opener-Policy': this.coop }) };
      if (request.method === 'GET') return send(200, page, loginPage(url.searchParams.get('next') ?? '/'));
      const form = new URLSearchParams(await text(request));
      return send(303, {
        'Set-Cookie': `${COOKIE}=${this.begin(form.get('user'))}; Path=/; HttpOnly; SameSite=Lax`,
        Location: form.get('next'),
      });
    }
    if (url.pathname === '/logout') {
      this.sessions.delete(cookieOf(request));
      return send(200, { 'Content-Type': kinds.html, 'Set-Cookie': `${COOKIE}=; Path=/; HttpOnly; Max-Age=0` }, '<h1>Goodbye</h1>');
    }
    if (url.pathname === '/me') {
      this.asked += 1;
      if (this.broken) return send(500, {});
      const session = this.find(cookieOf(request));
      return session ? send(200, { 'Content-Type': 'application/json' }, JSON.stringify(session)) : send(401, {});
    }
    const [, name] = /^\/dist\/([\w.-]+)$/.exec(url.pathname) ?? [];
    try {
      // pages without "no-store", so that the browser may keep them for its Back button
      if (name) return send(200, { 'Content-Type': kinds.js }, readFileSync(new URL(name, dist)));
      const page = /^\/(\w+)\.(html|js)$/.exec(url.pathname);
      if (page) {
        const made = this.made?.get(url.pathname) ?? readFileSync(new URL(`pages/${page[1]}.${page[2]}`, here));
        return send(200, { 'Content-Type': kinds[page[2]], 'Cache-Control': 'no-cache' }, made);
      }
    } catch {
      // then there is none
    }
    return send(404, {});
  }
}

export const text = async (request) => {
  let all = '';
  for await (const chunk of request) all += chunk;
  return all;
};
