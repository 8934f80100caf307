"""Texts and files of one's own, scored while one looks."""

from flask import render_template

from api.auth import requires
from api.pages.site import blueprint
from api.services import services
from overheard.formats import SUFFIXES
from overheard.limits import MAX_BODY_BYTES, MAX_MESSAGE_CHARS, MAX_MESSAGES
from overheard.store.keys import Role


@blueprint.get("/app/try")
@requires(Role.viewer)
def try_it() -> str:
    return render_template(
        "try_it.html",
        most_texts=MAX_MESSAGES,
        most_chars=MAX_MESSAGE_CHARS,
        most_bytes=MAX_BODY_BYTES,
        most_upload=services().settings.max_upload_bytes,
        suffixes=SUFFIXES,
    )
