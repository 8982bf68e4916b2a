"""Verifies access tokens with PyJWT, from the published key set, as a service in Python would.

Reads one JSON line for each question, {"token", "keys", "issuer", "audience"}, and answers with one line,
{"claims", "header"} or {"refused"}.
"""

import json
import sys

import jwt

clients = {}
print(json.dumps({"listening": "stdin"}), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    client = clients.setdefault(question["keys"], jwt.PyJWKClient(question["keys"]))
    try:
        key = client.get_signing_key_from_jwt(question["token"])
        claims = jwt.decode(
            question["token"], key, algorithms=["ES256", "RS256", "EdDSA"], issuer=question["issuer"],
            audience=question["audience"], options={"require": ["exp", "iat", "sub", "jti", "client_id", "aud", "iss"]},
        )
        answer = {"claims": claims, "header": jwt.get_unverified_header(question["token"])}
    except jwt.PyJWTError as error:
        answer = {"refused": type(error).__name__}
    print(json.dumps(answer), flush=True)
