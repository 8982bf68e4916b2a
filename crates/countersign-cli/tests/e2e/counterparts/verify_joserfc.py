"""Verifies and signs tokens with joserfc, as a service in Python would.

Reads one JSON line for each question and answers with one line.
{"token", "keys" or "secret", "issuer", "audience", "now"} is answered with {"claims", "header"} or {"refused"}: `keys` is
a key set, `secret` an HMAC key in hexadecimal.
{"sign", "claims"} is answered with {"token", "key"}: signed as that algorithm with a new key, or with `secret`.
"""

import json
import sys

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"]
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def verify(token, issuer, audience, now, keys=None, secret=None):
    key = OctKey.import_key(bytes.fromhex(secret)) if secret else KeySet.import_key_set(keys)
    algorithms = ["HS256", "HS384", "HS512"] if secret else ALGORITHMS
    decoded = jwt.decode(token, key, algorithms=algorithms)
    essential = {name: {"essential": True} for name in ("exp", "iat", "sub", "jti", "client_id")}
    rules = jwt.JWTClaimsRegistry(now=now, leeway=5, iss={"essential": True, "value": issuer},
                                  aud={"essential": True, "value": audience}, **essential)
    rules.validate(decoded.claims)
    return {"claims": decoded.claims, "header": decoded.header}


def new_key(algorithm):
    parameters = {"alg": algorithm, "kid": "theirs"}
    if algorithm in CURVES:
        return ECKey.generate_key(CURVES[algorithm], parameters)
    if algorithm in ("EdDSA", "Ed25519"):
        return OKPKey.generate_key("Ed25519", parameters)
    return RSAKey.generate_key(2048, parameters)


def sign(sign, claims, secret=None):
    header = {"alg": sign, "typ": "at+jwt"}
    if secret:
        return {"token": jwt.encode(header, claims, OctKey.import_key(bytes.fromhex(secret)), algorithms=[sign])}
    key = new_key(sign)
    token = jwt.encode({**header, "kid": "theirs"}, claims, key, algorithms=[sign])
    return {"token": token, "key": key.as_dict(private=False)}


print(json.dumps({"listening": "stdin"}), flush=True)
for line in sys.stdin:
    try:
        question = json.loads(line)
        answer = sign(**question) if "sign" in question else verify(**question)
    except Exception as error:  # joserfc lets some of Python's own through
        answer = {"refused": type(error).__name__}
    print(json.dumps(answer), flush=True)
