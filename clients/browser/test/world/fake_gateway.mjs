// The gateway's contract with the browser client, in little: session endpoints, refusals, and one translated route.
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { cookieOf } from './old_server.mjs';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const short = (value) => createHash('sha256').update(value).digest('base64url').slice(0, 16);
const doneScript = (back) => `new BroadcastChannel('countersign').postMessage({t:'login'});${back}`;

export class FakeGateway {
  lifetime = 300;
  /** Seconds the server's clock is ahead of this process's. */
  skew = 0;
  bearer = false;
  logoutUrl;
  allowed = [];
  counts = { session: 0, renew: 0, logout: 0 };
  revoked = new Set();

  constructor(old, servicePort) {
    this.old = old;
    this.servicePort = servicePort;
  }
  async start(port = 0) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch(() => response.destroy());
    });
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.origin = `http://localhost:${this.port}`;
  }
  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
  get loginUrl() {
    return `${this.old.origin}/login?next={return}`;
  }

  /** The session of a request, or the code it is refused with. */
  who(request) {
    const cookie = cookieOf(request);
    if (this.bearer && /^bearer /i.test(request.headers.authorization ?? '') && !request.url.startsWith('/.countersign/')) {
      const payload = request.headers.authorization.split('.')[1] ?? '';
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString() || '{}');
      if (claims.aud !== `${this.origin}/browser`) return { status: 401, code: 'audience_mismatch' };
      if (claims.exp < Date.now() / 1000 + this.skew) return { status: 401, code: 'session_ended' };
      if (cookie && claims.sid !== short(cookie)) return { status: 400, code: 'ambiguous_credential' };
    }
    if (!cookie) return { status: 401, code: 'credential_missing' };
    if (this.revoked.has(short(cookie))) return { status: 401, code: 'revoked' };
    if (this.old.broken) return { status: 503, code: 'source_unavailable', retry: 1 };
    const session = this.old.find(cookie);
    return session ? { session, sid: short(cookie) } : { status: 401, code: 'session_ended' };
  }
  token(session, sid, audience) {
    const now = Math.floor(Date.now() / 1000) + this.skew;
    const claims = { sub: session.sub, aud: audience, sid, iat: now, exp: Math.min(now + this.lifetime, session.exp) };
    return `${part({ alg: 'none', typ: 'at+jwt' })}.${part(claims)}.${part('fake')}`;
  }

  async answer(request, response) {
    const url = new URL(request.url, this.origin);
    const origin = request.headers.origin;
    const cors = this.allowed.includes(origin)
      ? {
          'Access-Control-Allow-Origin': origin,
          'Access-Control-Allow-Credentials': 'true',
          'Access-Control-Expose-Headers': 'Countersign-Refused, Countersign-Forwarded, WWW-Authenticate, Retry-After',
        }
      : {};
    if (request.method === 'OPTIONS' && origin) {
      response.writeHead(204, {
        ...cors, 'Access-Control-Allow-Headers': 'countersign, authorization, content-type', 'Access-Control-Allow-Methods': 'GET, POST',
      });
      return response.end();
    }
    const common = { 'Cache-Control': 'no-store', Vary: 'Cookie, Origin, Sec-Fetch-Site', ...cors };
    const json = (status, body) => response.writeHead(status, { ...common, 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    const refuse = ({ status, code, retry }) =>
      response
        .writeHead(status, {
          ...common, 'Content-Type': 'application/problem+json', 'Countersign-Refused': code, 'Countersign-Forwarded': '0',
          ...(retry && { 'Retry-After': String(retry) }),
        })
        .end(JSON.stringify({ code, status }));
    const ours = request.headers['sec-fetch-site'] === 'same-origin' || cors['Access-Control-Allow-Origin'];

    if (url.pathname.startsWith('/.countersign/')) return this.own(url, request, { json, refuse, response, ours });
    if (!url.pathname.startsWith('/notes/')) return this.pass(request, response, this.old.port, request.headers);
    if (request.method !== 'GET' && !ours) return refuse({ status: 403, code: 'csrf' });
    const who = this.who(request);
    if (!who.session) return refuse(who);
    const { cookie, authorization, ...headers } = request.headers;
    return this.pass(request, response, this.servicePort, {
      ...headers, authorization: `Bearer ${this.token(who.session, who.sid, 'notes')}`,
    }, common);
  }

  async own(url, request, { json, refuse, response, ours }) {
    const name = url.pathname.slice('/.countersign/'.length);
    const html = (script) => {
      const hash = createHash('sha256').update(script).digest('base64');
      const policy = `default-src 'none'; script-src 'sha256-${hash}'`;
      response
        .writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy })
        .end(`<!doctype html><title>Logged in</title><p>You can close this tab.</p><script>${script}</script>`);
    };
    if (name === 'client.js' || name === 'banner.js') {
      const built = name === 'client.js' ? 'countersign.js' : 'countersign-banner.js';
      const script = readFileSync(new URL(`../../dist/${built}`, import.meta.url));
      return response.writeHead(200, { 'Content-Type': 'text/javascript', 'Cache-Control': 'no-cache' }).end(script);
    }
    const display = url.searchParams.get('display');
    const back = url.searchParams.get('return') ?? '/';
    if (name === 'login' || name === 'done') {
      // eslint-disable-next-line no-control-regex
      if (!/^\/(?!\/)[^\\\x00-\x1f]*$/.test(back)) return refuse({ status: 400, code: 'return_invalid' });
      if (name === 'done') {
        return html(doneScript(display === 'popup' ? 'close();' : `location.replace(${JSON.stringify(back).replace(/</g, '\\u003c')});`));
      }
      const done = `${this.origin}/.countersign/done?display=${display}&return=${encodeURIComponent(back)}`;
      return response.writeHead(303, { Location: this.loginUrl.replace('{return}', encodeURIComponent(done)) }).end();
    }
    if (request.headers.countersign !== '1') return refuse({ status: 403, code: 'countersign_header_missing' });
    if (!ours) return refuse({ status: 403, code: 'csrf' });
    this.counts[name] += 1;
    const who = this.who(request);
    if (!who.session) return refuse(who);
    const { session, sid } = who;
    if (name === 'logout') {
      this.revoked.add(sid);
      return json(200, { server_session: this.logoutUrl ? 'ended' : 'alive', logout_url: this.logoutUrl });
    }
    const now = Math.floor(Date.now() / 1000) + this.skew;
    const audience = url.searchParams.get('audience') ?? `${this.origin}/browser`;
    return json(200, {
      user: { sub: session.sub, name: session.name, email: session.email, organisation: session.org, roles: session.roles },
      sid, now, exp: Math.min(now + this.lifetime, session.exp), session_ends: session.exp,
      draft_key: createHmac('sha256', 'cluster').update(`${session.sub}|${session.org}|1`).digest('base64url'),
      ...(this.bearer && { token: this.token(session, sid, audience) }),
    });
  }

  pass(request, response, port, headers, added = {}) {
    return new Promise((resolve, reject) => {
      const onward = forward({ port, host: '127.0.0.1', path: request.url, method: request.method, headers }, (answer) => {
        const kept = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !name.startsWith('countersign-')));
        response.writeHead(answer.statusCode, { ...kept, ...added });
        answer.pipe(response).on('finish', resolve);
      });
      onward.on('error', reject);
      request.pipe(onward);
    });
  }
}
