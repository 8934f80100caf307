"""What all pages share: the blueprint, their static files, what each template knows, and problems told as pages."""

import hashlib
import hmac
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Flask, Response, current_app, g, render_template, request, send_from_directory, url_for
from flask.sessions import SecureCookieSessionInterface
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest

from api.pages import brands, words, zones
from overheard import __version__
from overheard.store.keys import Role

STATIC: Final = Path(__file__).with_name("static")
A_YEAR_S: Final = 365 * 86_400
SIGNED_IN_S: Final = 7 * 86_400
NAVIGATION: Final = (
    ("overview", "Overview"),
    ("posts", "Posts"),
    ("label", "Label"),
    ("models", "Models"),
    ("jobs", "Jobs"),
    ("schedules", "Schedules"),
    ("feeds", "Feeds"),
    ("alerts", "Alerts"),
    ("try_it", "Try it"),
    ("keys", "Keys"),
)
"""View function and name; a page is in the navigation as soon as it exists."""
NAVIGATION_OF: Final = {"keys": Role.admin}
"""Whose navigation has a page, where that is not everybody's."""

Q = TypeVar("Q", bound=BaseModel)
blueprint = Blueprint("pages", __name__, template_folder="templates")


class Sessions(SecureCookieSessionInterface):
    """Cookies that a browser sends over TLS alone, where they were set over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def register(app: Flask) -> None:
    from flask_wtf.csrf import generate_csrf

    house = app.extensions["overheard"]
    app.secret_key = hmac.digest(house.privacy.secret, b"sessions", hashlib.sha256)
    app.session_interface = Sessions()
    app.config |= {
        "SESSION_COOKIE_NAME": f"overheard_{house.settings.port}",  # a host's cookies go to all its ports
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": SIGNED_IN_S,
        "WTF_CSRF_TIME_LIMIT": None,  # a token lives as long as its session
    }
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {**words.FILTERS, **zones.FILTERS}
    app.jinja_env.globals |= {
        "asset": asset,
        "csrf_token": generate_csrf,
        "here": here,
        "link_to": link_to,
        "reachable": reachable,
        "version": __version__,
    }
    app.register_blueprint(blueprint)
    app.after_request(_as_page)


@cache
def static_version() -> str:
    """Changes with any static file: their addresses hold it, so browsers may keep them for good."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(STATIC)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def asset(name: str) -> str:
    return url_for("pages.static_file", version=static_version(), name=name)


@blueprint.get("/static/<version>/<path:name>")
def static_file(version: str, name: str) -> Response:
    """Scripts import each other by relative names, which keep the version."""
    is_current = version == static_version()
    response = send_from_directory(STATIC, name, max_age=A_YEAR_S if is_current else 0)
    if is_current:
        response.cache_control.immutable = True
    return response


def here(**changes: object) -> str:
    """This page's address with other filters; None drops one. A page of a list is another list's no more."""
    kept = {name: value for name, value in request.args.items() if name != "cursor"}
    wanted = {name: value for name, value in {**kept, **changes}.items() if value not in (None, "")}
    return request.path + (f"?{urlencode(wanted)}" if wanted else "")


def link_to(view: str, **values: Any) -> str | None:
    """Another page's address; None where there is no such page."""
    return url_for(f"pages.{view}", **values) if f"pages.{view}" in current_app.view_functions else None


def posts_link(brand_id: int, *, since: datetime, until: datetime, **filters: str | None) -> str:
    """Where the posts behind a number are: on their page, or as the API lists them until there is one."""
    times = {
        name: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for name, at in (("since", since), ("until", until))
    }
    page = link_to("posts")
    asked = {"brand" if page else "brand_id": str(brand_id), **filters, **times}
    return f"{page or '/posts'}?{urlencode({name: value for name, value in asked.items() if value})}"


def asked(kind: type[Q], **given: Any) -> Q:
    """What the address asks for, as the API would be asked; `given` wins. Raises BadRequest."""
    told = {name: request.args[name] for name in kind.model_fields if request.args.get(name)}
    try:
        return kind.model_validate({**told, **given})
    except ValidationError as error:
        (problem, *_) = error.errors()
        place = ".".join(map(str, problem["loc"])) or "cursor"
        raise BadRequest(f"the address says something of {place} that means nothing here") from None


def reachable(url: str | None) -> str | None:
    """Another program's page, if the reader's browser gets there: not to this machine from another one, nor to a name
    without a dot, which is one of containers among themselves."""
    host, mine = (urlsplit(one).hostname or "" for one in (url or "", request.host_url))
    if _is_this_machine(host):
        return url if _is_this_machine(mine) else None
    return url if "." in host or ":" in host else None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@blueprint.app_context_processor
def _known() -> dict[str, Any]:
    """What every template knows."""
    return {
        "navigation": _navigation() if "role" in g else (),
        "may": _may,
        "role": g.role.name if "role" in g else None,
        "zone": zones.of_reader().key,
        "now": datetime.now(UTC),
        "brands": brands.all_of_them() if "role" in g else (),
        "brand": brands.chosen_if_there() if "role" in g else None,
    }


def _navigation() -> list[tuple[str, str, str]]:
    """Address, name, what `aria-current` says: `page`, `true` on a page below it, or nothing. The chosen brand goes
    along."""
    chosen: dict[str, Any] = {"brand": request.args["brand"]} if "brand" in request.args else {}
    there = [
        (view, name)
        for view, name in NAVIGATION
        if f"pages.{view}" in current_app.view_functions and g.role >= NAVIGATION_OF.get(view, Role.viewer)
    ]
    return [(url_for(f"pages.{view}", **chosen), name, _current(url_for(f"pages.{view}"))) for view, name in there]


def _current(path: str) -> str:
    return "page" if request.path == path else "true" if request.path.startswith(f"{path}/") else ""


def _may(role: str) -> bool:
    """Whether the reader's key has this role, or one above it."""
    return "role" in g and bool(g.role >= Role[role])


def _as_page(response: Response) -> Response:
    """A page's problem as a page, and whoever has to sign in is led there."""
    if response.mimetype != "application/problem+json" or not _is_read_by_a_person():
        return response
    problem = response.get_json()
    if response.status_code == 401 and request.method == "GET":
        response.status_code = 303
        response.location = url_for("pages.sign_in", next=request.full_path.rstrip("?"))
    del response.headers["WWW-Authenticate"]
    response.set_data(render_template("problem.html", problem=problem))
    response.mimetype = "text/html"
    return response


def _is_read_by_a_person() -> bool:
    if request.blueprint == blueprint.name:
        return True
    return request.url_rule is None and request.headers.get("Sec-Fetch-Mode") == "navigate"
