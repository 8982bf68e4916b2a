"""An authorization server that counts: answers introspection about any token, each with a user of its own."""

import asyncio
import json
import urllib.parse


class CountingServer:
    """Takes `delay` seconds for each answer. Use as `async with`."""

    def __init__(self, delay=0.0):
        self.delay = delay
        self.calls = 0
        self.sessions = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = await reader.readexactly(length)
                if head.startswith(b"POST /introspect "):
                    answer, kind = await self.introspect(body), b"application/json"
                else:
                    answer, kind = b"x" * 100, b"text/plain"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                             % (kind, len(answer), answer))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def introspect(self, body):
        self.calls += 1
        token = urllib.parse.parse_qs(body.decode())["token"][0]
        self.sessions.add(token)
        await asyncio.sleep(self.delay)
        name = token[-12:]
        return json.dumps({
            "active": True, "sub": f"user-{name}", "client_id": "web", "username": name,
            "email": f"{name}@acme.example", "roles": ["editor", "viewer"], "org": {"id": "acme"},
        }).encode()


class Connection:
    """One keep-alive connection to the gateway."""

    @classmethod
    async def open(cls, address):
        self = cls()
        host, port = address.rsplit(":", 1)
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        self.host = address
        return self

    async def get(self, path, session):
        """Status of the answer."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nCookie: SESSION={session}\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"transfer-encoding":
                raise RuntimeError("the benchmarks read answers with a length only")
        await self.reader.readexactly(length)
        return int(head.split(b" ", 2)[1])

    def close(self):
        self.writer.close()
