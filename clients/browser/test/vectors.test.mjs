// The catalogue of bad tokens, read by a page's platform and by the client.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { load } from './world/bundle.mjs';

const folder = new URL('../../../vectors/', import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, folder)));
const setups = read('setups.json');
const files = readdirSync(folder).filter((name) => name.endsWith('.json') && !['setups.json', 'proof.json'].includes(name));
const tokens = files.flatMap((name) => read(name).vectors);
const proofs = read('proof.json');

const EC = { ES256: ['P-256', 'SHA-256'], ES384: ['P-384', 'SHA-384'], ES512: ['P-521', 'SHA-512'] };
const algorithmOf = (name) => {
  const hash = `SHA-${name.slice(2)}`;
  if (name === 'EdDSA' || name === 'Ed25519') return [{ name: 'Ed25519' }, { name: 'Ed25519' }];
  if (name in EC) return [{ name: 'ECDSA', namedCurve: EC[name][0] }, { name: 'ECDSA', hash: EC[name][1] }];
  if (/^RS\d+$/.test(name)) return [{ name: 'RSASSA-PKCS1-v1_5', hash }, { name: 'RSASSA-PKCS1-v1_5' }];
  if (/^PS\d+$/.test(name)) return [{ name: 'RSA-PSS', hash }, { name: 'RSA-PSS', saltLength: hash.slice(4) / 8 }];
  return null;
};
const decode = (segment) => Buffer.from(segment, 'base64url');
const json = (segment) => JSON.parse(decode(segment).toString());
const members = ({ kty, crv, x, y, n, e }) => ({ kty, crv, x, y, n, e });

/** Whether a key that is for one algorithm says that a compact JWS of that algorithm is its own, by WebCrypto alone. */
const isSigned = async (token, jwk) => {
  const [header, payload, signature, ...more] = token.split('.');
  if (more.length || signature === undefined || json(header).alg !== jwk.alg) return false;
  const algorithm = algorithmOf(jwk.alg);
  if (!algorithm) return false;
  const key = await crypto.subtle.importKey('jwk', members(jwk), algorithm[0], false, ['verify']);
  return crypto.subtle.verify(algorithm[1], key, decode(signature), Buffer.from(`${header}.${payload}`));
};

/** The same with the published key that the token names. */
const isSignedByIssuer = async (token) => {
  const { kid } = json(token.split('.')[0]);
  const key = setups.keys.key_set.keys.find((one) => one.kid === kid);
  return key !== undefined && isSigned(token, key);
};

const ofKeySet = tokens.filter(({ setup }) => setup === 'keys');

test('what is good is signed, and its issuer is named by its key', async () => {
  const good = ofKeySet.filter(({ refusal }) => !refusal);
  assert.ok(good.length >= 40, `${good.length}`);
  for (const { name, token } of good) assert.ok(await isSignedByIssuer(token), name);
});

test('each bad token has a good twin', async () => {
  const bad = ofKeySet.filter(({ refusal }) => refusal);
  assert.ok(bad.length >= 200, `${bad.length}`);
  for (const { name, twin } of bad) assert.ok(await isSignedByIssuer(twin), name);
});

test('what is refused for its signature, algorithm or key is refused here too', async () => {
  const codes = ['algorithm_mismatch', 'key_unknown', 'signature_invalid'];
  const bad = ofKeySet.filter(({ refusal }) => codes.includes(refusal?.code));
  assert.ok(bad.length >= 120, `${bad.length}`);
  for (const { name, token } of bad) assert.equal(await isSignedByIssuer(token), false, name);
});

/** A proof by its own key (RFC 9449 §4.3, 4 to 7). */
const isProof = async (proof) => {
  try {
    const { typ, alg, jwk } = json(proof.split('.')[0]);
    const isPublic = !['d', 'k', 'p', 'q', 'dp', 'dq', 'qi'].some((name) => name in jwk);
    return typ === 'dpop+jwt' && isPublic && (await isSigned(proof, { ...jwk, alg: jwk.alg ?? alg }));
  } catch {
    return false;
  }
};

test('good proofs are signed by the key they bring, bad signatures are not', async () => {
  const bad = proofs.vectors.filter(({ refusal }) => refusal);
  for (const { name, twin } of bad) {
    if (twin.scheme === 'DPoP') assert.ok(twin.proofs.length === 1 && (await isProof(twin.proofs[0])), name);
  }
  const codes = ['proof_algorithm_unsupported', 'proof_signature_invalid'];
  const unsigned = bad.filter(({ refusal, setup }) => setup === 'both' && codes.includes(refusal.code));
  assert.ok(unsigned.length >= 10, `${unsigned.length}`);
  for (const { name, request } of unsigned) assert.equal(await isProof(request.proofs[0]), false, name);
});

/** What no header can hold: Fetch, "header value", after white space around it is taken off. */
const isHeader = (value) => !/[\0\r\n]|[^\0-\xff]/.test(value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, ''));

test('the client judges no token: it sends each to its service as it came, once, or not at all', async (context) => {
  const { withServices } = await load(`export { withServices } from './src/services.ts';`);
  const asked = [];
  context.mock.method(globalThis, 'fetch', (request) => {
    asked.push(request);
    return Promise.resolve(new Response('', { status: 401 }));
  });
  const user = { sub: 'ada', roles: [] };
  const service = 'https://orders.shop.example';
  for (const { name, token } of tokens.filter(({ token }) => token !== '')) {
    const granted = { user, token, now: 1, exp: 301 };
    const session = { user, on: () => {}, fetch: () => Promise.resolve(Response.json(granted)) };
    const fetch = withServices(session, { [service]: 'orders' });
    asked.length = 0;
    const status = await fetch(`${service}/orders/1`).then(({ status }) => status, (error) => error.name);
    if (isHeader(token)) {
      assert.equal(status, 401, name);
      assert.deepEqual(asked.map(({ url }) => url), [`${service}/orders/1`], name);
      const sent = asked[0].headers.get('Authorization');
      assert.equal(sent, `Bearer ${token}`.replace(/[\t\n\r ]+$/, ''), name);
      assert.deepEqual([asked[0].credentials, asked[0].redirect], ['omit', 'error'], name);
    } else {
      assert.deepEqual([status, asked.length], ['TypeError', 0], name);
    }
  }
});
