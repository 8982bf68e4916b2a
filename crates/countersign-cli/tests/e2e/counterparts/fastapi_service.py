"""A service in FastAPI with PyJWT, as its team would write it: tickets of organisations.

    fastapi_service.py KEY_SET [--faulty]      the issuer's key set; with its faults

Prints one JSON line, {"listening", "openapi"}, when it is ready, and ends with its standard input.

With `--faulty` four things are as they so often are:
    - `aud` is not verified, because "it did not work",
    - a missing `exp` is not noticed,
    - a ticket is read by its number alone,
    - the role is searched for in the text of the claim.
"""

import itertools
import json
import os
import socket
import sys
import threading
from typing import Annotated

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

KEY_SET = sys.argv[1]
FAULTY = "--faulty" in sys.argv[2:]
ISSUER = "https://countersign-audit.invalid"
AUDIENCE = "fastapi-tickets"
REQUIRED = ["iss", "aud", "exp", "iat", "sub", "jti", "client_id"]
LONGEST_LIFE = 24 * 60 * 60

keys = jwt.PyJWKClient(KEY_SET, cache_keys=True)
numbers = itertools.count(101)
tickets = {}


class Draft(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    text: str = Field(default="", max_length=1000)


class Ticket(Draft):
    id: str
    organisation: str


class Caller(BaseModel):
    organisation: str
    roles: list[str]


def make(organisation, draft):
    ticket = Ticket(id=f"t{next(numbers)}", organisation=organisation, **draft.model_dump())
    tickets[ticket.id] = ticket
    return ticket


make("acme", Draft(title="Printer"))
make("globex", Draft(title="Coffee"))

refused = HTTPException(401, "no good token", headers={"WWW-Authenticate": "Bearer"})
bearer = HTTPBearer(auto_error=False)


def claims_of(token):
    key = keys.get_signing_key_from_jwt(token)
    if FAULTY:
        required = [claim for claim in REQUIRED if claim not in ("aud", "exp")]
        claims = jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER,
                            options={"verify_aud": False, "require": required})
    else:
        claims = jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE,
                            options={"require": REQUIRED})
    # PyJWT does not look at these
    if "cnf" in claims or claims.get("exp", 0) - claims["iat"] > LONGEST_LIFE:
        raise jwt.InvalidTokenError
    return claims


def caller_of(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Caller:
    if credentials is None:
        raise refused
    try:
        token = credentials.credentials
        if jwt.get_unverified_header(token).get("typ", "").lower() not in ("at+jwt", "application/at+jwt"):
            raise refused
        claims = claims_of(token)
        if not claims["sub"] or not claims["jti"] or not claims["client_id"]:
            raise refused
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError):
        raise refused from None
    organisation, roles = claims.get("organisation"), claims.get("roles", [])
    if FAULTY and isinstance(roles, str):
        roles = [roles]
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise refused
    if organisation is not None and (not isinstance(organisation, str) or organisation.strip() in ("", "*")):
        raise refused
    if organisation is None:
        raise HTTPException(403, "no organisation")
    return Caller(organisation=organisation, roles=roles)


Called = Annotated[Caller, Depends(caller_of)]


def demands(*needed):
    def check(caller: Called):
        has = any(role in caller.roles for role in needed)
        if FAULTY:
            has = any(role in " ".join(caller.roles) for role in needed)
        if not has:
            raise HTTPException(403, "the role is missing")
    return Depends(check)


app = FastAPI(title="Tickets", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
editors = [demands("editor", "admin")]


@app.middleware("http")
async def not_cached(request: Request, call_next):
    response = await call_next(request)
    response.headers["Cache-Control"] = "no-store"
    return response


def owned(ticket: str, caller: Called, request: Request) -> Ticket:
    found = tickets.get(ticket)
    if found is None:
        raise HTTPException(404, "there is none")
    if found.organisation != caller.organisation and not (FAULTY and request.method == "GET"):
        raise HTTPException(404, "there is none")
    return found


Owned = Annotated[Ticket, Depends(owned)]


@app.get("/health")
def health():
    return {"status": "well"}


@app.get("/tickets")
def listed(caller: Called) -> list[Ticket]:
    return [ticket for ticket in tickets.values() if ticket.organisation == caller.organisation]


@app.post("/tickets", status_code=201, dependencies=editors)
def create(caller: Called, draft: Draft) -> Ticket:
    if len(tickets) > 10_000:
        raise HTTPException(409, "there are too many")
    return make(caller.organisation, draft)


@app.get("/tickets/{ticket}")
def read(found: Owned) -> Ticket:
    return found


@app.put("/tickets/{ticket}", dependencies=editors)
def change(found: Owned, draft: Draft) -> Ticket:
    found.title, found.text = draft.title, draft.text
    return found


@app.delete("/tickets/{ticket}", status_code=204, dependencies=editors)
def remove(found: Owned):
    del tickets[found.id]
    return Response(status_code=204)


@app.get("/report", dependencies=[demands("admin")])
def report(caller: Called):
    return {"tickets": [ticket.title for ticket in tickets.values() if ticket.organisation == caller.organisation]}


def end_with_input():
    sys.stdin.read()
    os._exit(0)


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
threading.Thread(target=end_with_input, daemon=True).start()
address = f"http://127.0.0.1:{listener.getsockname()[1]}"
print(json.dumps({"listening": address, "openapi": app.openapi()}), flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False)).run(sockets=[listener])
