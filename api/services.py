"""What the routes work with, built once per process by `create_app`."""

import threading
from dataclasses import dataclass
from typing import cast

from flask import current_app
from redis import Redis

from api.jobs import Desk
from api.rates import Rates
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.store.database import Database


@dataclass(frozen=True)
class Services:
    settings: Settings
    admin_key: str
    database: Database
    redis: Redis
    desk: Desk
    streams: threading.BoundedSemaphore
    privacy: Privacy
    rates: Rates


def services() -> Services:
    return cast(Services, current_app.extensions["overheard"])
