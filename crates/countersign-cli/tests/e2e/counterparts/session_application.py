"""The old application: Django with real sessions in SQLite, which only understands its own cookie.

    session_application.py FOLDER      a folder for the database

Prints one JSON line, {"listening"}, when it is ready, and ends with its standard input.

    POST /login     username, password: logs in and sets the cookie `sessionid`
    POST /logout    ends the session
    GET  /whoami    JSON about the user; redirects to /login without a session
    GET  /page      the old application's own page: what cookie it saw
"""

import json
import os
import pathlib
import secrets
import sys
import threading

import django
from django.conf import settings

FOLDER = pathlib.Path(sys.argv[1])

settings.configure(
    SECRET_KEY=secrets.token_hex(32),
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "sessions.sqlite3",
                           "OPTIONS": {"timeout": 20}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    LOGIN_URL="/login",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # quick, for users that are made at start
    ROOT_URLCONF=__name__,
    SESSION_COOKIE_AGE=3600,
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import authenticate, login, logout  # noqa: E402
from django.contrib.auth.decorators import login_required  # noqa: E402
from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.http import require_POST  # noqa: E402

@require_POST
def log_in(request):
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse(status=403)
    login(request, user)
    return JsonResponse({"user": user.username})


@require_POST
def log_out(request):
    logout(request)
    return JsonResponse({})


@login_required
def whoami(request):
    user = request.user
    return JsonResponse({
        "user": {"id": user.pk, "name": user.username, "mail": user.email},
        "groups": " ".join(sorted(group.name for group in user.groups.all())),
        "company": {"key": user.last_name},
        "until": int(request.session.get_expiry_date().timestamp()),
    })


urlpatterns = [
    path("login", lambda request: log_in(request) if request.method == "POST" else HttpResponse("<form method=post>")),
    path("logout", log_out),
    path("page", lambda request: JsonResponse({"cookie": request.headers.get("cookie"), "user": str(request.user)})),
    path("whoami", whoami),
]


def make_users():
    call_command("migrate", verbosity=0)
    for name, mail, groups, company in [
        ("ada", "ada@acme.example", ["editor", "viewer"], "acme"),
        ("bob", "bob@globex.example", ["viewer"], "globex"),
    ]:
        user = User.objects.create_user(name, mail, f"password-of-{name}", last_name=company)
        user.groups.set(Group.objects.get_or_create(name=group)[0] for group in groups)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


make_users()
server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
server.daemon_threads = True
server.set_app(get_wsgi_application())
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"listening": f"http://127.0.0.1:{server.server_address[1]}"}), flush=True)
sys.stdin.read()
os._exit(0)
