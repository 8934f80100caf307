"""gunicorn's settings: `gunicorn -c python:api.serving "api.app:create_app()"`."""

import logging
from typing import Any

from api import traced
from api.watchdog import Watchdog
from overheard import logs
from overheard.settings import Settings

_settings = Settings.load()

bind = f"{_settings.host}:{_settings.port}"
workers = 1  # one process: waiting requests share its reply list; more machines run more of them
worker_class = "api.patience.Worker"
threads = _settings.max_waiters + _settings.max_streams + 16  # the last are for health, jobs and whoever gets the 503
timeout = 60
graceful_timeout = 8
keepalive = 30
control_socket_disable = True
accesslog = None
loglevel = _settings.log_level.lower()


def on_starting(server: Any) -> None:
    """Its lines look like ours; the process that answers is forked from this one."""
    logs.configure(_settings.log_level, _settings.log_format, traced.about)
    logging.getLogger("gunicorn.error").handlers = logging.getLogger().handlers


def post_worker_init(worker: Any) -> None:
    """A stopping server turns what waits into jobs, so that nothing accepted is lost. A running one is a watchdog."""
    house = worker.wsgi.extensions["overheard"]
    house.desk.is_stopping = lambda: not worker.alive
    Watchdog(house).start()
