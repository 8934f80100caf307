"""What all pages share: the blueprint, their static files, what each template knows, and problems told as pages."""

import hashlib
import hmac
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, current_app, g, render_template, request, send_from_directory, url_for
from flask.sessions import SecureCookieSessionInterface

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
)
"""View function and name; a page is in the navigation as soon as it exists."""

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


def _navigation() -> list[tuple[str, str, bool]]:
    """Address, name, whether it is this page. The chosen brand goes along."""
    chosen: dict[str, Any] = {"brand": request.args["brand"]} if "brand" in request.args else {}
    there = [(view, name) for view, name in NAVIGATION if f"pages.{view}" in current_app.view_functions]
    return [(url_for(f"pages.{view}", **chosen), name, request.endpoint == f"pages.{view}") for view, name in there]


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
