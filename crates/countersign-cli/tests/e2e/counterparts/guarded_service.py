"""A service behind a guard in Python, with the standard library alone: WSGI, which cannot tell `X_User` from `X-User`.

    guarded_service.py      prints one JSON line, {"listening"}, when it is ready, and ends with its standard input

    GET /orders/       the orders of the caller's organisation
    GET /orders/ID     one of them; 404 for one of another organisation, as for one that is not there
    any other          {"caller", "headers", "body", "served"}: all that it was told
"""

import itertools
import json
import os
import sys
import threading
from socketserver import ThreadingMixIn
from urllib.parse import unquote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

ORDERS = [
    {"id": "1", "organisation": "acme", "item": "paper"},
    {"id": "2", "organisation": "globex", "item": "ink"},
    {"id": "3", "organisation": "acme", "item": "pens"},
]
SERVED = itertools.count(1)


def decoded(value):
    """Absent is None: the guard sets a header or removes it."""
    return None if value is None else unquote(value, errors="strict")


def caller_of(environ):
    return {
        "id": decoded(environ.get("HTTP_X_USER_ID")),
        "organisation": decoded(environ.get("HTTP_X_ORGANISATION")),
        "roles": [decoded(role) for role in environ.get("HTTP_X_ROLES", "").split(",") if role],
        "scope": [decoded(scope) for scope in environ.get("HTTP_X_SCOPE", "").split()],
    }


def service(environ, start_response):
    served = next(SERVED)

    def answer(status, value):
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(value).encode()]

    caller, path = caller_of(environ), environ["PATH_INFO"]
    if not path.startswith("/orders/"):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        headers = [text for name, value in environ.items() if name.startswith("HTTP_") for text in (name, value)]
        return answer("200 OK", {"caller": caller, "headers": headers, "body": body, "served": served})
    if caller["id"] is None:
        return answer("500 Internal Server Error", {"detail": "no guard stands before this service"})
    own = [order for order in ORDERS if order["organisation"] == caller["organisation"]]
    wanted = path.removeprefix("/orders/")
    if not wanted:
        return answer("200 OK", {"orders": own})
    order = next((order for order in own if order["id"] == wanted), None)
    return answer("200 OK", order) if order else answer("404 Not Found", {"detail": "no such order"})


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, service, Server, Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"listening": f"http://127.0.0.1:{server.server_port}"}), flush=True)
sys.stdin.read()
os._exit(0)
