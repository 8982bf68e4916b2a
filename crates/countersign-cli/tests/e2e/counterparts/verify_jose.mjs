// Verifies access tokens with jose, from the published key set, as a service in Node.js would.
//
// Reads one JSON line for each question, {"token", "keys", "issuer", "audience"}, and answers with one line,
// {"claims", "header"} or {"refused"}. `keys` is the key set's address, or a key set; with one, `now` says the time.

import { createInterface } from 'node:readline';

import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose';

const remote = new Map();
function keysOf(keys) {
  if (typeof keys !== 'string') return createLocalJWKSet(keys);
  if (!remote.has(keys)) remote.set(keys, createRemoteJWKSet(new URL(keys)));
  return remote.get(keys);
}

console.log(JSON.stringify({ listening: 'stdin' }));
for await (const line of createInterface({ input: process.stdin })) {
  const { token, keys, issuer, audience, now } = JSON.parse(line);
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keysOf(keys), {
      issuer, audience, typ: 'at+jwt', currentDate: now ? new Date(now * 1000) : undefined,
      algorithms: ['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'Ed25519'],
      requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
    });
    console.log(JSON.stringify({ claims: payload, header: protectedHeader }));
  } catch (error) {
    console.log(JSON.stringify({ refused: error.code ?? String(error) }));
  }
}
