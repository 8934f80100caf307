"""Who asks, and may they? A bearer key, or HTTP basic authentication with the key as its password (browsers)."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Response, g, request
from werkzeug.exceptions import Forbidden, Unauthorized

from api.services import services
from overheard.store import keys
from overheard.store.keys import Role

P = ParamSpec("P")
R = TypeVar("R")
CHALLENGES = ('Basic realm="overheard", charset="UTF-8"', 'Bearer realm="overheard"')
OPEN = ("/health/", "/webhooks/")  # what is pushed is signed


def authenticate() -> None:
    """Before every request: sets g.owner and g.role. Raises Unauthorized, Forbidden."""
    if request.path.startswith(OPEN):
        return
    if request.method not in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise Forbidden("requests from other sites' pages are refused")  # a browser sends a remembered password along
    g.owner, g.role = _identify(_secret())


def _secret() -> str:
    given = request.authorization
    secret = given and (given.token if given.type == "bearer" else given.password if given.type == "basic" else None)
    if not secret:
        raise _unauthorized("send the key: `Authorization: Bearer KEY`, or as the password of basic authentication")
    return secret


def _identify(secret: str) -> tuple[str, Role]:
    if secrets.compare_digest(secret.encode("utf-8", "replace"), services().admin_key.encode()):
        return "admin", Role.admin
    with services().database.read() as session:
        key = keys.find(session, secret)
    if key is None:
        raise _unauthorized("this key is unknown or revoked")
    return key.id, Role[key.role]


def _unauthorized(reason: str) -> Unauthorized:
    error = Unauthorized(reason)
    error.get_headers = lambda *_: [("WWW-Authenticate", challenge) for challenge in CHALLENGES]  # type: ignore[method-assign]
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
        f"default-src 'self'; script-src {scripts}; style-src {scripts}; img-src 'self' data:; frame-ancestors 'none'",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if not docs:
        response.headers.setdefault("Cache-Control", "no-store")
    return response
