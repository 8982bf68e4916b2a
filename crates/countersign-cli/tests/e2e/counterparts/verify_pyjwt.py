"""Verifies and signs tokens with PyJWT, as a service in Python would.

Reads one JSON line for each question and answers with one line.
{"token", "keys" or "secret", "issuer", "audience"} is answered with {"claims", "header"} or {"refused"}: `keys` is the
key set's address, or a key set, `secret` an HMAC key in hexadecimal; with one of the latter, `now` says the time.
{"sign", "claims"} is answered with {"token", "key"}: signed as that algorithm with a new key, or with `secret`.
"""

import json
import sys
from datetime import datetime, timezone

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"]
REQUIRED = ["exp", "iat", "sub", "jti", "client_id", "aud", "iss"]
CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
clients = {}


class Clock(datetime):
    """PyJWT cannot be told the time, so what it asks for the time is told."""

    moment = None

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) if cls.moment is None else datetime.fromtimestamp(cls.moment, tz or timezone.utc)


jwt.api_jwt.datetime = Clock

# PyJWT knows Ed25519 by its older name alone (RFC 9864 §2.2), so it is told the newer one.
known_algorithms = jwt.algorithms.get_default_algorithms


def with_newer_name():
    known = known_algorithms()
    return {**known, "Ed25519": known["EdDSA"]}


jwt.api_jwk.get_default_algorithms = with_newer_name
jwt.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())


def key_of(token, keys):
    if isinstance(keys, str):
        return clients.setdefault(keys, jwt.PyJWKClient(keys)).get_signing_key_from_jwt(token)
    known = jwt.PyJWKSet.from_dict(keys)
    name = jwt.get_unverified_header(token).get("kid")
    if name is None and len(known.keys) == 1:
        return known.keys[0]
    return known[name]


def verify(token, issuer, audience, keys=None, secret=None, now=None):
    Clock.moment = now
    header = jwt.get_unverified_header(token)
    key = bytes.fromhex(secret) if secret else key_of(token, keys)
    algorithms = ["HS256", "HS384", "HS512"] if secret else ALGORITHMS
    claims = jwt.decode(token, key, algorithms=algorithms, issuer=issuer, audience=audience, leeway=5,
                        options={"require": REQUIRED})
    return {"claims": claims, "header": header}


def new_key(algorithm):
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def sign(sign, claims, secret=None):
    if secret:
        return {"token": jwt.encode(claims, bytes.fromhex(secret), sign, {"typ": "at+jwt"})}
    key = new_key(sign)
    public = json.loads(jwt.get_algorithm_by_name(sign).to_jwk(key.public_key()))
    public.pop("key_ops", None)
    token = jwt.encode(claims, key, sign, {"typ": "at+jwt", "kid": "theirs"})
    return {"token": token, "key": {**public, "alg": sign, "kid": "theirs"}}


print(json.dumps({"listening": "stdin"}), flush=True)
for line in sys.stdin:
    try:
        question = json.loads(line)
        answer = sign(**question) if "sign" in question else verify(**question)
    except Exception as error:  # PyJWT lets some of Python's own through
        answer = {"refused": type(error).__name__}
    print(json.dumps(answer), flush=True)
