// A real authorization server: oidc-provider with opaque access tokens, introspection, userinfo and revocation.
//
// Prints one JSON line, {"listening", "private_key"}, when it is ready, and ends with its standard input.
// Beside the provider's own endpoints:
//
//   POST /story/login?user=ada&client=legacy-app   the whole authorization code flow; answers the access token,
//                                                  also as the cookie SESSION
//   POST /story/logout                             ends the session that the access token in the body was got with, as
//                                                  its browser would; answers what became of the log-out tokens
//   GET  /story/calls                              how often introspection and userinfo were asked
//   POST /story/mode?is=well|failing|hanging       how both answer from now on
//
// With an argument, log-out tokens of both applications go to that URI: `legacy-app`'s name the session, and `bare-app`'s
// only the user.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import { calculateJwkThumbprint } from 'jose';
import Provider from 'oidc-provider';

const USERS = {
  ada: { preferred_username: 'ada', email: 'ada@acme.example', roles: ['editor', 'viewer'], org: { id: 'acme' } },
  bob: { preferred_username: 'bob', email: 'bob@globex.example', roles: ['viewer'], org: { id: 'globex' } },
};
const USER_CLAIMS = ['preferred_username', 'email', 'roles', 'org'];
const REDIRECT = 'http://127.0.0.1/callback';
const LOGOUT_URI = process.argv[2];
const application = (client_id, backchannel_logout_session_required) => ({
  client_id,
  client_secret: 'secret-of-the-application',
  redirect_uris: [REDIRECT],
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
  ...(LOGOUT_URI && { backchannel_logout_uri: LOGOUT_URI, backchannel_logout_session_required }),
});
const resourceServer = (client_id, more) => ({
  client_id, redirect_uris: [], response_types: [], grant_types: [], ...more,
});

// every entry is kept until the process ends; the adapter that comes with the provider forgets the oldest
class Memory {
  static stored = new Map();
  static granted = new Map();
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) {
    Memory.stored.set(this.key(id), payload);
    if (payload.uid) Memory.stored.set(`${this.model}:uid:${payload.uid}`, payload);
    if (payload.grantId && this.model !== 'Session') {
      if (!Memory.granted.has(payload.grantId)) Memory.granted.set(payload.grantId, []);
      Memory.granted.get(payload.grantId).push(this.key(id));
    }
  }
  async find(id) { return Memory.stored.get(this.key(id)); }
  async findByUid(uid) { return Memory.stored.get(`${this.model}:uid:${uid}`); }
  async findByUserCode() { return undefined; }
  async destroy(id) { Memory.stored.delete(this.key(id)); }
  async consume(id) { Memory.stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async revokeByGrantId(grant) {
    for (const key of Memory.granted.get(grant) ?? []) Memory.stored.delete(key);
    Memory.granted.delete(grant);
  }
}

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const gatewayKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const registeredKey = gatewayKey.publicKey.export({ format: 'jwk' });
// the gateway names its key by the thumbprint (RFC 7638), and the provider takes only a key of that name
registeredKey.kid = await calculateJwkThumbprint(registeredKey);

const provider = new Provider(issuer, {
  adapter: Memory,
  clients: [
    application('legacy-app', true), // its tokens tell the user's claims at introspection
    application('bare-app', false), // its tokens tell only `sub`: the claims are at userinfo
    resourceServer('gateway-basic', { client_secret: 'p+l us:%secret-of-the-gateway', token_endpoint_auth_method: 'client_secret_basic' }),
    resourceServer('gateway-post', { client_secret: 'posted-secret-of-the-gateway', token_endpoint_auth_method: 'client_secret_post' }),
    resourceServer('gateway-key', {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [{ ...registeredKey, use: 'sig', alg: 'ES256' }] },
    }),
  ],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  claims: { openid: ['sub'], profile: USER_CLAIMS },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'] },
  extraTokenClaims: (_, token) => (token.clientId === 'legacy-app' ? USERS[token.accountId] : undefined),
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (_, client) => client.clientId.startsWith('gateway-') },
    revocation: { enabled: true },
  },
  // the provider's own way out refuses loopback, where the gateway is
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  findAccount: (_, name) => (USERS[name] ? { accountId: name, claims: () => ({ ...USERS[name], sub: name }) } : undefined),
  interactions: { url: (_, interaction) => `/story/interaction/${interaction.uid}` },
  jwks: { keys: [{ ...signing, use: 'sig', alg: 'RS256', kid: 'one' }] },
  pkce: { required: () => false },
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 3600, IdToken: 3600, Interaction: 600, Session: 3600 },
});
provider.on('server_error', (_, error) => console.error(error));
provider.on('introspection.error', (_, error) => console.error(error.message, error.error_detail ?? ''));

const browsers = new Map(); // the cookies of each log-in, by its access token
let told = [];
provider.on('backchannel.success', (_, client) => told.push({ client: client.clientId, is: 'believed' }));
provider.on('backchannel.error', (_, error, client) => told.push({ client: client.clientId, is: error.message }));

const calls = { introspection: 0, userinfo: 0 };
let mode = 'well';

// answers the provider's questions as the user would: logs in as the login hint, consents to everything
async function interaction(request, response) {
  const { params, prompt, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    await provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
    return;
  }
  const grant = (grantId && await provider.Grant.find(grantId))
    || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addOIDCClaims(USER_CLAIMS);
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

// a browser without a screen
async function browse(jar, address, options = {}) {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
  const answer = await fetch(address, { redirect: 'manual', ...options, headers: { cookie } });
  for (const line of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    jar.set(name, value);
  }
  return answer;
}

// follows the redirects of the code flow and redeems the code
async function login(user, client) {
  const jar = new Map();
  const query = new URLSearchParams({
    client_id: client, response_type: 'code', redirect_uri: REDIRECT, scope: 'openid profile', login_hint: user,
  });
  let address = `${issuer}/auth?${query}`;
  for (let steps = 0; !address.startsWith(REDIRECT); steps += 1) {
    if (steps === 10) throw new Error('too many redirects');
    const answer = await browse(jar, address);
    if (!answer.headers.has('location')) throw new Error(`${answer.status} from ${address}: ${await answer.text()}`);
    address = new URL(answer.headers.get('location'), address).href;
  }
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client}:secret-of-the-application`).toString('base64')}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code', code: new URL(address).searchParams.get('code'), redirect_uri: REDIRECT,
    }),
  });
  if (!answer.ok) throw new Error(`${answer.status} from the token endpoint: ${await answer.text()}`);
  const tokens = await answer.json();
  browsers.set(tokens.access_token, jar);
  return tokens;
}

// the user says yes to the question whether to log out
async function logout(token) {
  const jar = browsers.get(token);
  const page = await (await browse(jar, `${issuer}/session/end`)).text();
  const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(page);
  told = [];
  const body = new URLSearchParams({ xsrf, logout: 'yes' });
  const answer = await browse(jar, `${issuer}/session/end/confirm`, { method: 'POST', body });
  if (answer.status !== 303) throw new Error(`${answer.status} from the log-out: ${await answer.text()}`);
  return told;
}

async function read(request) {
  let body = '';
  for await (const piece of request) body += piece;
  return body;
}

const own = provider.callback();
server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  const answer = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
  try {
    if (url.pathname.startsWith('/story/interaction/')) {
      await interaction(request, response);
    } else if (url.pathname === '/story/login') {
      const tokens = await login(url.searchParams.get('user'), url.searchParams.get('client') ?? 'legacy-app');
      answer(200, tokens, { 'set-cookie': `SESSION=${tokens.access_token}; Path=/; HttpOnly` });
    } else if (url.pathname === '/story/logout') {
      answer(200, await logout(await read(request)));
    } else if (url.pathname === '/story/calls') {
      answer(200, calls);
    } else if (url.pathname === '/story/mode') {
      mode = url.searchParams.get('is');
      answer(200, { mode });
    } else {
      const asked = { '/token/introspection': 'introspection', '/me': 'userinfo' }[url.pathname];
      if (asked) calls[asked] += 1;
      if (asked && mode === 'failing') answer(500, { error: 'server_error' });
      else if (!asked || mode !== 'hanging') await own(request, response);
    }
  } catch (error) {
    console.error(error);
    answer(500, { error: String(error) });
  }
});

console.log(JSON.stringify({
  listening: issuer,
  private_key: gatewayKey.privateKey.export({ format: 'pem', type: 'pkcs8' }),
}));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
