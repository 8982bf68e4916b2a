"""A service that writes rows into SQLite. Prints its port. Usage: service.py DATABASE"""

import base64
import http.server
import json
import sqlite3
import sys
import threading

database = sqlite3.connect(sys.argv[1], check_same_thread=False)
database.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL)")
database.commit()
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def author(self):
        """The token's subject; the test is about what arrives, not about signatures."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.count(".") != 2:
            return None
        payload = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]

    def rows(self):
        with lock:
            return database.execute("SELECT author, text FROM notes ORDER BY id").fetchall()

    def do_GET(self):
        if self.path == "/rows":
            self.answer(200, self.rows())
        elif self.path == "/notes/own401":
            self.answer(401, {"code": "of_the_service"}, [("WWW-Authenticate", 'Bearer error="invalid_token"')])
        elif self.path == "/notes/own403":
            self.answer(403, {"code": "of_the_service"})
        elif self.path == "/notes/forged":
            forged = [("Countersign-Refused", "session_ended"), ("Countersign-Forwarded", "0")]
            self.answer(401, {"code": "of_the_service"}, forged)
        elif self.path.startswith("/notes/away?"):
            self.answer(302, {}, [("Location", self.path.partition("?")[2])])
        elif self.path == "/notes/":
            self.answer(200, [text for _, text in self.rows()])
        else:
            self.answer(404, {})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        author = self.author()
        if self.path == "/notes/refuses":
            self.answer(401, {"code": "of_the_service"})
            return
        if author is None:
            self.answer(401, {"code": "no_token"})
            return
        with lock:
            database.execute("INSERT INTO notes (author, text) VALUES (?, ?)", (author, text))
            database.commit()
        self.answer(201, {"author": author})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
