"""Verifies access tokens with PyJWT, from the published key set, as a service in Python would.

Reads one JSON line for each question, {"token", "keys", "issuer", "audience"}, and answers with one line,
{"claims", "header"} or {"refused"}. `keys` is the key set's address, or a key set; with one, `now` is there too, and
the token's times are not looked at, because PyJWT cannot be told the time.
"""

import json
import sys

import jwt

ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519"]
clients = {}


def key_of(token, keys):
    if isinstance(keys, str):
        return clients.setdefault(keys, jwt.PyJWKClient(keys)).get_signing_key_from_jwt(token)
    return jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]


def verify(token, keys, issuer, audience, now=None):
    header = jwt.get_unverified_header(token)
    key = key_of(token, keys)
    timeless = {"verify_exp": False, "verify_nbf": False, "verify_iat": False} if now else {}
    claims = jwt.decode(token, key, algorithms=ALGORITHMS, issuer=issuer, audience=audience, options={
        "require": ["exp", "iat", "sub", "jti", "client_id", "aud", "iss"], **timeless})
    return {"claims": claims, "header": header}


print(json.dumps({"listening": "stdin"}), flush=True)
for line in sys.stdin:
    try:
        answer = verify(**json.loads(line))
    except Exception as error:  # PyJWT lets some of Python's own through
        answer = {"refused": type(error).__name__}
    print(json.dumps(answer), flush=True)
