// Verifies and signs tokens with jose, as a service in Node.js would.
//
// Reads one JSON line for each question and answers with one line.
// {"token", "keys" or "secret", "issuer", "audience"} is answered with {"claims", "header"} or {"refused"}: `keys` is the
// key set's address, or a key set, `secret` an HMAC key in hexadecimal; with one of the latter, `now` says the time.
// {"sign", "claims"} is answered with {"token", "key"}: signed as that algorithm with a new key, or with `secret`.
// {"prove", "thumbprint": true} is answered with {"thumbprint"} of a new key of that algorithm; {"prove", "claims"} with
// {"proof"}: a DPoP proof of that key. {"proof", "method", "uri", "token", "now"} is answered with {"claims", "thumbprint"}
// or {"refused"}.

import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';

import {
  calculateJwkThumbprint, createLocalJWKSet, createRemoteJWKSet, EmbeddedJWK, exportJWK, generateKeyPair, jwtVerify, SignJWT,
} from 'jose';

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

const clients = new Map();

async function prove({ prove: alg, thumbprint, claims }) {
  if (thumbprint) clients.set(alg, await generateKeyPair(alg, { extractable: true }));
  const { privateKey, publicKey } = clients.get(alg);
  const jwk = await exportJWK(publicKey);
  if (thumbprint) return { thumbprint: await calculateJwkThumbprint(jwk) };
  return { proof: await new SignJWT(claims).setProtectedHeader({ alg, typ: 'dpop+jwt', jwk }).sign(privateKey) };
}

// As RFC 9449 §4.3 has it, with what jose and the URL class of Node.js offer.
async function checkProof({ proof, method, uri, token, now }) {
  const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
    typ: 'dpop+jwt', algorithms: asymmetric, clockTolerance: 5, maxTokenAge: 55, currentDate: new Date(now * 1000),
    requiredClaims: ['jti', 'htm', 'htu', 'iat', 'ath'],
  });
  const address = (text) => {
    const { origin, pathname } = new URL(text);
    return origin + pathname;
  };
  if (payload.htm !== method) throw new Error('htm');
  if (address(payload.htu) !== address(uri)) throw new Error('htu');
  if (payload.ath !== createHash('sha256').update(token).digest('base64url')) throw new Error('ath');
  return { claims: payload, thumbprint: await calculateJwkThumbprint(protectedHeader.jwk) };
}

function answer(question) {
  if (question.sign) return sign(question);
  if (question.prove) return prove(question);
  return question.proof === undefined ? verify(question) : checkProof(question);
}

console.log(JSON.stringify({ listening: 'stdin' }));
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  try {
    console.log(JSON.stringify(await answer(question)));
  } catch (error) {
    console.log(JSON.stringify({ refused: error.code ?? String(error) }));
  }
}
