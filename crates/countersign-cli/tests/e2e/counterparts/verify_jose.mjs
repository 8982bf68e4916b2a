// Verifies access tokens with jose, from the published key set, as a service in Node.js would.
//
// Reads one JSON line for each question, {"token", "keys", "issuer", "audience"}, and answers with one line,
// {"claims", "header"} or {"refused"}.

import { createInterface } from 'node:readline';

import { createRemoteJWKSet, jwtVerify } from 'jose';

const keySets = new Map();
console.log(JSON.stringify({ listening: 'stdin' }));
for await (const line of createInterface({ input: process.stdin })) {
  const { token, keys, issuer, audience } = JSON.parse(line);
  if (!keySets.has(keys)) keySets.set(keys, createRemoteJWKSet(new URL(keys)));
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keySets.get(keys), {
      issuer, audience, typ: 'at+jwt', algorithms: ['ES256', 'RS256', 'EdDSA', 'Ed25519'],
      requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
    });
    console.log(JSON.stringify({ claims: payload, header: protectedHeader }));
  } catch (error) {
    console.log(JSON.stringify({ refused: error.code ?? String(error) }));
  }
}
