"""Signing in with a key, and out again."""

from urllib.parse import urlsplit

from flask import redirect, render_template, request, session, url_for
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response as BaseResponse

from api import auth
from api.pages.site import blueprint


@blueprint.get("/sign-in")
def sign_in() -> str:
    return render_template("sign_in.html", next=_next(), problem="")


@blueprint.post("/sign-in")
def begin_session() -> tuple[str, int] | BaseResponse:
    """The cookie holds a reference to the key, so a key that is revoked ends its sessions."""
    auth.require_token()
    wanted, secret = _next(), request.form.get("key", "").strip()
    try:
        owner, _ = auth.identify(secret)
    except Unauthorized:
        problem = "This key is unknown or revoked. Check that you copied all of it."
        return render_template("sign_in.html", next=wanted, problem=problem), 401
    session.clear()
    session.permanent = True
    session[auth.SESSION_KEY] = auth.reference(owner, secret)
    return redirect(wanted, 303)


@blueprint.post("/sign-out")
def end_session() -> BaseResponse:
    session.clear()
    return redirect(url_for("pages.sign_in"), 303)


def _next() -> str:
    """Where to go then: a path of ours, or the overview."""
    wanted = request.values.get("next", "")
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_ours and not urlsplit(wanted).netloc else url_for("pages.overview")
