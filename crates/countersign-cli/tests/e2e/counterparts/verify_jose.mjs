// Verifies and signs tokens with jose, as a service in Node.js would.
//
// Reads one JSON line for each question and answers with one line.
// {"token", "keys" or "secret", "issuer", "audience"} is answered with {"claims", "header"} or {"refused"}: `keys` is the
// key set's address, or a key set, `secret` an HMAC key in hexadecimal; with one of the latter, `now` says the time.
// {"sign", "claims"} is answered with {"token", "key"}: signed as that algorithm with a new key, or with `secret`.

import { createInterface } from 'node:readline';

import { createLocalJWKSet, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';

const asymmetric = [
  'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA', 'Ed25519',
];
const remote = new Map();
function keysOf(keys) {
  if (typeof keys !== 'string') return createLocalJWKSet(keys);
  if (!remote.has(keys)) remote.set(keys, createRemoteJWKSet(new URL(keys)));
  return remote.get(keys);
}

async function verify({ token, keys, secret, issuer, audience, now }) {
  const key = secret ? Buffer.from(secret, 'hex') : keysOf(keys);
  const { payload, protectedHeader } = await jwtVerify(token, key, {
    issuer, audience, typ: 'at+jwt', clockTolerance: 5, currentDate: now ? new Date(now * 1000) : undefined,
    algorithms: secret ? ['HS256', 'HS384', 'HS512'] : asymmetric,
    requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
  });
  return { claims: payload, header: protectedHeader };
}

async function sign({ sign: alg, claims, secret }) {
  if (secret) {
    const token = await new SignJWT(claims).setProtectedHeader({ alg, typ: 'at+jwt' }).sign(Buffer.from(secret, 'hex'));
    return { token };
  }
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const token = await new SignJWT(claims).setProtectedHeader({ alg, typ: 'at+jwt', kid: 'theirs' }).sign(privateKey);
  return { token, key: { ...(await exportJWK(publicKey)), alg, kid: 'theirs' } };
}

console.log(JSON.stringify({ listening: 'stdin' }));
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  try {
    console.log(JSON.stringify(await (question.sign ? sign(question) : verify(question))));
  } catch (error) {
    console.log(JSON.stringify({ refused: error.code ?? String(error) }));
  }
}
