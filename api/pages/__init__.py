"""What people look at: pages that the server renders, over the same functions and routes that programs use.

`site` has what they share. A page is a module that `PAGES` names, a template of its name, and at most one script.
"""

from importlib import import_module
from typing import Final

from flask import Flask

from api.pages import site

PAGES: Final = (
    "sign_in",
    "overview",
    "events",
    "posts",
    "label",
    "models",
    "jobs",
    "try_it",
    "alerts",
    "rehearsal",
    "feeds",
    "schedules",
    "keys",
)


def register(app: Flask) -> None:
    """Pages live under /app/, since /posts and the like are the API's; the overview is at /."""
    for name in PAGES:
        import_module(f"{__name__}.{name}")  # adds its routes to the blueprint
    site.register(app)
