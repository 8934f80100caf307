"""The Flask application."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from flask import Response, request
from flask_openapi import Info, OpenAPI
from redis import Redis
from werkzeug.exceptions import BadRequest, UnprocessableEntity, UnsupportedMediaType
from werkzeug.middleware.proxy_fix import ProxyFix

from api import auth, errors, traced
from api.documented import Documented
from api.jobs import Desk
from api.metrics import watch
from api.rates import Rates
from api.routes import batches, health, inference, jobs, keys
from api.services import Services
from overheard import __version__
from overheard.errors import DataError, SettingsError
from overheard.limits import MAX_BODY_BYTES
from overheard.privacy import Privacy
from overheard.secret import ensure_secret
from overheard.settings import Settings
from overheard.stack.key import ensure_api_key
from overheard.store.database import Database, migrate
from worker.app import app as celery

RAW = (batches.UPLOAD, "webhooks.push")  # no JSON, or none before its signature is checked
FORMS = "pages"  # the blueprint whose bodies are forms
AIRFLOW = "/api/v1/"
DRAINED_BYTES = 65_536  # gunicorn closes the connection after a longer one
SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "any name, the key as password"},
}


def create_app(settings: Settings | None = None) -> OpenAPI:
    """Raises SettingsError, StackError."""
    settings = settings or Settings.load()
    app = Documented(
        "api",
        info=Info(title="Overheard", version=__version__),
        security_schemes=SECURITY,
        validation_error_callback=errors.invalid,
    )
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["overheard"] = _services(settings)
    if count := settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]
    app.before_request(traced.begin)
    watch(app)
    app.before_request(auth.authenticate)
    app.before_request(_require_json)
    app.after_request(auth.secure)
    app.after_request(_drain)
    app.after_request(traced.end)
    errors.register(app)
    for routes in _routes():
        app.register_api(routes.blueprint)
    _add_pages(app)
    return app


def _add_pages(app: OpenAPI) -> None:
    from api import pages

    pages.register(app)


def _routes() -> Iterable[ModuleType]:
    """In the order of the documentation. What no import of this module need wait for is imported here."""
    from api.routes import (
        airflow,
        alerts,
        audits,
        brands,
        changes,
        digest,
        drift,
        feeds,
        labels,
        metrics,
        models,
        posts,
        quality,
        queue,
        recipients,
        rules,
        schedules,
        sentiment,
        training,
        webhooks,
    )

    heard = (brands, sentiment, changes, quality, drift, digest, audits, feeds, webhooks, posts)
    watched = (rules, alerts, recipients)
    timed = (schedules, airflow)
    return (inference, batches, jobs, labels, queue, training, models, *heard, *watched, *timed, keys, health, metrics)


def _services(settings: Settings) -> Services:
    from overheard.store.rules import ensure_defaults  # with it comes all that rules look at

    migrate(settings.sql_url)
    database = Database(settings.sql_url)
    with database.write() as session:
        ensure_defaults(session, datetime.now(UTC))
    redis = Redis.from_url(settings.broker_url, socket_timeout=10, socket_connect_timeout=5, health_check_interval=15)
    desk = Desk(celery, database, redis, settings)
    _ensure_default_recipient(database, settings)
    streams = threading.BoundedSemaphore(settings.max_streams)
    privacy = Privacy(ensure_secret(settings), settings.keep_authors)
    return Services(settings, ensure_api_key(settings), database, redis, desk, streams, privacy, Rates(settings))


def _ensure_default_recipient(database: Database, settings: Settings) -> None:
    """The one that a setting names. Raises SettingsError for one that can't be used; where it leads, sending checks."""
    if settings.notify_url is None:
        return
    from overheard.recipients import parse, seal_of
    from overheard.store import recipients

    try:
        target = parse(settings.notify_url.get_secret_value(), settings.notify_schemes)
    except DataError as error:
        raise SettingsError(f"OVERHEARD_NOTIFY_URL: {error}") from None
    with database.write() as session:
        recipients.ensure_default(session, seal_of(settings), target, datetime.now(UTC))


def _require_json() -> None:
    """A body is JSON or refused: 415 for another type, 422 for what does not parse.

    Scripts written for Airflow may leave its type out, as `curl -d` does.
    """
    if request.method not in ("POST", "PATCH", "PUT") or request.endpoint in RAW or request.blueprint == FORMS:
        return
    if request.content_length == 0 or (request.content_length is None and not request.headers.get("Transfer-Encoding")):
        return
    may_be_untyped = request.path.startswith(AIRFLOW)
    if not (request.is_json or may_be_untyped):
        raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
    try:
        request.get_json(force=may_be_untyped)  # kept by the request: the route does not parse again
    except (BadRequest, RecursionError) as error:
        raise UnprocessableEntity(f"the body is not JSON: {error.__context__ or error}") from None


def _drain(response: Response) -> Response:
    """Read the rest of a small body that was refused unread: gunicorn would lose the next request in it."""
    if 0 < (request.content_length or 0) <= DRAINED_BYTES:
        request.environ["wsgi.input"].read(DRAINED_BYTES)
    return response
