"""Who asks, and may they? A bearer key, HTTP basic authentication with the key as its password, or a session.

A session is a browser's that signed in with a key (`api.pages.sign_in`); what it changes needs a token that other
sites' pages can't know.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from flask import Response, g, request, session
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import Forbidden, Unauthorized

from api.services import services
from overheard.store import keys
from overheard.store.keys import Role
from overheard.store.tables.work import Key

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
CHALLENGES = ('Basic realm="overheard", charset="UTF-8"', 'Bearer realm="overheard"')
UNCOUNTED = ("/health/",)
OPEN = ("/webhooks/", "/static/", "/sign-in")  # what is pushed is signed
SAFE = ("GET", "HEAD", "OPTIONS")
SESSION_KEY: Final = "key"
TOKEN_HEADER, TOKEN_FIELD = "X-CSRFToken", "csrf_token"
ADMIN: Final = "admin"


def authenticate() -> None:
    """Before every request: sets g.owner and g.role. Raises Unauthorized, Forbidden, TooManyRequests."""
    if request.path.startswith(UNCOUNTED):
        return
    if request.path.startswith(OPEN):
        services().rates.count_address(request.remote_addr)
        return
    is_safe = request.method in SAFE
    if not is_safe and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise Forbidden("requests from other sites' pages are refused")  # a browser sends a remembered password along
    if not request.authorization and SESSION_KEY in session:
        g.owner, g.role = _signed_in(session[SESSION_KEY])
        if not is_safe:
            require_token()
    else:
        g.owner, g.role = identify(_secret())
    services().rates.count_key(g.owner)


def _secret() -> str:
    given = request.authorization
    secret = given and (given.token if given.type == "bearer" else given.password if given.type == "basic" else None)
    if not secret:
        services().rates.count_address(request.remote_addr)
        raise _unauthorized("send the key: `Authorization: Bearer KEY`, or as the password of basic authentication")
    return secret


def identify(secret: str) -> tuple[str, Role]:
    """Whose key this is (the key's id, or `admin`), and its role. Raises Unauthorized, TooManyRequests."""
    services().rates.require_open(request.remote_addr)
    if secrets.compare_digest(secret.encode("utf-8", "replace"), services().admin_key.encode()):
        return ADMIN, Role.admin
    now = datetime.now(UTC)
    with services().database.read() as opened:
        key = keys.find(opened, secret, now)
    if key is None:
        services().rates.count_failure(request.remote_addr)
        raise _unauthorized("this key is unknown or revoked")
    return _used(key, now)


def _used(key: Key, now: datetime) -> tuple[str, Role]:
    """A database that can't be written to just now keeps nobody out."""
    if keys.is_use_untold(key, now):
        try:
            with services().database.write() as opened:
                keys.tell_use(opened, key.id, now)
        except SQLAlchemyError as error:
            log.warning("when a key was used is not told: %s", error.__class__.__name__)
    return key.id, Role[key.role]


def reference(owner: str, secret: str) -> str:
    """What a session holds of a key: enough to find it, and to notice that it was revoked or changed."""
    if owner != ADMIN:
        return f"{owner}:{keys.digest(secret)}"
    house = services()
    return f"{ADMIN}:{hmac.new(house.privacy.secret, house.admin_key.encode(), hashlib.sha256).hexdigest()}"


def _signed_in(held: str) -> tuple[str, Role]:
    if hmac.compare_digest(held.encode(), reference(ADMIN, "").encode()):
        return ADMIN, Role.admin
    key_id, _, secret_digest = held.partition(":")
    now = datetime.now(UTC)
    with services().database.read() as opened:
        key = keys.find_signed_in(opened, key_id, secret_digest, now)
    if key is None:
        session.clear()
        raise _unauthorized("the key that you signed in with was revoked or changed: sign in with another")
    return _used(key, now)


def require_token() -> None:
    """That the request comes from a page of ours. Raises Forbidden.

    Of bodies, those of small forms alone are looked into: uploads are read by their routes.
    """
    from flask_wtf.csrf import validate_csrf  # it brings all of WTForms; a start of the API need not wait for that

    is_form = request.mimetype == "application/x-www-form-urlencoded"
    token = request.headers.get(TOKEN_HEADER) or (request.form.get(TOKEN_FIELD) if is_form else None)
    try:
        validate_csrf(token)
    except ValueError:
        reason = "this page is out of date: load it again, and repeat what you did (programs send a key, no session)"
        raise Forbidden(reason) from None


def _unauthorized(reason: str) -> Unauthorized:
    """A page's script hears of no password: its browser would ask for one."""
    is_script = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
    challenges = [("WWW-Authenticate", challenge) for challenge in CHALLENGES[is_script:]]
    error = Unauthorized(reason)
    error.get_headers = lambda *_: challenges  # type: ignore[method-assign]
    return error


def requires(role: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A route that only this role and those above it may call."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if g.role < role:
                raise Forbidden(f"this needs the role {role.name}; the key has {g.role.name}")
            return view(*args, **kwargs)

        return checked

    return decorate


def secure(response: Response) -> Response:
    """After every request: headers that keep a browser from doing anything that we did not mean."""
    docs = request.path.startswith("/openapi")
    scripts = "'self' 'unsafe-inline'" if docs else "'self'"  # Swagger UI's page has an inline script
    response.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'self'; script-src {scripts}; style-src {scripts}; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if not docs:
        response.headers.setdefault("Cache-Control", "no-store")  # static files say how long they are kept
    return response
